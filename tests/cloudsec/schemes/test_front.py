"""The front of what could be chosen, against its definition."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cloudsec.schemes.front import Candidate, front
from cloudsec.schemes.planning import searched
from cloudsec.schemes.policy import MOST_RING, TOLERATED_AREA
from tests.cloudsec.schemes.test_planning import SHADED, all_worths
from tests.planning import KEYS, job_of, plan_of

FIGURES = st.integers(0, 3).map(lambda tenths: tenths / 10)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        block=st.just(32),
        regions=st.integers(2, 9),
        halo_policy=st.just("shared"),
        seconds=FIGURES,
        area=FIGURES,
        share=FIGURES,
        home=FIGURES,
        total=st.floats(3, 9),
    ),
    min_size=1,
    max_size=12,
)


def figures(one: Candidate) -> tuple[float, ...]:
    return (one.seconds, one.area, one.share, one.home)


def betters(one: Candidate, other: Candidate) -> bool:
    pairs = list(zip(figures(one), figures(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(CANDIDATES, st.integers(0))
def test_nothing_on_the_front_is_bettered_and_all_else_is(candidates: list[Candidate], which: int) -> None:
    which %= len(candidates)
    candidates[which] = replace(candidates[which], chosen=True)
    found = front(candidates)
    unbettered = [one for one in candidates if not any(betters(other, one) for other in candidates)]
    assert {figures(one) for one in found if not one.chosen} <= set(map(figures, unbettered))
    assert set(map(figures, unbettered)) <= set(map(figures, found))
    assert [one for one in found if one.chosen] == [candidates[which]]
    assert len(set(map(figures, found))) == len(found)
    assert [one.seconds for one in found] == sorted(one.seconds for one in found)


def test_differences_that_are_not_written_are_nothing_to_choose_by() -> None:
    one = Candidate(32, 4, "shared", 0.1, 0.1, 0.3, 0.2, 5.0)
    alike = replace(one, seconds=0.1001, share=0.29999, total=4.5)
    assert front([one, alike]) == (alike,)
    assert front([]) == ()


def test_a_job_that_asks_what_else_there_is_gets_the_same_plan_and_only_it_gets_a_front() -> None:
    for count, tolerate, speeds in ((4, 1, None), (6, 1, (1.0, 4.0, 1.0, 0.25, 2.0, 1.0)), (7, 2, None)):
        job = job_of(SHADED, "median", count, tolerate=tolerate, speeds=speeds, size=5)
        plain, asked = plan_of(job), plan_of(replace(job, compared=True))
        assert (plain.owners == asked.owners).all()
        assert plain.convergence == asked.convergence
        assert not plain.front
        (chosen,) = [one for one in asked.front if one.chosen]
        assert (chosen.block, chosen.regions, chosen.halo_policy) == (
            asked.block,
            asked.regions,
            asked.halo_policy,
        )
        assert abs(chosen.home - sum(asked.reasons.values())) < 1e-9
        assert abs(chosen.seconds - job.forecast.seconds(asked.workload(job))) < 1e-9
        assert chosen.total == min(one.total for one in asked.front)


def test_the_front_of_a_small_search_is_that_of_all_that_there_is() -> None:
    """Though the search leaves out what several could join of what is not the best."""
    job = replace(job_of(SHADED, "median", 9, tolerate=2, size=5), compared=True)
    found = searched(job, None, None, KEYS)
    assert found is not None
    # Each is judged by a planner of its own, so that nothing is left out.
    everything = [
        Candidate(
            design.block,
            design.regions,
            worth.price.policy,
            worth.price.seconds,
            worth.price.area * TOLERATED_AREA,
            worth.share / 9,
            worth.price.home * MOST_RING,
            worth.total,
        )
        for design, worth in dict(all_worths(job)).items()
    ]
    best = min(everything, key=lambda one: one.total)
    assert len(found.front) > 1
    assert found.front == front([replace(one, chosen=one is best) for one in everything])
