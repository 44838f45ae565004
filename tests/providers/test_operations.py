"""Our operations against scipy and scikit-image, and against what they declare."""

from dataclasses import replace
from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.operations import Convolve
from providers.operations.gradient import rounded_norm
from providers.registry import example_operation
from providers.testing import check_operation, images

MODES = ["reflect", "nearest", "mirror", "constant"]
SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))

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
]


@pytest.mark.parametrize(("name", "parameters"), DECLARED)
def test_what_an_operation_declares_holds(name: str, parameters: dict[str, Any]) -> None:
    check_operation(providers.make_operation(name, **parameters), examples=10)


def test_the_declarations_hold_on_volumes_too() -> None:
    for name in providers.operation_names():
        operation = example_operation(name)
        if isinstance(operation, Convolve):
            operation = replace(operation, weights=(((1, 2), (3, 4)), ((0, -1), (5, 0))))
        check_operation(operation, ndim=3, dtypes=("uint8", "int16"), examples=3)


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 6), st.integers(0, 100))
def test_median_equals_scipy(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape))
    ours = providers.apply(image, "median", size=size, mode=mode, cval=cval)
    assert (ours == ndimage.median_filter(image, size, mode=mode, cval=cval)).all()


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 7), st.integers(0, 100))
def test_minimum_and_maximum_equal_scipys(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    for name, theirs in (("minimum", ndimage.minimum_filter), ("maximum", ndimage.maximum_filter)):
        ours = providers.apply(image, name, size=size, mode=mode, cval=cval)
        assert (ours == theirs(image, size, mode=mode, cval=cval)).all()


@given(
    images(SHAPES),
    st.sampled_from(MODES),
    st.integers(1, 6),
    st.one_of(st.sampled_from([0, 25, 50, 100]), st.floats(0, 100)),
)
def test_percentile_equals_scipys(image: NDArray[Any], mode: str, size: int, percentile: float) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape))
    ours = providers.apply(image, "percentile", size=size, percentile=percentile, mode=mode)
    assert (ours == ndimage.percentile_filter(image, percentile, size, mode=mode)).all()


@pytest.mark.parametrize(("percentile", "extreme"), [(0, "minimum"), (100, "maximum"), (50, "median")])
@pytest.mark.parametrize("size", [3, 4, 11])
def test_a_percentile_of_0_50_or_100_is_the_minimum_median_or_maximum(
    percentile: float, extreme: str, size: int
) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (30, 40), np.uint16)
    ours = providers.apply(image, "percentile", size=size, percentile=percentile)
    assert (ours == providers.apply(image, extreme, size=size)).all()


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 6), st.integers(0, 100))
def test_mean_equals_the_exact_mean_rounded(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    ours = providers.apply(image, "mean", size=size, mode=mode, cval=cval)
    sums = ndimage.correlate(image.astype(np.int64), np.ones((size, size), np.int64), mode=mode, cval=cval)
    assert (ours == np.rint(sums / size**2)).all()


@given(images(SHAPES), st.sampled_from(MODES[:3]))
def test_sobel_equals_the_root_of_scipys_squares(image: NDArray[Any], mode: str) -> None:
    wide = image.astype(np.float64)
    squares = ndimage.sobel(wide, 0, mode=mode) ** 2 + ndimage.sobel(wide, 1, mode=mode) ** 2
    ours = providers.apply(image, "sobel", mode=mode)
    assert np.abs(ours - np.sqrt(squares)).max() <= 0.5 + 1e-6


@given(images(SHAPES), st.sampled_from(MODES), st.integers(0, 100))
def test_laplacian_equals_scipys(image: NDArray[Any], mode: str, cval: int) -> None:
    ours = providers.apply(image, "laplacian", mode=mode, cval=cval)
    assert (ours == ndimage.laplace(image.astype(np.int64), mode=mode, cval=cval)).all()


KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda sides: st.lists(
        st.lists(st.integers(-9, 9), min_size=sides[1], max_size=sides[1]),
        min_size=sides[0],
        max_size=sides[0],
    )
)


@given(images(SHAPES), KERNELS, st.sampled_from(MODES), st.integers(0, 100))
def test_a_convolution_with_whole_numbers_equals_scipys(
    image: NDArray[Any], weights: list[list[int]], mode: str, cval: int
) -> None:
    ours = providers.apply(image, "convolve", weights=weights, mode=mode, cval=cval)
    theirs = ndimage.convolve(image.astype(np.int64), np.array(weights), mode=mode, cval=cval)
    assert (ours == theirs).all()


@given(images(SHAPES), KERNELS, st.sampled_from([2, 3, 9, 16, 20, 360]))
def test_a_convolution_with_fractions_is_rounded_once(
    image: NDArray[Any], weights: list[list[int]], divisor: int
) -> None:
    ours = providers.apply(image, "convolve", weights=np.array(weights) / divisor)
    sums = ndimage.convolve(image.astype(np.int64), np.array(weights))
    whole, rest = np.divmod(sums, divisor)
    assert (ours == whole + (2 * rest > divisor) + ((2 * rest == divisor) & (whole % 2 == 1))).all()


@given(images(SHAPES, ("uint8", "int16", "uint16")), st.integers(0, 2**32))
@settings(max_examples=30)
def test_a_convolution_with_other_weights_is_one_level_off_at_most(image: NDArray[Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(size=random.integers(1, 5, 2))
    ours = providers.apply(image, "convolve", weights=weights)
    assert np.abs(ours - ndimage.convolve(image.astype(np.float64), weights)).max() <= 1 + 1e-6


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_a_smoothing_kernel_leaves_what_is_flat_and_a_kernel_of_sum_0_nothing(dtype: str) -> None:
    bell = np.exp(-np.hypot(*np.mgrid[-2:3, -2:3]))
    for level in (np.iinfo(dtype).min, 77, np.iinfo(dtype).max):
        flat = np.full((9, 9), level, dtype)
        assert (providers.apply(flat, "convolve", weights=bell / bell.sum()) == level).all()
        centred = bell - bell.mean()
        assert not providers.apply(flat, "convolve", weights=centred).any()


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


def test_unsharp_clips_as_scikit_image_clips_its_floats() -> None:
    from skimage.filters import unsharp_mask

    image = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (40, 40))
    theirs = unsharp_mask(image, 1.0, 2.0) * 255
    ours = providers.apply(image, "unsharp", radius=1.0, amount=2.0)
    assert {0, 255} <= set(ours.ravel().tolist())
    assert np.abs(ours - theirs).max() <= 1


@given(images(SHAPES), st.data())
def test_a_threshold_is_one_where_pixels_are_above_it(image: NDArray[Any], data: st.DataObject) -> None:
    value = data.draw(st.one_of(st.sampled_from(image.ravel().tolist()), st.integers(-(2**32), 2**32)))
    ours = providers.apply(image, "threshold", value=value)
    assert ours.dtype == np.uint8
    assert (ours == (image.astype(np.int64) > value)).all()


@given(images(SHAPES))
def test_an_inverted_image_is_scikit_images_and_inverted_twice_itself(image: NDArray[Any]) -> None:
    from skimage.util import invert

    ours = providers.apply(image, "invert")
    assert ours.dtype == image.dtype
    assert (ours == invert(image)).all()
    assert (providers.apply(ours, "invert") == image).all()


def windowed(pixel: int, center: Fraction, width: Fraction) -> int:
    """DICOM PS3.3 C.11.2.1.2.1 as it stands there, in fractions; rounded, halves to even."""
    if pixel <= center - Fraction(1, 2) - (width - 1) / 2:
        return 0
    if pixel > center - Fraction(1, 2) + (width - 1) / 2:
        return 255
    return round(((pixel - (center - Fraction(1, 2))) / (width - 1) + Fraction(1, 2)) * 255)


THOUSANDTHS = st.integers(-(2**41), 2**41).map(lambda n: Fraction(n, 1000))


@given(
    images(st.just((5, 5))),
    st.one_of(THOUSANDTHS, st.integers(-5000, 5000).map(Fraction)),
    st.one_of(st.just(Fraction(1)), st.just(Fraction(256)), THOUSANDTHS.map(lambda w: 1 + abs(w))),
)
def test_a_window_is_the_one_of_dicom(image: NDArray[Any], center: Fraction, width: Fraction) -> None:
    ours = providers.apply(image, "window", center=float(center), width=float(width))
    assert ours.dtype == np.uint8
    assert ours.ravel().tolist() == [windowed(pixel, center, width) for pixel in image.ravel().tolist()]


def test_a_window_is_pydicoms_rounded() -> None:
    import pydicom
    from pydicom.pixels import apply_windowing

    image = np.arange(-1500, 1500, dtype=np.int16).reshape(50, 60)
    header = pydicom.Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 8, 0
    header.WindowCenter, header.WindowWidth = 40, 400
    theirs = apply_windowing(image, header)
    ours = providers.apply(image, "window", center=40, width=400)
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-9


@given(st.lists(st.integers(-(2**43), 2**43), min_size=2, max_size=3))
def test_a_norm_is_rounded_as_unbounded_integers_round_it(components: list[int]) -> None:
    square = sum(c * c for c in components)
    floor = isqrt(square)
    wanted = floor + (square > floor * floor + floor)
    assert int(rounded_norm([np.array([c]) for c in components])[0]) == wanted


@pytest.mark.parametrize("k", [2**14 + 1, 2**18 + 1, 2**20 + 1, 2**21 + 1])
def test_norms_just_beside_a_half_are_rounded_to_the_right_side(k: int) -> None:
    # (k²)² + k² lies just below (k² + 1/2)², and (k² - 1)² + k² just above (k² - 1/2)²; float64 does not
    # tell them from the halves.
    for first in (k * k, k * k - 1):
        assert int(rounded_norm([np.array([first]), np.array([k])])[0]) == k * k


@given(images(SHAPES), st.sampled_from(MODES), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_gaussian_deviates_from_the_real_valued_filter_by_one_level_at_most(
    image: NDArray[Any], mode: str, sigma: float
) -> None:
    ours = providers.apply(image, "gaussian", sigma=sigma, mode=mode)
    real = ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=mode)
    allowed = 1 if image.dtype.itemsize < 4 else 2**22
    assert np.abs(ours - real).max() <= allowed


@pytest.mark.parametrize(
    ("name", "dtype", "result"),
    [("gaussian", d, d) for d in ("uint8", "int16", "uint16", "int32")]
    + [("median", "uint8", "uint8"), ("mean", "int16", "int16"), ("unsharp", "int16", "int16")]
    + [("minimum", "int16", "int16"), ("maximum", "uint16", "uint16"), ("percentile", "int32", "int32")]
    + [("sobel", "uint8", "uint16"), ("sobel", "int16", "int32"), ("sobel", "uint16", "uint32")]
    + [("sobel", "int32", "int64")]
    + [("laplacian", "uint8", "int16"), ("laplacian", "int16", "int32"), ("laplacian", "uint16", "int32")]
    + [("laplacian", "int32", "int64"), ("invert", "uint16", "uint16")]
    + [("threshold", "int32", "uint8"), ("window", "int16", "uint8")],
)
def test_the_results_dtype_is_as_declared(name: str, dtype: str, result: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (9, 9))
    assert providers.apply(image, example_operation(name)).dtype == result


@pytest.mark.parametrize(
    ("weights", "dtype", "result"),
    [
        ([[0.25, 0.75]], "uint8", "uint8"),
        ([[0, 1, 0]], "int16", "int16"),
        ([[1, 1]], "uint8", "int16"),
        ([[-1]], "int16", "int32"),
        ([[127]], "uint8", "int16"),
        ([[129]], "uint8", "int32"),
        ([[-128]], "uint8", "int16"),
        ([[-129]], "uint8", "int32"),
        ([[2**16]], "uint16", "int64"),
        ([[1, -1]], "int32", "int64"),
    ],
)
def test_a_convolutions_dtype_holds_all_that_images_lead_to(
    weights: list[list[float]], dtype: str, result: str
) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (9, 9))
    ours = providers.apply(image, "convolve", weights=weights)
    assert ours.dtype == result
    assert (ours == np.rint(ndimage.convolve(image.astype(np.float64), np.array(weights)))).all()


def test_a_convolution_whose_answers_float32_may_not_hold_is_refused() -> None:
    image = np.full((9, 9), 2.0**96)
    for large in (2**40, 2.5e11):
        with pytest.raises(ValueError, match="on float32 images some answers would be infinite"):
            providers.apply(image.astype(np.float32), "convolve", weights=[[large]])
        assert (providers.apply(image, "convolve", weights=[[large]]) == image * large).all()
    assert np.isfinite(providers.apply(image.astype(np.float32), "convolve", weights=[[2**31]])).all()


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


COLOURS = st.tuples(st.integers(1, 16), st.integers(1, 16), st.sampled_from([3, 4]))


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


@given(images(COLOURS), st.sampled_from(MODES), st.integers(1, 5), st.integers(0, 100))
def test_the_median_of_a_colour_image_equals_scipys_of_every_component(
    image: NDArray[Any], mode: str, size: int, cval: int
) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape[:2]))
    ours = providers.apply(image, "median", channel_axis=-1, size=size, mode=mode, cval=cval)
    for component in range(image.shape[-1]):
        theirs = ndimage.median_filter(image[..., component], size, mode=mode, cval=cval)
        assert (ours[..., component] == theirs).all()


def test_a_gaussian_of_a_colour_image_is_scikit_images_to_one_level() -> None:
    from skimage.data import astronaut
    from skimage.filters import gaussian

    image = astronaut()[:160, 100:300]
    ours = providers.apply(image, "gaussian", channel_axis=-1, sigma=2.0)
    theirs = gaussian(image, 2.0, mode="reflect", channel_axis=-1, preserve_range=True)
    assert np.abs(ours - theirs).max() <= 1


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
