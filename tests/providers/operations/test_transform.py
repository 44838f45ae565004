"""Cosine transform of blocks, and enlargement, beside scipy and skimage."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.fft import dctn
from skimage.transform import rescale

import providers
from providers import make_operation
from providers.errors import BadTask
from providers.registry import resolved_operation
from providers.testing import check_operation, images


def blocks(image: NDArray[Any], size: int) -> NDArray[Any]:
    rows, columns = image.shape
    return image.reshape(rows // size, size, columns // size, size).swapaxes(1, 2)


@given(images((16, 24)), st.sampled_from([2, 4, 8]))
def test_the_cosine_transform_deviates_from_scipys_as_stated(image: NDArray[Any], size: int) -> None:
    wanted = dctn(blocks(image.astype(float), size), axes=(2, 3), norm="ortho")
    found = providers.apply(image, "dct", size=size)
    allowed = {"uint8": 1, "int16": 2, "uint16": 2, "int32": 2**35 / 2**10}[image.dtype.name]
    assert np.abs(blocks(found, size) - wanted).max() <= allowed
    assert (
        found.dtype
        == {"uint8": "int16", "int16": "int32", "uint16": "int32", "int32": "int64"}[image.dtype.name]
    )


def test_the_first_coefficient_of_a_flat_block_is_its_level_times_the_side() -> None:
    found = providers.apply(np.full((8, 16), 100, np.uint8), "dct")
    assert (found[:, [0, 8]] == [[800, 800]] + [[0, 0]] * 7).all()
    assert (found[:, 1:8] == 0).all()


@given(
    images(st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.integers(2, 8),
    st.sampled_from([("reflect", "symmetric"), ("nearest", "edge"), ("mirror", "reflect")]),
)
def test_enlargement_is_that_of_skimage_rounded_once(
    image: NDArray[Any], scale: int, modes: tuple[str, str]
) -> None:
    ours, theirs = modes
    found = providers.apply(image, "rescale", scale=scale, mode=ours)
    wanted = rescale(
        image.astype(float), scale, order=1, mode=theirs, preserve_range=True, anti_aliasing=False
    )
    assert found.shape == wanted.shape
    assert found.dtype == image.dtype
    # Half a level by rounding, and what skimage's own arithmetic on floats adds.
    assert np.abs(found - wanted).max() <= 0.5 + 1e-12 * np.abs(image.astype(float)).max()


def test_levels_halfway_are_rounded_to_even() -> None:
    # At a fourth and three fourths of the way.
    assert providers.apply(np.array([[0, 2]], np.uint8), "rescale")[0].tolist() == [0, 0, 2, 2]
    assert providers.apply(np.array([[0, 6]], np.uint8), "rescale")[0].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("name", "parameters", "plane"),
    [
        ("dct", {}, (8, 16)),
        ("dct", {"size": 3}, (3, 6)),
        ("rescale", {}, (5, 1)),
        ("rescale", {"scale": 7, "mode": "mirror"}, (3, 4)),
    ],
)
def test_what_a_transform_declares_holds(
    name: str, parameters: dict[str, Any], plane: tuple[int, int]
) -> None:
    check_operation(make_operation(name, **parameters), plane=plane, dtypes=("int16",), examples=3)


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("dct", {}, "multiples of 8, and these are 9 x 10; crop it"),
        ("dct", {"size": 1}, "size must be from 2 to 64"),
        ("dct", {"size": 2.5}, "size must be an integer"),
        ("rescale", {"scale": 1}, "scale must be from 2 to 8"),
        ("rescale", {"scale": 1.5}, "scale must be an integer"),
        ("rescale", {"mode": "constant"}, "use mode reflect, nearest or mirror"),
    ],
)
def test_what_there_is_no_transform_for_is_refused(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        providers.apply(np.zeros((9, 10), np.uint8), name, **parameters)


def test_a_provider_refuses_parameters_of_no_transform() -> None:
    operation = make_operation("dct").resolved(2, "uint8").of_planes((8, 8), "uint8")
    good = operation.parameters()
    rows = [list(row) for row in good["weights"]]
    assert resolved_operation("dct", 1, good | {"weights": rows}) == operation
    for wrong in (
        {"weights": []},
        {"weights": rows[:7]},
        {"weights": [row[:7] for row in rows]},
        {"weights": [[2**40] * 8] * 8},
        {"weights": [[0.5] * 8] * 8},
        {"weights": [7] * 8},
        {"bits": 26},
        {"bits": -1},
        {"bits": 1.0},
    ):
        with pytest.raises(BadTask):
            resolved_operation("dct", 1, good | wrong)
    with pytest.raises(ValueError, match="multiples of 8"):
        _ = resolved_operation("dct", 1, good | {"sides": [8, 9]}).parts
    good = make_operation("rescale").resolved(2, "uint8").of_planes((8, 8), "uint8").parameters()
    with pytest.raises(BadTask):
        resolved_operation("rescale", 1, good | {"mirrored": 1})
