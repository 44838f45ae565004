"""What a study's record holds, and what no damaged record gets past."""

import json
import zlib
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.study import HOME, Study, StudyGrid
from regions import NO_CLASS

NAMES = ["a", "b", "c", "d", "https://clouds.example.org:9001", "\udce9"]


@st.composite
def grids(draw: st.DrawFn) -> StudyGrid:
    """A grid that is whole, whatever a scheme would say to it."""
    block = draw(st.integers(1, 40))
    shape = draw(st.integers(block, 200)), draw(st.integers(block, 200))
    counts = (-(-shape[0] // block), -(-shape[1] // block))
    seated = draw(st.permutations(NAMES))
    classes = draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels, seconds = random.integers(NO_CLASS, classes, (2, *counts))
    lent = {name: random.random(counts) < 0.5 for name in draw(st.sets(st.sampled_from(NAMES)))}
    return StudyGrid(
        shape,
        block,
        labels,
        seconds,
        (*((name,) for name in seated[: classes - 1]), tuple(seated[classes - 1 :])),
        tuple(draw(st.lists(st.floats(0, 1), max_size=4))),
        draw(st.integers(0, 10**6)),
        draw(st.none() | st.tuples(st.integers(0, 500), st.integers(0, 500))),
        lent,
    )


def fields(grid: StudyGrid) -> dict[str, Any]:
    """All of a grid, in values that compare."""
    found = {
        name: getattr(grid, name) for name in ("shape", "block", "seats", "areas", "informative", "halo")
    }
    found |= {name: getattr(grid, name).tolist() for name in ("classes", "stand_ins")}
    return found | {"lent": {name: blocks.tolist() for name, blocks in grid.lent.items()}}


@given(st.lists(grids(), max_size=3))
def test_a_study_is_read_as_it_was_written(drawn: list[StudyGrid]) -> None:
    study = Study(tuple(drawn))
    read = Study.decoded(study.encoded())
    assert [fields(grid) for grid in read.grids] == [fields(grid) for grid in drawn]
    assert read.encoded() == study.encoded()
    for grid in read.grids:
        assert (grid.classes.dtype, grid.stand_ins.dtype) == (np.intp, np.intp)
        assert all(blocks.dtype == bool for blocks in grid.lent.values())


def some_grid() -> StudyGrid:
    classes = np.arange(12).reshape(3, 4) % 3
    classes[2, 3] = NO_CLASS
    lent = {"c": np.eye(3, 4, dtype=bool)}
    seats = (("a",), ("b", "d"), ("c",))
    return StudyGrid((40, 64), 16, classes, (classes + 1) % 3, seats, (0.1,), 9, (2, 1), lent)


def packed(*labels: int) -> str:
    return b64encode(zlib.compress(np.array(labels, "<i2").tobytes())).decode()


WRONG: dict[str, list[Any]] = {
    "shape": [None, 7, "", [], [40], [40, 64, 3], ["40", "64"], [40.0, 64.0], [0, 64], [-40, 64], [True, 64]]
    + [[10**30, 10**30], [2**40, 64], [40, None], [56, 64], {"40": 64}],
    "block": [None, 0, -16, 1, 17000, 16.0, "16", True, 10**400, [16], 8],
    "classes": [None, 7, [], "", "%%%", "AAAA", packed(), packed(*[0] * 11), packed(*[0] * 13), "é"]
    + [packed(*[3] * 12), packed(*[-2] * 12), b64encode(b"no stream").decode()]
    + [b64encode(zlib.compress(b"\0" * 23)).decode(), b64encode(zlib.compress(bytes(1 << 24))).decode()],
    "stand_ins": [None, "", packed(*[0] * 11), packed(*[3] * 12), packed(*[-2] * 12)],
    "seats": [None, 3, "abc", [], ["a", "b", "c"], [["a"], ["b"]], [["a"], [], ["c"]], [["a"], [1], ["c"]]]
    + [[["a"], ["b"], [["c"]]], [["a"], ["b"], None], {"a": "b"}, [["a"], ["b"], ["a"]]],
    "areas": [None, 0.1, "0.1", ["0.1"], [None], [True], [-0.1], [1.1], [float("nan")], [[0.1]], {"a": 1}],
    "informative": [None, -1, 0.5, "9", [9], True, float("inf")],
    "halo": [0, 2, "", "ab", [], [2], [2, 1, 1], [-1, 0], [0.5, 1], ["2", "1"], [True, 1], {}, False],
    "lent": [None, 7, [], "c", {"c": None}, {"c": ""}, {"c": packed(*[1] * 11)}, {"c": [1]}],
}
"""Field of a grid → what it never is."""


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name in WRONG for wrong in WRONG[name]])
def test_a_grid_with_a_wrong_field_is_a_value_error(name: str, wrong: Any) -> None:
    content = json.loads(Study((some_grid(),)).encoded())
    content["grids"][0][name] = wrong
    with pytest.raises(ValueError, match="record of a study"):
        Study.decoded(json.dumps(content).encode())


@pytest.mark.parametrize("name", WRONG)
def test_a_grid_without_one_of_its_fields_is_a_value_error(name: str) -> None:
    content = json.loads(Study((some_grid(),)).encoded())
    del content["grids"][0][name]
    with pytest.raises(ValueError, match="is no record of a study"):
        Study.decoded(json.dumps(content).encode())


@pytest.mark.parametrize(
    "record",
    [b"", b"\xff", b"{", b"[]", b"null", b"7", b'"grids"', b"{}", b'{"version": 1}', b"[" * 10**5]
    + [b'{"version": 1, "grids": %s}' % grids for grids in (b"null", b"7", b'"ab"', b"{}", b"[7]", b"[[]]")],
)  # fmt: skip
def test_what_is_no_record_is_a_value_error(record: bytes) -> None:
    with pytest.raises(ValueError, match="is no record of a study"):
        Study.decoded(record)


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0, [1]])
def test_a_record_of_another_version_is_not_read(version: Any) -> None:
    with pytest.raises(ValueError, match="of version .*, which is not read"):
        Study.decoded(json.dumps({"version": version, "grids": []}).encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_a_record_that_was_changed_somewhere_is_read_as_a_whole_study_or_is_a_value_error(
    data: st.DataObject,
) -> None:
    content: Any = json.loads(Study((some_grid(), some_grid())).encoded())
    place, key = content, "grids"
    # Any place of the tree is replaced by anything, its container whatever it is.
    while isinstance(place[key], (dict, list)) and place[key] and data.draw(st.integers(0, 3)):
        place = place[key]
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
    place[key] = data.draw(VALUES)
    try:
        study = Study.decoded(json.dumps(content).encode())
    except ValueError:
        return
    for grid in study.grids:
        check_usable(grid)
    assert Study.decoded(study.encoded()).encoded() == study.encoded()


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_a_record_whose_bytes_were_changed_is_read_as_a_whole_study_or_is_a_value_error(
    other: bytes, start: int, length: int
) -> None:
    record = Study((some_grid(),)).encoded()
    try:
        study = Study.decoded(record[:start] + other + record[start + length :])
    except ValueError:
        return
    for grid in study.grids:
        check_usable(grid)


def check_usable(grid: StudyGrid) -> None:
    """What jobs do with a grid."""
    rows, columns = grid.classes.shape
    assert rows * grid.block >= grid.shape[0] > (rows - 1) * grid.block
    assert columns * grid.block >= grid.shape[1] > (columns - 1) * grid.block
    party_of = grid.parties(dict(zip(sorted(grid.members), range(99), strict=False)))
    assert len(party_of[grid.classes]) == len(party_of[grid.stand_ins]) == rows
    assert all(grid.seats)
    grown = grid.seated([], ["new"]).received((3, 3), {"new": np.ones((rows, columns), bool)})
    assert sum(grown.areas) + grown.informative >= 0
    assert Study.decoded(Study((grown,)).encoded()).grids[0].halo == grown.halo


@given(grids(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4), st.data())
def test_what_was_received_only_grows(
    grid: StudyGrid, halos: list[tuple[int, int]], data: st.DataObject
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    for halo in halos:
        names = data.draw(st.sets(st.sampled_from(NAMES), max_size=2))
        given_now = {name: random.random(grid.classes.shape) < 0.2 for name in names}
        after = grid.received(halo, given_now)
        assert after.halo == tuple(np.maximum(grid.halo or (0, 0), halo))
        nothing = np.zeros(grid.classes.shape, bool)
        assert after.lent.keys() == grid.lent.keys() | names
        for name, blocks in after.lent.items():
            wanted = grid.lent.get(name, nothing) | given_now.get(name, nothing)
            assert (blocks == wanted).all()
        # What was handed out once is no news, and needs no other record.
        assert after.received(halo, given_now) is after
        assert after.received((0, 0), {}) is after
        assert fields(after) | {"halo": 0, "lent": 0} == fields(grid) | {"halo": 0, "lent": 0}
        grid = after


def seats_of(*names: str) -> StudyGrid:
    """A grid whose classes are held by the names; "ab" are two of one class."""
    classes = np.arange(len(names))[None]
    return StudyGrid((1, len(names)), 1, classes, classes, tuple(map(tuple, names)))


@pytest.mark.parametrize(
    ("seats", "present", "newcomers", "then"),
    [
        ("a b c", "abc", "xy", "a b c"),
        ("a b c", "ac", "", "a b c"),
        ("a b c", "ac", "xy", "a bx c"),
        ("a b c", "xy", "xy", "ax by c"),
        ("a bx c", "acx", "y", "a bx c"),
        ("a bx c", "ac", "y", "a bxy c"),
        ("a bx c", "abcx", "y", "a bx c"),
    ],
)
def test_a_class_that_nobody_present_holds_goes_to_the_next_newcomer_and_no_other_does(
    seats: str, present: str, newcomers: str, then: str
) -> None:
    before = seats_of(*seats.split())
    after = before.seated(list(present), list(newcomers))
    assert after.seats == seats_of(*then.split()).seats
    assert (after is before) == (seats == then)
    assert after.members == set(then) - {" "}


@pytest.mark.parametrize(
    ("seats", "present", "asked"),
    [
        ("a b c", "abc", [0, 1, 2]),
        ("a b c", "cba", [2, 1, 0]),
        ("a bx c", "xac", [1, 0, 2]),
        ("a bx c", "abcx", [0, 1, 2]),
        ("a bx c", "axz", [0, 1, HOME]),
        ("a b c", "", [HOME] * 3),
    ],
)
def test_the_first_of_a_class_that_is_there_is_asked(seats: str, present: str, asked: list[int]) -> None:
    grid = seats_of(*seats.split())
    assert grid.parties({name: place for place, name in enumerate(present)}).tolist() == asked


def test_a_study_finds_its_first_grid_of_a_shape_or_the_one_of_a_block_size() -> None:
    first, second, other = (
        StudyGrid(shape, block, labels(shape, block), labels(shape, block), (("a",),))
        for shape, block in (((32, 32), 16), ((32, 32), 8), ((32, 40), 8))
    )
    study = Study((first, second, other))
    assert study.grid((32, 32), None) is study.grid((32, 32), 16) is first
    assert study.grid((32, 32), 8) is second
    assert study.grid((32, 40), None) is other
    assert study.grid((40, 32), None) is study.grid((32, 32), 32) is study.grid((32, 40), 16) is None


def labels(shape: tuple[int, int], block: int) -> NDArray[np.intp]:
    return np.zeros((-(-shape[0] // block), -(-shape[1] // block)), np.intp)


def test_a_changed_grid_takes_the_place_of_the_one_of_its_shape_and_block_size_and_of_no_other() -> None:
    sizes = (((32, 32), 16), ((32, 32), 8), ((32, 40), 8))
    grids = [StudyGrid(s, b, labels(s, b), labels(s, b), (("a",), (f"b{b}",))) for s, b in sizes]
    study = Study().having(grids[0]).having(grids[1]).having(grids[2])
    assert list(study.grids) == grids
    assert study.members == {"a", "b16", "b8"}
    assert study.having(grids[1]) is study
    changed = study.having(grids[1].received((3, 3), {}))
    assert [each is grid for each, grid in zip(changed.grids, grids, strict=True)] == [True, False, True]
    assert changed.grids[1].halo == (3, 3)
