"""What holds for all operations: declarations, dtypes, colours, any layout in memory; and on real images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.operations import Convolve, GaborBank, Operator
from providers.registry import example_operation
from providers.testing import check_operation, images
from tests.drawing import COLOURS, MODES

DECLARED = [
    ("gaussian", {"sigma": 2.0}),
    ("gaussian", {"sigma": (0.5, 1.5), "truncate": 3.0}),
    ("mean", {"size": 3}),
    ("mean", {"size": 4}),
    ("mean", {"size": (2, 5)}),
    ("median", {"size": 5}),
    ("median", {"size": 2}),
    ("median", {"size": (3, 4)}),
    ("minimum", {"size": (2, 7)}),
    ("maximum", {"size": 3}),
    ("percentile", {"size": (3, 4), "percentile": 12.5}),
    ("percentile", {"size": 11, "percentile": 90}),
    ("sobel", {}),
    ("laplacian", {}),
    ("convolve", {"weights": [[1, 2, 1], [2, -12, 2], [1, 2, 1]]}),
    ("convolve", {"weights": [[0.25, 0.5], [1, 3]]}),
    ("convolve", {"weights": [[-0.3], [1.618], [0.1]]}),
    ("unsharp", {"radius": (0.0, 1.5), "amount": 0.7}),
    ("threshold", {"value": 100}),
    ("window", {"center": 40.5, "width": 400}),
    ("window", {"center": 127.3, "width": 1}),
    ("invert", {}),
    ("brightness", {"offset": -40}),
    ("contrast", {"factor": -1.7, "pivot": 90}),
    ("equalize_hist", {}),
    ("gabor_bank", {"frequencies": (0.3, 0.5), "orientations": 2, "n_stds": 1}),
]


@pytest.mark.parametrize(("name", "parameters"), DECLARED)
def test_what_an_operation_declares_holds(name: str, parameters: dict[str, Any]) -> None:
    check_operation(providers.make_operation(name, **parameters), examples=10)


def test_the_declarations_hold_on_volumes_too() -> None:
    for name in providers.operation_names():
        operation = example_operation(name)
        if isinstance(operation, Convolve):
            operation = replace(operation, weights=(((1, 2), (3, 4)), ((0, -1), (5, 0))))
        if isinstance(operation, GaborBank):
            # Four kernels of 121 weights would take most of the time.
            operation = replace(operation, n_stds=1.0, frequencies=0.5)
        plane = (2, 2) if isinstance(operation, Operator) else (8, 16) if operation.whole else None
        check_operation(operation, ndim=3, plane=plane, dtypes=("int16",), examples=3)


@pytest.mark.parametrize(
    ("name", "dtype", "result"),
    [("gaussian", d, d) for d in ("uint8", "int16", "uint16", "int32")]
    + [("median", "uint8", "uint8"), ("mean", "int16", "int16"), ("unsharp", "int16", "int16")]
    + [("minimum", "int16", "int16"), ("maximum", "uint16", "uint16"), ("percentile", "int32", "int32")]
    + [("sobel", "uint8", "uint16"), ("sobel", "int16", "int32"), ("sobel", "uint16", "uint32")]
    + [("sobel", "int32", "int64")]
    + [("laplacian", "uint8", "int16"), ("laplacian", "int16", "int32"), ("laplacian", "uint16", "int32")]
    + [("laplacian", "int32", "int64"), ("invert", "uint16", "uint16")]
    + [("threshold", "int32", "uint8"), ("window", "int16", "uint8")]
    + [("brightness", "int16", "int16"), ("contrast", "uint16", "uint16"), ("gabor_bank", "uint8", "int16")],
)
def test_the_results_dtype_is_as_declared(name: str, dtype: str, result: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (9, 9))
    assert providers.apply(image, example_operation(name)).dtype == result


def test_strided_read_only_mapped_and_foreign_arrays_are_as_good_as_any(tmp_path: Any) -> None:
    base = np.random.default_rng(0).integers(0, 4096, (64, 64), np.uint16)
    np.save(tmp_path / "image.npy", base)
    wanted = providers.apply(base, "gaussian", sigma=1.5)
    padded = np.zeros((128, 192), np.uint16)
    padded[::2, ::3] = base
    frozen = base.copy()
    frozen.flags.writeable = False
    for image in (
        np.asfortranarray(base),
        padded[::2, ::3],
        base[::-1, ::-1][::-1, ::-1],
        frozen,
        np.load(tmp_path / "image.npy", mmap_mode="r"),
        base.astype(">u2"),
    ):
        assert (providers.apply(image, "gaussian", sigma=1.5) == wanted).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {"sigma": (0.5, 1.5)}),
        ("mean", {"size": (2, 5)}),
        ("median", {"size": (3, 4)}),
        ("sobel", {}),
        ("convolve", {"weights": [[1, -2], [3, 0.5]]}),
        ("unsharp", {"radius": (0.5, 1.5)}),
        ("window", {"center": 9, "width": 99.5}),
        ("contrast", {"factor": 1.5, "pivot": 9}),
        ("gabor_bank", {"frequencies": 0.5, "orientations": 2, "n_stds": 1}),
    ],
)
@given(image=images(COLOURS), mode=st.sampled_from(MODES), cval=st.integers(0, 100))
@settings(max_examples=40)
def test_every_component_of_a_colour_image_is_filtered_by_itself(
    name: str, parameters: dict[str, Any], image: NDArray[Any], mode: str, cval: int
) -> None:
    operation = providers.make_operation(name, **parameters, mode=mode, cval=cval)
    ours = providers.apply(image, operation, channel_axis=-1)
    assert ours.shape == image.shape
    assert ours.dtype == operation.resolved(2, image.dtype).result_dtype(image.dtype)
    assert ours.flags.c_contiguous
    for component in range(image.shape[-1]):
        assert (ours[..., component] == providers.apply(image[..., component], operation)).all()


def test_colour_that_is_strided_read_only_mapped_or_foreign_is_as_good_as_any(tmp_path: Path) -> None:
    base = np.random.default_rng(0).integers(0, 4096, (32, 40, 3), np.uint16)
    np.save(tmp_path / "image.npy", base)
    wanted = providers.apply(base, "gaussian", channel_axis=-1, sigma=1.5)
    padded = np.zeros((64, 120, 6), np.uint16)
    padded[::2, ::3, ::2] = base
    frozen = base.copy()
    frozen.flags.writeable = False
    for image in (
        np.asfortranarray(base),
        padded[::2, ::3, ::2],
        base[::-1, :, ::-1].copy()[::-1, :, ::-1],
        np.moveaxis(np.moveaxis(base, -1, 0).copy(), 0, -1),
        frozen,
        np.load(tmp_path / "image.npy", mmap_mode="r"),
        base.astype(">u2"),
    ):
        before = image.copy()
        assert (providers.apply(image, "gaussian", channel_axis=-1, sigma=1.5) == wanted).all()
        assert (image == before).all()


@pytest.mark.parametrize("name", ["gaussian", "laplacian", "mean", "median", "sobel", "unsharp"])
def test_on_the_open_data_each_operation_equals_scipy_or_deviates_as_stated(
    name: str, open_images: list[tuple[str, NDArray[Any]]]
) -> None:
    for label, image in open_images:
        wide = image.astype(np.float64)
        ours = providers.apply(image, name).astype(np.float64)
        if name == "gaussian":
            assert np.abs(ours - ndimage.gaussian_filter(wide, 1.0)).max() <= 1, label
        elif name == "mean":
            sums = ndimage.correlate(image.astype(np.int64), np.ones((3, 3), np.int64))
            assert (ours == np.rint(sums / 9)).all(), label
        elif name == "laplacian":
            assert (ours == ndimage.laplace(wide)).all(), label
        elif name == "unsharp":
            limits = np.iinfo(image.dtype)
            real = (2 * wide - ndimage.gaussian_filter(wide, 1.0)).clip(limits.min, limits.max)
            assert np.abs(ours - real).max() <= 1, label
        elif name == "median":
            assert (ours == ndimage.median_filter(image, 3)).all(), label
        else:
            from skimage.filters import sobel

            exact = np.hypot(ndimage.sobel(wide, 0), ndimage.sobel(wide, 1))
            assert (ours == np.rint(exact)).all(), label
            normalised = sobel(wide) * 4 * np.sqrt(2)
            assert np.abs(ours - normalised).max() <= 0.5 + 1e-6, label
