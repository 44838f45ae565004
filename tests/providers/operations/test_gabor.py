"""Banks of Gabor kernels beside scikit-image's."""

from math import pi

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.filters import gabor_kernel

import providers
from providers.operations import GaborBank

FREQUENCIES = (0.2, 0.35)


def reference(image: np.ndarray, orientations: int, n_stds: float) -> np.ndarray:
    """The largest of the real-valued answers to scikit-image's kernels, cut to the window of the widest."""
    side = max(gabor_kernel(FREQUENCIES[0], theta=0, n_stds=n_stds).shape)
    answers = []
    for frequency in FREQUENCIES:
        for turn in range(orientations):
            # All standard deviations of the envelope that there are, then cut.
            whole = np.real(gabor_kernel(frequency, theta=pi * turn / orientations, n_stds=8))
            spare = [(length - side) // 2 for length in whole.shape]
            envelope = np.abs(gabor_kernel(frequency, theta=pi * turn / orientations, n_stds=8))
            cut = tuple(slice(first, first + side) for first in spare)
            kernel = whole[cut] - envelope[cut] * whole[cut].sum() / envelope[cut].sum()
            answers.append(convolve(image.astype(np.float64), kernel, mode="reflect"))
    return np.max(answers, axis=0)


@pytest.mark.parametrize(("dtype", "result"), [("uint8", "int16"), ("int16", "int32"), ("uint16", "int32")])
def test_the_answer_is_within_a_grey_level_of_the_largest_of_scikit_images_real_answers(
    dtype: str, result: str
) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(limits.min, limits.max, (40, 37), dtype, endpoint=True)
    ours = providers.apply(image, "gabor_bank", frequencies=FREQUENCIES, orientations=3, n_stds=2)
    assert ours.dtype == result
    assert np.abs(ours - reference(image, 3, 2)).max() <= 1


def test_a_volume_is_filtered_plane_by_plane() -> None:
    volume = np.random.default_rng(0).integers(0, 256, (3, 20, 17), np.uint8)
    ours = providers.apply(volume, "gabor_bank", frequencies=0.3)
    assert (ours == [providers.apply(plane, "gabor_bank", frequencies=0.3) for plane in volume]).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frequencies": 0.01}, "frequencies must be a number from 0.05 to 0.5"),
        ({"frequencies": []}, "must be from 1 to 64 kernels, not 0 times 4"),
        ({"orientations": 65}, "must be from 1 to 64 kernels, not 1 times 65"),
        ({"orientations": 0}, "must be from 1 to 64 kernels"),
        ({"orientations": 1.5}, "orientations must be an integer"),
        ({"n_stds": 6}, "n_stds must be a number from 1 to 5"),
        ({"frequencies": 0.05, "n_stds": 5}, "too large; use frequencies above 0.05, or a smaller n_stds"),
    ],
)
def test_banks_that_cannot_be_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        providers.apply(np.zeros((9, 9), np.uint8), "gabor_bank", **parameters)


def test_weights_from_elsewhere_are_whole_and_of_one_size() -> None:
    for weights in (((1.5,),), ((1, 2), (3,))):
        with pytest.raises(ValueError, match="whole numbers, of kernels that are equally large"):
            GaborBank(weights=weights)
