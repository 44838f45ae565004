"""Back-projection beside skimage's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, radon, resize

import providers
from providers import make_operation
from providers.errors import BadTask
from providers.operations import tomography
from providers.registry import resolved_operation
from providers.testing import check_operation, images

DTYPES = ("uint8", "int16", "uint16")


@settings(max_examples=30)
@given(images(st.tuples(st.integers(2, 40), st.integers(1, 30)), DTYPES))
def test_back_projection_deviates_from_skimages_as_stated(sinogram: NDArray[Any]) -> None:
    # skimage finds where a pixel lies on the detector with roundings of its own, which at the end of the
    # circle decide whether it lies there at all; it warns of what is not zero outside.
    found = providers.apply(sinogram, "backprojection")
    wanted = iradon(sinogram.astype(float))
    allowed = 1 if sinogram.dtype == np.uint8 else 2**16 / 2**10
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= allowed
    assert found.dtype == {"uint8": "int16"}.get(sinogram.dtype.name, "int32")


def test_a_phantom_comes_back_from_its_projections() -> None:
    phantom = resize(shepp_logan_phantom(), (128, 128))
    angles = np.linspace(0, 180, 120, endpoint=False)
    sinogram = np.rint(255 * radon(phantom, theta=angles)).astype(np.uint16)
    found = providers.apply(sinogram, "backprojection")
    assert np.abs(found - iradon(sinogram.astype(float), theta=angles)).max() <= 1
    assert np.sqrt(np.mean((found / 255 - phantom) ** 2)) < 0.06


@pytest.mark.parametrize("plane", [(8, 7), (1, 1)])
def test_what_it_declares_holds(plane: tuple[int, int]) -> None:
    check_operation(make_operation("backprojection"), plane=plane, dtypes=("int16",), examples=3)


def test_a_sinogram_of_more_weights_than_memory_is_to_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tomography, "MOST_NONZEROS", 1000)
    with pytest.raises(ValueError, match="32 detectors and 3 angles make .*use fewer angles"):
        providers.apply(np.zeros((32, 3), np.uint8), "backprojection")


def test_weights_that_would_not_be_close_enough_are_refused() -> None:
    with pytest.raises(ValueError, match="on int32 images these weights do not fit"):
        providers.apply(np.zeros((128, 128), np.int32), "backprojection")


def test_a_provider_refuses_parameters_of_no_projection() -> None:
    operation = make_operation("backprojection").resolved(2, "uint8").of_planes((4, 2), "uint8")
    good = operation.parameters()
    directions = [list(direction) for direction in good["directions"]]
    assert resolved_operation("backprojection", 1, good | {"directions": directions}) == operation
    for wrong in (
        {"directions": directions[:1]},
        {"directions": [[1], [2]]},
        {"directions": [[2**31, 0], [0, 0]]},
        {"directions": [0, 0]},
        {"bits": [30, 5]},
        {"bits": [5]},
        {"bits": [0.5, 1]},
        {"bits": 7},
        {"sides": [4, 2, 1]},
    ):
        with pytest.raises(BadTask):
            resolved_operation("backprojection", 1, good | wrong)
