import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.resegmented import resegmented
from regions import Fitness, SortedBlocks, Speeds, even_cuts, fitness_terms, random_cuts, sorted_blocks
from tests.regions.test_thresholds import noisy

IMAGE = noisy((200, 216))
BLOCKS = sorted_blocks(IMAGE, 16)
UNEQUAL = Speeds(np.array([1.0, 2, 3, 1.5]), latency=np.array([0, 2.0, 9, 1]), transfer=np.array(0.25))


def filled(cuts: np.ndarray, width: int) -> list[int]:
    return [*cuts.tolist(), *[BLOCKS.steps] * (width - len(cuts))]


@pytest.mark.parametrize("speeds", [Speeds.equal(4), UNEQUAL, Speeds.equal(20)])
def test_j_from_prefix_sums_is_j_of_the_segmented_image(speeds: Speeds) -> None:
    rng = np.random.default_rng(0)
    drawn = [random_cuts(BLOCKS, speeds, rng) for _ in range(25)]
    at_once = fitness_terms(BLOCKS, [filled(cuts, 11)[: speeds.most_regions - 1] for cuts in drawn], speeds)
    assert len({len(cuts) for cuts in drawn}) > 1
    for cuts, terms in zip(drawn, at_once, strict=True):
        wanted = resegmented(IMAGE, 16, BLOCKS.entropy, BLOCKS.thresholds[cuts - 1], speeds)
        assert Fitness(*terms).total == pytest.approx(wanted.total, abs=1e-9)
        assert tuple(terms) == pytest.approx((wanted.correlation, wanted.sameness, wanted.time), abs=1e-9)


def test_so_it_is_in_colour() -> None:
    image = noisy((100, 96, 3), "uint8")
    image[..., 2] //= 2
    blocks = sorted_blocks(image, 16, channel_axis=-1)
    for cuts in ([1], [2, 9], [1, 5, 11]):
        thresholds = blocks.thresholds[np.array(cuts) - 1]
        wanted = resegmented(image, 16, blocks.entropy, thresholds, UNEQUAL, channel_axis=-1)
        assert fitness_terms(blocks, [cuts], UNEQUAL).sum() == pytest.approx(wanted.total, abs=1e-9)


@given(st.data())
def test_terms_keep_their_ranges_and_no_region_of_none_counts(data: st.DataObject) -> None:
    places = st.integers(1, BLOCKS.steps - 1)
    cuts = sorted(data.draw(st.sets(places, min_size=1, max_size=3)))
    terms = fitness_terms(BLOCKS, [cuts], UNEQUAL)
    assert ((terms >= 0) & (terms[:, :2] <= 1).all()).all()
    assert terms[0, 2] >= 1 - 1e-12
    assert fitness_terms(BLOCKS, [filled(np.array(cuts), 3)], UNEQUAL) == pytest.approx(terms, abs=1e-12)


def test_seconds_are_latency_and_blocks_by_transfer_and_speed_and_none_without_blocks() -> None:
    assert UNEQUAL.seconds([4, 8, 0, 3]).tolist() == [4 + 1, 2 + 4 + 2, 0, 1 + 2 + 0.75]
    assert UNEQUAL.seconds([[4], [8]]).tolist() == [[5], [10]]


def test_the_time_term_is_1_where_all_end_together_and_counts_idle_providers() -> None:
    speeds = Speeds(np.array([1.0, 3.0, 4.0]))
    assert speeds.seconds([10, 30, 40]).max() == speeds.ideal(80) == 10
    assert Speeds.equal(4).seconds([40, 40]).max() / Speeds.equal(4).ideal(80) == 2
    # Providers after the twelfth have no region, whatever is done, and so no share of the ideal.
    assert Speeds.equal(40).ideal(120) == 10
    assert Speeds.equal(40).most_regions == 12


def test_only_ratios_of_speeds_count() -> None:
    cuts = [[3, 7, 20]]
    once, thrice = Speeds(np.array([1.0, 2, 3, 4])), Speeds(np.array([3.0, 6, 9, 12]))
    assert fitness_terms(BLOCKS, cuts, once) == pytest.approx(fitness_terms(BLOCKS, cuts, thrice), abs=1e-12)


def test_random_cuts_have_any_number_of_regions_and_any_places() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_cuts(BLOCKS, Speeds.equal(30), rng) for _ in range(2000)]
    assert {len(cuts) + 1 for cuts in drawn} == set(range(2, 13))
    assert set(np.concatenate(drawn).tolist()) == set(range(1, BLOCKS.steps))
    assert all((np.diff(cuts) > 0).all() for cuts in drawn)


@pytest.mark.parametrize("regions", [2, 3, 4, 7])
def test_even_cuts_are_as_near_to_equal_sizes_as_steps_allow(regions: int) -> None:
    cuts = even_cuts(BLOCKS, regions)
    wanted = np.arange(1, regions) * BLOCKS.blocks[-1] / regions
    nearest = np.abs(BLOCKS.blocks[1:-1, None] - wanted).min(axis=0)
    chosen = np.abs(BLOCKS.blocks[cuts][:, None] - wanted).min(axis=0)
    assert (chosen == nearest).all()


def constant() -> SortedBlocks:
    return sorted_blocks(np.zeros((64, 64), np.uint8), 16)


def test_blocks_of_one_entropy_have_no_cuts() -> None:
    assert len(even_cuts(constant(), 4)) == 0
    assert len(random_cuts(constant(), Speeds.equal(4), np.random.default_rng(0))) == 0
    assert fitness_terms(constant(), np.zeros((1, 0)), Speeds.equal(4)).tolist() == [[1, 1, 4]]


def test_wrong_speeds_and_cuts_are_refused() -> None:
    for wrong in ([1.0], [1.0, 0.0], [1.0, np.nan], [[1.0, 2.0]], [1.0, np.inf]):
        with pytest.raises(ValueError, match="at least 2 providers|positive and finite"):
            Speeds(np.array(wrong))
    for wrong in ([1.0], [-1.0, 0.0], [0.0, np.nan]):
        with pytest.raises(ValueError, match="latency needs"):
            Speeds(np.ones(2), latency=np.array(wrong))
    with pytest.raises(ValueError, match="must rise"):
        fitness_terms(BLOCKS, [[3, 2]], Speeds.equal(4))
    with pytest.raises(ValueError, match="must rise"):
        fitness_terms(BLOCKS, [[BLOCKS.steps + 1]], Speeds.equal(4))
    with pytest.raises(ValueError, match="2 providers have no regions"):
        fitness_terms(BLOCKS, [[1, 2]], Speeds.equal(2))
