"""Sharpening against scikit-image, clipped as there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import providers
from providers import make_operation
from providers.testing import images
from tests.drawing import SHAPES


@given(
    images(SHAPES, ("uint8", "int16", "uint16")),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.sampled_from([0, 0.1, 0.7, 1, 1.5, 3, -0.5, -1]),
)
def test_unsharp_is_scikit_images_to_one_level(image: NDArray[Any], radius: float, amount: float) -> None:
    from skimage.filters import unsharp_mask

    ours = providers.apply(image, "unsharp", radius=radius, amount=amount)
    theirs = unsharp_mask(image.astype(np.float64), radius, amount, preserve_range=True)
    limits = np.iinfo(image.dtype)
    assert np.abs(ours - theirs.clip(limits.min, limits.max)).max() <= 1


def test_answers_farther_out_than_details_lead_to_are_refused() -> None:
    operation = make_operation("unsharp", amount=2.0).resolved(2, "uint8")
    assert operation.fitted(np.array([-510, 765]), "uint8").tolist() == [0, 255]
    for beyond in (-511, 766):
        with pytest.raises(ValueError, match="cannot answer so far outside uint8"):
            operation.fitted(np.array([beyond]), "uint8")


def test_unsharp_clips_as_scikit_image_clips_its_floats() -> None:
    from skimage.filters import unsharp_mask

    image = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (40, 40))
    theirs = unsharp_mask(image, 1.0, 2.0) * 255
    ours = providers.apply(image, "unsharp", radius=1.0, amount=2.0)
    assert {0, 255} <= set(ours.ravel().tolist())
    assert np.abs(ours - theirs).max() <= 1
