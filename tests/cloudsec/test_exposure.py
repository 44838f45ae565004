"""What providers could learn: the report's figures equal a slow count over what they were really sent.

Windows are found in the image by their content. Nothing of the scheme's geometry is used but the place and
size of the grid's blocks; every definition is written out once more, pixel by pixel.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
import providers
from providers.wire import Answer, decode_task
from tests import in_blocks
from tests.sightings import sightings, windows
from tests.simulator import Behaviour, Simulated, changed, fail

KEY = bytes(range(32))
BLOCK = 16
Place = tuple[int, int]
Pixels = frozenset[tuple[int, int]]


def pictured(shape: tuple[int, int], components: int, seed: int) -> NDArray[np.uint16]:
    """Noise, in which strips between blocks are flat here and there, and some blocks show next to nothing."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(100, 4000, (components, *shape), np.uint16)
    rows, columns = shape
    for line in range(BLOCK, min(shape), BLOCK):
        top, left = rng.integers(0, rows - 30), rng.integers(0, columns - 30)
        planes[:, top : top + 26, line - 3 : line + 4] = rng.integers(100, 4000)
        planes[:, line - 3 : line + 4, left : left + 26] = rng.integers(100, 4000)
    # Faint noise is not informative, but can be told from other faint noise.
    planes[:, 16:48, 32:64] = rng.integers(500, 540, (components, 32, 32), np.uint16)
    return planes


def marking(number: int) -> Behaviour:
    """Every pixel of the answer is wrong by this number, so that the result shows whose answer was kept."""

    def mark(answer: Answer) -> Answer:
        stack: NDArray[Any] = answer.stack
        return replace(
            answer, stack=np.where(stack < 2**15, stack + number, stack - number).astype(stack.dtype)
        )

    return changed(mark)


@dataclass
class Case:
    """A job at providers that mark their answers."""

    planes: NDArray[np.uint16]
    halo: int
    clouds: list[Simulated]
    result: cloudsec.Result
    wanted: NDArray[Any]

    def held(self) -> list[set[Place]]:
        """Per provider, first row and column of the windows that it was sent."""
        return [
            {(top, left) for seen in sightings(self.planes, cloud.requests) for _, top, left in seen}
            for cloud in self.clouds
        ]

    @property
    def side(self) -> int:
        (side,) = {decode_task(request).stack.shape[1] for cloud in self.clouds for request in cloud.requests}
        return side


CASES: dict[str, dict[str, Any]] = {
    "4 shared": {"count": 4, "shape": (96, 112)},
    "4 ring": {"count": 4, "shape": (101, 107), "halo": "ring"},
    "3 ring": {"count": 3, "shape": (90, 83)},
    "5 shared": {"count": 5, "shape": (107, 93)},
    "5 ring, a loss": {"count": 5, "shape": (107, 93), "halo": "ring", "dead": 2},
    "9 shared": {"count": 9, "shape": (125, 103), "size": 7},
    "9 ring": {"count": 9, "shape": (112, 101), "halo": "ring"},
    "4 colours": {"count": 4, "shape": (93, 87), "components": 3},
    "4, a loss": {"count": 4, "shape": (96, 101), "dead": 1},
    "12, a loss": {"count": 12, "shape": (131, 127), "dead": 3},
    "12 colours, a loss": {"count": 12, "shape": (127, 119), "dead": 0, "components": 3},
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    chosen = CASES[request.param]
    count, components, size = chosen["count"], chosen.get("components", 1), chosen.get("size", 5)
    planes = pictured(chosen["shape"], components, seed=len(request.param))
    clouds = [Simulated(f"c{i}", marking(i + 1)) for i in range(count)]
    if "dead" in chosen:
        clouds[chosen["dead"]].behaviour = fail
    plan = {"block": BLOCK} | ({"halo": chosen["halo"]} if "halo" in chosen else {})
    image = planes[0] if components == 1 else np.moveaxis(planes, 0, -1)
    axis = None if components == 1 else -1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUDSEC_STATE", str(tmp_path_factory.mktemp("state")))
        with in_blocks.Broker(clouds, key=KEY, plan=plan, verify=False) as broker:
            result = broker.process(image, "median", size=size, channel_axis=axis)
    assert result.report.plan["halo_policy"] == ("ring" if "ring" in request.param else "shared")
    halo = 0 if "ring" in request.param else size // 2
    wanted = providers.apply(image, "median", size=size, channel_axis=axis)
    return Case(planes, halo, clouds, result, wanted)


def box(top: int, left: int, side: int) -> Pixels:
    return frozenset((row, column) for row in range(top, top + side) for column in range(left, left + side))


def grid_places(case: Case, held: list[set[Place]]) -> dict[Place, Place]:
    """The block of the grid that each window is sent for: no row or column is left out before the last."""
    windows = set().union(*held)
    along = [sorted({window[axis] for window in windows}) for axis in (0, 1)]
    return {window: (along[0].index(window[0]), along[1].index(window[1])) for window in windows}


def informative_blocks(planes: NDArray[Any]) -> set[Place]:
    """Blocks of the grid that span more than 4/255 of the image's range, in some component."""
    span = int(planes.max()) - int(planes.min())
    _, rows, columns = planes.shape
    shown = set()
    for row in range(-(-rows // BLOCK)):
        for column in range(-(-columns // BLOCK)):
            block = planes[:, row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK].astype(
                int
            )
            if any((part.max() - part.min()) * 255 > 4 * span for part in block):
                shown.add((row, column))
    return shown


def varies(planes: NDArray[Any], pixels: Iterable[tuple[int, int]]) -> bool:
    rows, columns = zip(*pixels, strict=True)
    return any(len(np.unique(plane[rows, columns])) > 1 for plane in planes)


def linked(case: Case) -> tuple[set[frozenset[Place]], set[frozenset[Place]]]:
    """Pairs of windows that share pixels which are not all equal, and pairs whose blocks touch besides."""
    side = case.side
    every = sorted(set().union(*case.held()))
    shown = {window: box(*window, side) for window in every}
    halo = case.halo
    cores = {window: box(window[0] + halo, window[1] + halo, side - 2 * halo) for window in every}
    beside = {
        window: {
            (row + down, column + right)
            for row, column in core
            for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
        }
        for window, core in cores.items()
    }
    exact, touching = set(), set()
    for one, other in combinations(every, 2):
        if max(abs(one[0] - other[0]), abs(one[1] - other[1])) > side:
            continue
        shared = shown[one] & shown[other]
        if shared and varies(case.planes, shared):
            exact.add(frozenset((one, other)))
        if cores[one] & cores[other] or beside[one] & cores[other]:
            touching.add(frozenset((one, other)))
    return exact, exact | touching


def largest(held: set[Place], pairs: set[frozenset[Place]], counted: set[Place]) -> int:
    """Most counted windows in one piece of those that are held."""
    piece = {window: window for window in held}

    def root(window: Place) -> Place:
        while piece[window] != window:
            window = piece[window]
        return window

    for one, other in map(tuple, pairs):
        if one in held and other in held:
            piece[root(one)] = root(other)
    sizes: dict[Place, int] = {}
    for window in held & counted:
        sizes[root(window)] = sizes.get(root(window), 0) + 1
    return max(sizes.values(), default=0)


def test_no_provider_was_sent_what_another_one_has(case: Case) -> None:
    """But for what a lost one was sent, so that the figures below are put to the test by both."""
    held = case.held()
    lost = {loss.provider for loss in case.result.report.losses}
    for (one, first), (other, second) in combinations(zip(case.clouds, held, strict=True), 2):
        assert not first & second or {one.name, other.name} & lost
    assert all(held)


def test_assembled_and_adjacent_areas_are_those_of_the_worst_coalition(case: Case) -> None:
    held, leakage = case.held(), case.result.report.leakage
    shown = informative_blocks(case.planes)
    counted = {window for window, place in grid_places(case, held).items() if place in shown}
    assert 0 < len(counted) < len(set().union(*held))
    curves = []
    for pairs in linked(case):
        areas = []
        for size in range(1, min(4, len(held)) + 1):
            worst = max(
                largest(set().union(*members), pairs, counted) for members in combinations(held, size)
            )
            areas.append(worst / len(shown))
        curves.append(areas)
    assert leakage["bound"] == "exact"
    assert leakage["assembled_area"] == pytest.approx(curves[0])
    assert leakage["adjacent_area"] == pytest.approx(curves[1])
    reached = [size for curve in curves for size, area in enumerate(curve, 1) if area > 0.1]
    assert leakage["collusion_threshold"] == min(reached, default=None)


def test_flat_strips_make_a_difference(case: Case) -> None:
    """Else these images would not put `assembled_area` to the test."""
    exact, every = linked(case)
    assert len(exact) < len(every)
    # Under the ring, blocks that are shifted inward overlap their neighbours.
    assert bool(exact) == (len(case.clouds) > 3)


def test_shares_count_every_pixel_once(case: Case) -> None:
    report, side = case.result.report, case.side
    padded = np.pad(case.planes.astype(float), ((0, 0), (1, 1), (1, 1)), mode="edge")
    above, below, left, right = padded[:, :-2], padded[:, 2:], padded[:, :, :-2], padded[:, :, 2:]
    down = sum(w * (below - above)[:, :, i : i + case.planes.shape[2]] for i, w in enumerate((1, 2, 1)))
    across = sum(w * (right - left)[:, i : i + case.planes.shape[1]] for i, w in enumerate((1, 2, 1)))
    energy = (down**2 + across**2).sum(axis=0)
    entropy = np.zeros(energy.shape)
    for top, left in np.ndindex(-(-entropy.shape[0] // 16), -(-entropy.shape[1] // 16)):
        inside = slice(16 * top, 16 * top + 16), slice(16 * left, 16 * left + 16)
        for plane in case.planes:
            counts = np.unique(plane[inside], return_counts=True)[1]
            entropy[inside] -= (counts / counts.sum() * np.log2(counts / counts.sum())).sum()
    received, gradients, entropies = [], [], []
    for held in case.held():
        seen = np.zeros(energy.shape, bool)
        for window in held:
            for row, column in box(*window, side):
                seen[row, column] = True
        received.append(seen.mean())
        gradients.append(energy[seen].sum() / energy.sum())
        entropies.append(entropy[seen].sum() / entropy.sum())
    assert [p.received_share for p in report.providers] == pytest.approx(received)
    assert [p.gradient_share for p in report.providers] == pytest.approx(gradients)
    assert report.leakage["worst_gradient_share"] == pytest.approx(max(gradients))
    assert report.exposure.entropy_shares == pytest.approx(entropies)
    assert report.exposure.worst_entropy_share == pytest.approx(max(entropies))


def test_the_pixel_share_is_what_was_kept_of_the_answers(case: Case) -> None:
    report = case.result.report
    marks = np.abs(case.result.image.astype(int) - case.wanted.astype(int))
    kept = [float((marks == number).mean()) for number in range(1, len(case.clouds) + 1)]
    assert [p.pixel_share for p in report.providers] == pytest.approx(kept)
    assert report.home["pixel_share"] == pytest.approx((marks == 0).mean())
    assert report.leakage["worst_pixel_share"] == pytest.approx(max(kept))


def test_the_anonymity_set_is_what_was_shuffled_together_at_least(case: Case) -> None:
    fewest = min(len(windows(case.planes, [request])) for cloud in case.clouds for request in cloud.requests)
    assert case.result.report.leakage["anonymity_set"] == fewest


def test_one_provider_joins_next_to_nothing_where_all_are_there(case: Case) -> None:
    """The promise of the scheme itself, from what was really sent."""
    if case.result.report.losses or len(case.clouds) < 4:
        return
    assert case.result.report.leakage["adjacent_area"][0] == 1 / len(informative_blocks(case.planes))


def test_the_papers_metrics_of_a_tiny_job_are_those_by_hand() -> None:
    image = np.array([[0, 1], [2, 3]], np.uint8)
    report = cloudsec.process(image, "median", size=1, scheme="unprotected", providers=2).report
    figures = {name: (figure["value"], figure["ceiling"]) for name, figure in report.paper_metrics.items()}
    # One pair across in each row, which does not vary, and none in the other directions: all count 1.
    assert figures["cor"] == (1, 1)
    # Nothing is changed; of two pixels drawn, 12 of 16 pairs differ, by 20/16 of 3 levels on average.
    assert figures["npcr"] == (0, pytest.approx(12 / 16))
    assert figures["uaci"] == (0, pytest.approx(20 / 16 / 3))
    # Four values once each: 2 bits, which is also all that four pixels can have.
    assert figures["entropy"] == (2, 2)


def test_the_papers_metrics_compare_what_was_sent_with_what_it_was(case: Case) -> None:
    if case.result.report.losses or len(case.planes) > 1:
        return
    sent, plain, weights = [], [], []
    for cloud in case.clouds:
        (request,) = cloud.requests
        stack = decode_task(request).stack.astype(int)
        sent.append(stack)
        plain += [
            case.planes[0, top : top + case.side, left : left + case.side].astype(int)
            for top, left in sorted({place[1:] for place in sightings(case.planes, [request])[0]})
        ]
    before, after = np.concatenate([p.ravel() for p in plain]), np.concatenate([s.ravel() for s in sent])
    figures = case.result.report.paper_metrics
    _, counts = np.unique(after, return_counts=True)
    share = counts / after.size
    assert figures["entropy"]["value"] == pytest.approx(-(share * np.log2(share)).sum())
    correlated = []
    for stack in sent:
        pairs = (
            (stack[:, :, :-1], stack[:, :, 1:]),
            (stack[:, :-1], stack[:, 1:]),
            (stack[:, :-1, :-1], stack[:, 1:, 1:]),
        )
        correlated.append(np.mean([abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs]))
        weights.append(stack.size)
    assert figures["cor"]["value"] == pytest.approx(np.average(correlated, weights=weights))
    if len(before) == len(after):
        assert figures["npcr"]["value"] == pytest.approx(np.mean(before != after))
        width = max(before.max(), after.max()) - min(before.min(), after.min())
        assert figures["uaci"]["value"] == pytest.approx(np.abs(before - after).mean() / width)
