"""Linear parts of operations, and the binomial filter."""

from dataclasses import dataclass, replace
from math import comb
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers import make_operation
from providers.kernel import Kernel
from providers.operations import Sobel, Unsharp
from providers.registry import example_operation
from providers.stencil import Stencil
from providers.testing import check_operation, float_images, images

LINEAR = {"binomial", "brightness", "contrast", "convolve", "gaussian", "laplacian", "mean", "unsharp"}
COUNTED = {"equalize_hist"}
"""Linear on counts, and on no floats."""
SEVERAL = {"gabor_bank": 4, "sobel": 2}
WHOLE = {"backprojection", "dct", "operator", "rescale"}
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MODES = ("reflect", "nearest", "mirror", "constant")


def core_of(stack: NDArray[Any], halo: tuple[int, ...]) -> NDArray[Any]:
    return stack[(slice(None), *(slice(h, n - h) for h, n in zip(halo, stack.shape[1:], strict=True)))]


def test_linear_operations_have_one_part_sobel_one_for_each_axis_and_a_bank_one_for_each_kernel() -> None:
    for name in providers.operation_names():
        sides = (2, 2) if name == "operator" else (8, 8)
        parts = example_operation(name).resolved(2, "uint16").of_planes(sides, "uint16").parts
        assert len(parts) == (1 if name in LINEAR | COUNTED | WHOLE else SEVERAL.get(name, 0)), name
    assert len(make_operation("sobel").resolved(3, "uint16").parts) == 3


@pytest.mark.parametrize(
    ("name", "parameters", "dtype", "wanted"),
    [
        ("binomial", {"size": 5}, "uint8", "uint16"),
        ("binomial", {"size": 5}, "int16", "int32"),
        ("laplacian", {}, "uint8", "int16"),
        ("convolve", {"weights": [[-1, 2]]}, "uint16", "int32"),
        ("mean", {"size": 2}, "uint16", "int32"),
        ("unsharp", {"radius": 0, "amount": 1}, "uint8", "int16"),
        ("gaussian", {"sigma": 2.0}, "uint16", "int64"),
        ("gaussian", {"sigma": 2.0}, "float32", "float64"),
        ("sobel", {}, "uint8", "int64"),
    ],
)
def test_unrounded_answers_travel_in_the_narrowest_dtype_that_is_proven_to_hold_them(
    name: str, parameters: dict[str, Any], dtype: str, wanted: str
) -> None:
    operation = make_operation(name, **parameters).resolved(2, dtype)
    assert operation.unrounded_dtype(dtype) == wanted


@given(float_images((2, 9, 10)), st.sampled_from(sorted(LINEAR | {*SEVERAL})))
def test_on_floats_too_the_parts_combine_to_what_the_operation_answers(
    stack: NDArray[Any], name: str
) -> None:
    operation = example_operation(name).resolved(2, stack.dtype)
    stack = np.pad(stack, [(0, 0), (4, 4), (4, 4)], mode="edge")
    answers = [part.run(stack) for part in operation.parts]
    combined = operation.combined(answers, core_of(stack, operation.halo))
    allowed = 8 * np.finfo(np.float64).eps * operation.float_gain * operation.units * np.abs(stack).max()
    assert np.abs(combined - operation.run(stack)).max() <= allowed


@pytest.mark.parametrize(("name", "answer"), [("sobel", 2**44), ("unsharp", 2**62)])
def test_answers_of_parts_that_would_not_combine_exactly_are_refused(name: str, answer: int) -> None:
    operation = make_operation(name, **({"amount": 3} if name == "unsharp" else {})).resolved(2, "uint8")
    answers = [np.full((1, 2, 2), answer)] * len(operation.parts)
    with pytest.raises(ValueError, match="exact|accumulator"):
        operation.combined(answers, np.zeros((1, 2, 2), np.uint8))


@dataclass(frozen=True, kw_only=True)
class ForgottenPixel(Unsharp):
    name: ClassVar[str] = "unsharp"

    def combined(self, parts: Any, pixels: Any) -> Any:
        return super().combined(parts, pixels) if pixels is parts else parts[0]

    def run(self, stack: Any) -> Any:
        halo = self.halo
        return super().combined([self.stencil.run(stack)], core_of(stack, halo))


@dataclass(frozen=True, kw_only=True)
class NarrowPart(Sobel):
    name: ClassVar[str] = "sobel"

    @property
    def parts(self) -> tuple[Kernel, ...]:
        return (Kernel(((-1, 0, 1),)), Kernel(((-1,), (0,), (1,))))


@dataclass(frozen=True, kw_only=True)
class OtherShares(Unsharp):
    name: ClassVar[str] = "unsharp"

    @property
    def shares(self) -> tuple[int, int]:
        return 0, 1

    def run(self, stack: Any) -> Any:
        return 2 * self.stencil.run(stack)

    def combined(self, parts: Any, pixels: Any) -> Any:
        return 2 * parts[0]


@dataclass(frozen=True, kw_only=True)
class Narrow(Unsharp):
    name: ClassVar[str] = "unsharp"

    def unrounded_dtype(self, dtype: Any) -> Any:
        return np.dtype(np.uint8)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (ForgottenPixel(), "combined of their answers"),
        (NarrowPart(), "every part"),
        (OtherShares(), "as shares say"),
        (Narrow(), "hold all answers"),
    ],
)
def test_false_parts_are_found(operation: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_operation(operation, dtypes=("uint8",), examples=5)


@pytest.mark.parametrize(
    ("size", "dtype"), [(1, "uint8"), (3, "int16"), (5, "uint16"), ((3, 7), "int32")], ids=str
)
def test_what_a_binomial_declares_holds(size: Any, dtype: str) -> None:
    check_operation(make_operation("binomial", size=size), dtypes=(dtype,), examples=5)


@given(images(SHAPES), st.sampled_from(MODES), st.sampled_from([1, 3, 5, 9]), st.integers(0, 100))
def test_a_binomial_equals_repeated_means_of_neighbours_rounded_once(
    image: NDArray[Any], mode: str, size: int, cval: int
) -> None:
    weights = np.array([comb(size - 1, k) for k in range(size)])
    sums = ndimage.correlate(image.astype(np.int64), np.outer(weights, weights), mode=mode, cval=cval)
    ours = providers.apply(image, "binomial", size=size, mode=mode, cval=cval)
    assert (ours == np.rint(sums / 4 ** (size - 1))).all()


def test_a_binomial_of_five_is_the_kernel_of_textbooks() -> None:
    row = (1, 4, 6, 4, 1)
    assert make_operation("binomial").resolved(2, "uint8").parts == (Stencil((row, row)),)


@pytest.mark.parametrize(
    ("size", "dtype", "says"),
    [
        (4, "uint8", "size must be odd"),
        ((3, 2), "uint8", "size must be odd"),
        (51, "uint8", r"add up to 2\*\*100; on uint8 images up to 2\*\*50 .*sigma=3.54"),
        (15, "int32", "use gaussian"),
    ],
)
def test_a_binomial_that_has_no_centre_or_would_not_be_exact_is_refused(
    size: Any, dtype: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        make_operation("binomial", size=size).resolved(2, dtype)


def test_the_widest_binomial_that_is_accepted_is_exact() -> None:
    image = np.full((40, 40), 255, np.uint8)
    widest = replace(make_operation("binomial"), size=25)
    assert (providers.apply(image, widest) == 255).all()
