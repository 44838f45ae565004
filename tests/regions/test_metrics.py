import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from regions import (
    BlockGrid,
    Figure,
    correlation,
    cut,
    npcr,
    permuted_correlation,
    stack_entropy,
    uaci,
)
from tests.windows import window_starts

GREY = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6))


def test_cor_is_the_mean_of_pearson_over_the_three_directions() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    image[:, 1:] = image[:, 1:] // 2 + image[:, :-1] // 2
    wanted = [
        abs(np.corrcoef(one.ravel(), other.ravel())[0, 1])
        for one, other in (
            (image[:, :-1], image[:, 1:]),
            (image[:-1], image[1:]),
            (image[:-1, :-1], image[1:, 1:]),
        )
    ]
    assert wanted[0] > 0.4 > 0.1 > wanted[1]
    assert correlation(image).mean == pytest.approx(np.mean(wanted), abs=1e-12)


def test_cor_of_large_levels_is_that_of_their_differences() -> None:
    image = np.random.default_rng(0).integers(0, 9, (40, 40)) + 2**40
    assert correlation(image).mean == pytest.approx(correlation(image - 2**40).mean, abs=1e-6)


@given(GREY, st.integers(-3, 3).filter(bool), st.integers(-1000, 1000))
def test_cor_is_a_share_that_neither_offset_nor_negation_nor_gain_changes(
    image: np.ndarray, gain: int, offset: int
) -> None:
    value = correlation(image).mean
    assert 0 <= value <= 1
    assert correlation(image.astype(np.int32) * gain + offset).mean == pytest.approx(value, abs=1e-9)


def test_a_constant_region_hides_nothing_and_counts_one() -> None:
    assert correlation(np.full((5, 8, 8), 7)).mean == 1.0
    assert correlation(np.arange(5)[:, None]).mean == 1.0
    stripes = np.tile(np.arange(64) % 7, (64, 1))
    # Along a stripe pixels agree; across, those of 7 levels in rising order do not correlate fully.
    assert 1 / 3 < correlation(stripes).mean < 1


def test_pixels_of_different_blocks_are_no_neighbours() -> None:
    stack = np.random.default_rng(0).integers(0, 256, (50, 8, 8)) + np.arange(50)[:, None, None] * 1000
    by_hand = [np.corrcoef(stack[..., :-1].ravel(), stack[..., 1:].ravel())[0, 1]]
    by_hand.append(np.corrcoef(stack[:, :-1].ravel(), stack[:, 1:].ravel())[0, 1])
    by_hand.append(np.corrcoef(stack[:, :-1, :-1].ravel(), stack[:, 1:, 1:].ravel())[0, 1])
    assert correlation(stack).mean == pytest.approx(np.mean(by_hand))


@pytest.mark.parametrize("block", [8, 16, 32])
def test_after_a_keyed_order_of_blocks_cor_measures_the_block_size(block: int) -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.indices((512, 512))
    image = 1000 * np.sin(rows / 97) + 800 * np.cos(columns / 61)
    grid = BlockGrid(image.shape, (block, block))
    blocks = rng.permutation(cut(image, window_starts(grid, (0, 0)).reshape(-1, 2), (block, block)))
    side = 512 // block
    shuffled = blocks.reshape(side, side, block, block).swapaxes(1, 2).reshape(512, 512)
    assert correlation(image).mean > 0.999
    assert correlation(shuffled).mean == pytest.approx(permuted_correlation(block), abs=0.02)


def test_npcr_after_one_pixel_changed_without_a_key_is_one_pixel() -> None:
    before = np.random.default_rng(0).integers(0, 256, (512, 512)).astype(np.uint8)
    after = before.copy()
    after[100, 7] ^= 1
    assert npcr(before, after).mean == 1 / 262144
    assert npcr(before, before).mean == 0


@given(arrays(np.int16, st.integers(1, 40), elements=st.integers(-3, 3)))
def test_the_ceiling_of_npcr_is_one_minus_the_sum_of_squared_shares(pixels: np.ndarray) -> None:
    _, counts = np.unique(pixels, return_counts=True)
    assert npcr(pixels, pixels[::-1]).ceiling == pytest.approx(1 - ((counts / pixels.size) ** 2).sum())


def test_two_keyed_orders_of_a_flat_background_reach_the_ceilings_and_not_more() -> None:
    rng = np.random.default_rng(0)
    pixels = np.where(rng.random(200_000) < 0.6, 0, rng.integers(0, 4096, 200_000)).astype(np.uint16)
    one, other = rng.permutation(pixels), rng.permutation(pixels)
    change, intensity = npcr(one, other), uaci(one, other)
    assert 0.6 < change.mean < 0.65
    assert change.mean == pytest.approx(change.ceiling, abs=0.005)
    assert intensity.mean == pytest.approx(intensity.ceiling, abs=0.005)


@given(
    arrays(np.int32, st.integers(1, 12), elements=st.integers(-50, 50)),
    st.integers(0, 10**6),
    st.sampled_from([np.int32, np.float64]),
)
def test_ceilings_are_the_mean_over_all_pairs_of_places(pixels: np.ndarray, far: int, dtype: type) -> None:
    before, after = pixels.astype(dtype), (pixels[::-1] * 2 + far * 3).astype(dtype)
    every = before[:, None] - after
    span = max(before.max(), after.max()) - min(before.min(), after.min())
    assert npcr(before, after).ceiling == pytest.approx((every != 0).mean())
    if span:
        assert uaci(before, after).ceiling == pytest.approx(np.abs(every).mean() / span)


def test_uaci_of_uniform_grey_levels_is_a_third_and_differences_do_not_wrap() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 300, 300)).astype(np.uint8)
    assert uaci(one, other, span=255).mean == pytest.approx(0.3346, abs=0.003)
    assert uaci(one, other, span=255).ceiling == pytest.approx(0.3346, abs=0.003)
    low, high = np.int16([[-32768]]), np.int16([[32767]])
    assert uaci(low, high).mean == 1
    assert uaci(low, low).mean == 0
    with pytest.raises(ValueError, match="more than the span"):
        uaci(one, other, span=100)


@given(arrays(np.uint16, st.integers(1, 60), elements=st.integers(0, 5)))
def test_entropy_of_a_stack_is_that_of_its_histogram(stack: np.ndarray) -> None:
    _, counts = np.unique(stack, return_counts=True)
    figure = stack_entropy(stack)
    assert figure.mean == pytest.approx(stats.entropy(counts, base=2), abs=1e-12)
    assert 0 <= figure.mean <= figure.ceiling + 1e-12
    assert figure.ceiling == np.log2(stack.size)


def test_the_ceiling_of_entropy_is_that_of_the_levels_where_pixels_are_many() -> None:
    stack = np.arange(70_000).reshape(7, 100, 100)
    assert stack_entropy((stack % 256).astype(np.uint8)).ceiling == 8
    assert stack_entropy(stack.astype(np.int32), levels=2**17).ceiling == np.log2(70_000)
    assert stack_entropy(stack.astype(np.int64) * 10**9).mean == pytest.approx(np.log2(70_000))
    with pytest.raises(ValueError, match="more than the 4 levels"):
        stack_entropy(np.arange(5), levels=4)


def test_colour_components_are_measured_one_by_one_and_averaged() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    before[..., 2] = 9
    after = before.copy()
    after[..., 0] += 1
    for figure, alone in (
        (correlation(before, channel_axis=-1), lambda c: correlation(before[..., c])),
        (npcr(before, after, channel_axis=-1), lambda c: npcr(before[..., c], after[..., c])),
        (
            uaci(before, after, span=255, channel_axis=2),
            lambda c: uaci(before[..., c], after[..., c], span=255),
        ),
        (stack_entropy(before, channel_axis=-1), lambda c: stack_entropy(before[..., c])),
    ):
        assert figure.components == tuple(alone(c).mean for c in range(3))
        assert figure.ceilings == tuple(alone(c).ceiling for c in range(3))
        assert figure.mean == pytest.approx(np.mean(figure.components))
        assert len(set(figure.components)) > 1


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="two shapes"):
        npcr(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="at least one pixel"):
        correlation(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="two axes"):
        correlation(np.zeros(3))
    with pytest.raises(ValueError, match="integer images"):
        stack_entropy(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        permuted_correlation(0)
    with pytest.raises(ValueError, match="one ceiling per component"):
        Figure((1.0,), ())
