"""What plans are refused, and that the way out which is named works."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes.ga_es import GaEs
from providers import make_operation
from providers.operations import Median
from regions import Symmetries
from tests.planning import job_of, noise, plan_of, recommended

NOISE = noise(330, 300)


@settings(max_examples=60)
# Of blocks of 8 two of seven could join little enough, of the next larger ones not.
@example(7, 2, (0, 4), 8, None)
@given(
    st.integers(2, 12),
    st.integers(0, 3),
    st.tuples(st.integers(0, 7), st.integers(0, 7)),
    st.sampled_from([8, 16, 21, 32]),
    st.sampled_from([None, "shared", "ring"]),
)
def test_the_block_that_a_refusal_recommends_works(
    count: int, tolerate: int, halo: tuple[int, int], block: int, choice: str | None
) -> None:
    if (choice == "shared" and count < 4) or tolerate >= count:
        return
    size = (2 * halo[0] + 1, 2 * halo[1] + 1)
    plan: dict[str, Any] = {"block": block, "halo": choice}

    def policy(side: int) -> str | None:
        job = job_of(NOISE, "mean", count, tolerate=tolerate, plan=plan | {"block": side}, size=size)
        return plan_of(job).halo_policy

    try:
        found = policy(block)
    except IncompatibleScheme as error:
        side = recommended(str(error))
        assert side % 16 == 0
        assert side > block or (not tolerate and choice is None)
        if 4 * count <= (300 // side) * (330 // side):
            assert policy(side) in (("shared", "ring") if choice is None else (choice,))
    else:
        assert found in ((None, "shared", "ring") if choice is None else (None, choice))


@pytest.mark.parametrize(
    ("count", "tolerate", "radius", "plan", "says"),
    [
        (4, 0, 5, {}, "'median' needs 5 pixels around a block, and blocks of 16 would travel with too much"),
        (
            9,
            1,
            5,
            {"halo": "shared"},
            "blocks of 16 would travel with too much of their neighbours; use plan",
        ),
        (
            4,
            3,
            5,
            {"halo": "shared"},
            r"neighbours; use plan={'block': 32}, on the command line --block 32",
        ),
        (2, 1, 3, {}, "'median' needs 3 pixels around a block, and blocks of 16 would leave too much of the"),
        (
            9,
            1,
            3,
            {"halo": "ring"},
            "needs 3 pixels around a block, and blocks of 16 would leave too much of",
        ),
        (4, 2, 3, {}, r"as they must where 2 of 4 providers could join \d+% of the image by them"),
        (4, 2, 3, {}, r"blocks of 16 would leave .*, or more providers, or tolerate fewer"),
        (3, 0, 1, {"halo": "shared"}, "with 3 providers blocks of one provider touch, .* leave 'halo' out"),
        (1, 0, 1, {}, "needs at least 2 providers, because one alone would see everything"),
    ],
)
def test_a_refusal_names_the_cause_and_the_way_out(
    count: int, tolerate: int, radius: int, plan: dict[str, Any], says: str
) -> None:
    plan = {"block": 16} | plan
    with pytest.raises(IncompatibleScheme, match=says):
        plan_of(job_of(NOISE, "median", count, tolerate=tolerate, plan=plan, size=2 * radius + 1))


@dataclass(frozen=True, kw_only=True)
class Secretive(Median):
    """A median that does not say what an offset does to it."""

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, offset_gain=None)


def test_what_says_nothing_of_offsets_is_refused_if_it_reads_neighbours_and_else_computed_at_home() -> None:
    with pytest.raises(
        IncompatibleScheme, match="'median' does not say what an offset does .* 'unprotected'"
    ):
        plan_of(job_of(NOISE, Secretive(size=3)))
    assert not GaEs().carries(Secretive(size=3).resolved(2, "uint8"))
    plan = plan_of(job_of(NOISE, Secretive(size=1)))
    assert (plan.reasons, plan.owners.size) == ({"pointwise": 1.0}, 0)
    assert GaEs().carries(Secretive(size=1).resolved(2, "uint8"))


def test_a_refusal_recommends_no_block_that_would_be_refused() -> None:
    # Two providers have the ring only, which for a halo of 300 pixels wants blocks of 2336.
    wide = make_operation("mean", size=(601, 601))
    with pytest.raises(IncompatibleScheme, match="use scheme 'unprotected' if the image may be seen$"):
        plan_of(job_of(NOISE, wide, 2, plan={"block": 32}))
    with pytest.raises(IncompatibleScheme, match=r"use plan={'block': 1200}"):
        plan_of(job_of(NOISE, wide, 4, plan={"block": 32}))


WRONG = [
    ({"block": 0}, "block must be from 1 to 2000, not 0"),
    ({"block": -16}, "block must be from 1 to 2000"),
    ({"block": 2001}, "block must be from 1 to 2000"),
    ({"block": True}, "block must be from 1 to 2000, not True"),
    ({"block": 16.0}, "block must be a whole number, not 16.0"),
    ({"block": "16"}, "block must be a whole number"),
    ({"regions": 1}, "regions must be from 2 to 4, not 1"),
    ({"regions": 5}, "regions must be from 2 to 4, not 5"),
    ({"regions": "all"}, "regions must be a whole number"),
    ({"halo": "none"}, "halo must be 'shared' or 'ring', not 'none'"),
    ({"halo": 2}, "halo must be 'shared' or 'ring', not 2"),
    ({"halo": ["ring"]}, r"halo must be 'shared' or 'ring', not \['ring'\]"),
    ({"blocks": 16}, "no choice 'blocks' in its plan; it takes: block, regions, halo"),
]


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
@pytest.mark.parametrize(("plan", "says"), WRONG)
def test_a_wrong_choice_is_refused_whether_the_image_is_sent_or_not(
    shape: tuple[int, int], plan: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        plan_of(job_of(noise(*shape), plan=plan))


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
def test_a_shared_halo_is_refused_to_blocks_that_touch_whether_the_image_is_sent_or_not(
    shape: tuple[int, int],
) -> None:
    with pytest.raises(IncompatibleScheme, match="with 3 providers blocks of one provider touch"):
        plan_of(job_of(noise(*shape), "median", 3, plan={"halo": "shared"}))


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
def test_tolerance_of_all_providers_that_are_used_is_refused(shape: tuple[int, int]) -> None:
    for count, plan in ((4, {}), (9, {"regions": 4})):
        job = job_of(noise(*shape), "median", count, tolerate=4, plan=plan)
        with pytest.raises(ValueError, match="less than the number of providers, which is 4, not 4"):
            plan_of(job)
