from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from benchmarks.resegmented import region_figures
from regions import block_entropy, correlation, npcr, segmented, sorted_blocks
from regions.thresholds import EQUAL_BITS

GREY = arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 5))


def noisy(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Smooth on one side and noise on the other, so that entropies differ, and some blocks are constant."""
    most = int(np.iinfo(dtype).max)
    swing = np.linspace(0.1, 12, shape[1]).reshape(1, -1, *(1,) * (len(shape) - 2))
    # Few levels, far apart: were all of a block's different, all entropies would be equal.
    noise = np.round(np.random.default_rng(seed).normal(size=shape) * swing).clip(-40, 40).astype(np.int64)
    image = most // 2 + noise * (most // 100)
    image[: shape[0] // 4] = most
    return image.astype(dtype)


def region_of_pixels(image: NDArray[Any], thresholds: NDArray[np.float64], block: int) -> NDArray[np.intp]:
    labels = segmented(block_entropy(image, block), thresholds)
    return labels.repeat(block, 0)[: image.shape[0]].repeat(block, 1)[:, : image.shape[1]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_prefix_sums_tell_what_metrics_tell_of_the_segmented_image(dtype: str) -> None:
    image = noisy((96, 128), dtype)
    blocks = sorted_blocks(image, 16)
    stack = image.reshape(6, 16, 8, 16).swapaxes(1, 2).reshape(-1, 16, 16)
    for low, high in ((0, 1), (1, 2), (0, blocks.steps), (3, 20), (blocks.steps - 1, blocks.steps)):
        limits = blocks.thresholds[[place - 1 for place in (low, high) if 0 < place < blocks.steps]]
        region = stack[segmented(blocks.entropy, limits).ravel() == (low > 0)]
        places = np.array([low]), np.array([high])
        # Levels of int32 lose their lowest bits.
        within = 1e-5 if dtype == "int32" else 1e-9
        assert blocks.correlation(*places)[0] == pytest.approx(correlation(region).mean, abs=within)
        assert blocks.change_rate(*places)[0] == pytest.approx(npcr(region, region).ceiling, abs=1e-9)
        assert blocks.blocks[high] - blocks.blocks[low] == len(region)


@given(GREY, st.integers(1, 6), st.data())
def test_so_they_do_for_any_block_and_any_region_also_where_blocks_are_partial(
    image: NDArray[np.uint8], block: int, data: st.DataObject
) -> None:
    blocks = sorted_blocks(image, block)
    low = data.draw(st.integers(0, blocks.steps - 1))
    high = data.draw(st.integers(low + 1, blocks.steps))
    inner = [place - 1 for place in (low, high) if 0 < place < blocks.steps]
    inside = region_of_pixels(image, blocks.thresholds[inner], block) == (low > 0)
    cor, rate = region_figures(image, inside, block)
    places = np.array([low]), np.array([high])
    assert blocks.correlation(*places)[0] == pytest.approx(cor, abs=1e-9)
    assert blocks.change_rate(*places)[0] == pytest.approx(rate, abs=1e-9)


def test_colour_components_are_averaged() -> None:
    image = noisy((64, 96, 3), "uint8")
    image[..., 1] //= 3
    blocks = sorted_blocks(image, 16, channel_axis=-1)
    parts = [sorted_blocks(image[..., channel], 16) for channel in range(3)]
    assert blocks.entropy == pytest.approx(np.mean([part.entropy for part in parts], axis=0))
    whole = [(np.array([0]), np.array([part.steps])) for part in (blocks, *parts)]
    for metric in ("correlation", "change_rate"):
        each = [getattr(part, metric)(*places) for part, places in zip(parts, whole[1:], strict=True)]
        assert getattr(blocks, metric)(*whole[0]) == pytest.approx(np.mean(each), abs=1e-12)
    moved = sorted_blocks(np.moveaxis(image, -1, 0), 16, channel_axis=0)
    assert (moved.moments == blocks.moments).all()
    assert (moved.common == blocks.common).all()


def test_a_region_that_hardly_varies_is_told_from_a_constant_one() -> None:
    image = np.full((512, 512), 65535, np.uint16)
    image[:, :16] = np.random.default_rng(0).integers(0, 65536, (512, 16))
    image[7, 19] -= 1
    blocks = sorted_blocks(image, 16)
    places = np.array([0, 1, 0]), np.array([1, 2, 2])
    values = blocks.correlation(*places)
    inside = region_of_pixels(image, blocks.thresholds[:2], 16)
    assert values[0] == 1
    assert values[1] == pytest.approx(region_figures(image, inside == 1, 16)[0], rel=1e-9)
    assert values[2] == pytest.approx(region_figures(image, inside < 2, 16)[0], rel=1e-6)
    assert 0 < values[2] < 1e-3


@given(GREY, st.integers(1, 6))
def test_no_threshold_divides_blocks_of_equal_entropy(image: NDArray[np.uint8], block: int) -> None:
    blocks = sorted_blocks(image, block)
    labels = segmented(blocks.entropy, blocks.thresholds)
    assert set(labels.ravel()) == set(range(blocks.steps))
    assert (np.bincount(labels.ravel()) == np.diff(blocks.blocks)).all()
    bits, of = blocks.entropy.ravel(), labels.ravel()
    equal = np.abs(np.subtract.outer(bits, bits)) <= EQUAL_BITS
    assert (equal == np.equal.outer(of, of)).all()


def test_entropies_that_only_rounding_tells_apart_are_equal() -> None:
    rng = np.random.default_rng(0)
    counts = [3, 5, 7, 11, 13, 25]
    tiles = [np.repeat(rng.permutation(6), rng.permutation(counts)) for _ in range(40)]
    image = np.concatenate([rng.permutation(tile).reshape(8, 8) for tile in tiles], axis=1).astype(np.uint8)
    assert len(np.unique(block_entropy(image, 8))) > 1
    assert sorted_blocks(image, 8).steps == 1


def test_more_entropies_than_steps_are_taken_together_about_equally_many() -> None:
    image = noisy((256, 256))
    fine, coarse = sorted_blocks(image, 8), sorted_blocks(image, 8, most_steps=20)
    assert fine.steps > 300
    assert 10 < coarse.steps <= 20
    assert set(coarse.thresholds) <= set(fine.thresholds)
    # Nothing divides the constant blocks; all others are within a step of equally many.
    sizes = np.diff(coarse.blocks)[1:]
    assert sizes.max() <= 2 * 1024 / 20
    places = np.searchsorted(fine.blocks, coarse.blocks)
    low, high = np.triu_indices(coarse.steps + 1, 1)
    assert coarse.change_rate(low, high) == pytest.approx(
        fine.change_rate(places[low], places[high]), abs=1e-12
    )
    assert (coarse.correlation(low, high) == fine.correlation(places[low], places[high])).all()


def test_sixteen_bits_cost_no_more_memory_than_the_table_of_places() -> None:
    import tracemalloc

    image = np.random.default_rng(0).integers(0, 65536, (512, 512)).astype(np.uint16)
    image[:, :256] >>= 6
    tracemalloc.start()
    blocks = sorted_blocks(image, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert blocks.common.nbytes <= 1025**2 * 8
    # A table of all levels by places would be 512 MiB.
    assert peak < 96 << 20


@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(0, 8)),
    st.lists(st.floats(0, 8), max_size=4, unique=True),
)
def test_a_label_is_how_many_thresholds_the_entropy_reaches(
    entropy: NDArray[np.float64], limits: list[float]
) -> None:
    labels = segmented(entropy, sorted(limits))
    assert labels.shape == entropy.shape
    assert labels.dtype == np.intp
    assert (labels == sum((entropy >= limit).astype(int) for limit in limits)).all()


def test_what_cannot_be_segmented_is_refused() -> None:
    for wrong in ([2.0, 1.0], [1.0, 1.0], [np.nan], [[1.0]], [np.inf]):
        with pytest.raises(ValueError, match="strictly rising"):
            segmented([1.0], wrong)
    with pytest.raises(ValueError, match="one plane"):
        sorted_blocks(np.zeros((4, 4, 3), np.uint8), 2)
    with pytest.raises(ValueError, match="integer images"):
        sorted_blocks(np.zeros((4, 4)), 2)
    with pytest.raises(ValueError, match="at least 1 step"):
        sorted_blocks(np.zeros((4, 4), np.uint8), 2, most_steps=0)
    with pytest.raises(ValueError, match="colour component"):
        sorted_blocks(np.zeros((4, 4, 0), np.uint8), 2, channel_axis=-1)
