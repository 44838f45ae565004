"""Real weights as integers: how far answers move, and what room they leave."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from providers import make_operation


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.0, 2.0, 3.5, (0.7, 2.2)])
def test_a_fixed_point_gaussian_is_at_most_one_grey_level_off_on_the_worst_images(
    dtype: str, sigma: float
) -> None:
    operation = make_operation("gaussian", sigma=sigma).resolved(2, dtype)
    limits = np.iinfo(dtype)
    random = np.random.default_rng(0)
    for image in (
        random.choice(np.array([limits.min, limits.max], dtype), (80, 80)),
        random.integers(limits.min, limits.max, (80, 80), dtype, endpoint=True),
    ):
        padded = np.pad(image, [(h, h) for h in operation.halo], mode="symmetric")
        ours = operation.finish(operation.run(padded[None]), dtype)[0].astype(np.float64)
        assert np.abs(ours - gaussian_filter(image.astype(np.float64), sigma)).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_sums_of_weights_are_odd_and_leave_room_for_scrambled_pixels(dtype: str) -> None:
    for sigma in (0.3, 1.0, 2.0, 4.0):
        operation = make_operation("gaussian", sigma=sigma).resolved(2, dtype)
        assert operation.units % 2 == 1
        assert operation.finishes_anywhere
        assert operation.units.bit_length() + 8 * np.dtype(dtype).itemsize + 2 <= 60


def test_an_int32_gaussian_keeps_within_the_stated_share_of_the_range() -> None:
    image = np.random.default_rng(0).integers(-(2**31), 2**31, (80, 80)).astype(np.int32)
    operation = make_operation("gaussian", sigma=2.0).resolved(2, "int32")
    padded = np.pad(image, [(h, h) for h in operation.halo], mode="symmetric")
    ours = operation.finish(operation.run(padded[None]), "int32")[0].astype(np.float64)
    assert np.abs(ours - gaussian_filter(image.astype(np.float64), 2.0)).max() <= 2**32 * 2**-10


def test_weights_that_would_move_answers_too_far_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller window"):
        make_operation("gaussian", sigma=20.0).resolved(2, "int32")
