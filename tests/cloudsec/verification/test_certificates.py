"""Certificates of rank filters: right answers pass, and of wrong ones every wrong pixel is found."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import providers
from cloudsec.verification.certificates import wrong
from providers.operations.rank import RankFilter
from providers.testing import float_images, images

SHAPES = st.one_of(
    st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
)


@st.composite
def ranks(draw: st.DrawFn, axes: int) -> RankFilter:
    """A resolved rank filter with any window, even sides among them."""
    name = draw(st.sampled_from(["median", "minimum", "maximum", "percentile"]))
    size = tuple(draw(st.integers(1, 6 if axes == 2 else 4)) for _ in range(axes))
    shares = {"percentile": draw(st.floats(0, 100))} if name == "percentile" else {}
    operation = providers.make_operation(name, size=size, **shares).resolved(axes, "uint8")
    assert isinstance(operation, RankFilter)
    return operation


def padded(stack: NDArray[Any], operation: RankFilter) -> NDArray[Any]:
    return np.pad(stack, [(0, 0), *((h, h) for h in operation.halo)], mode="symmetric")


@given(st.one_of(images(SHAPES), float_images(SHAPES)), st.data())
def test_right_answers_are_accepted_finished_or_not(stack: NDArray[Any], data: st.DataObject) -> None:
    operation = data.draw(ranks(stack.ndim - 1))
    around = padded(stack, operation)
    exact = operation.run(around)
    assert not wrong(operation, around, exact).any()
    assert not wrong(operation, around, operation.finish(exact, stack.dtype)).any()


@given(st.one_of(images(SHAPES), float_images(SHAPES)), st.data())
def test_the_pixels_that_are_wrong_are_found_and_no_others(stack: NDArray[Any], data: st.DataObject) -> None:
    operation = data.draw(ranks(stack.ndim - 1))
    around = padded(stack, operation)
    exact = operation.run(around)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    # Other pixels of the image, and what is next to them.
    claimed = random.permutation(exact.reshape(-1)).reshape(exact.shape) + random.integers(-1, 2, exact.shape)
    claimed = np.where(random.random(exact.shape) < 0.5, claimed, exact)
    assert (wrong(operation, around, claimed) == (claimed != exact)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 5e-324])
def test_what_no_image_holds_is_wrong(value: float) -> None:
    operation = providers.make_operation("median", size=1).resolved(2, "float32")
    assert isinstance(operation, RankFilter)
    assert wrong(operation, np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), value)).all()


@pytest.mark.parametrize("value", [-1, 256, 2**40])
def test_a_value_that_only_wraps_round_to_the_right_one_is_wrong(value: int) -> None:
    operation = providers.make_operation("maximum", size=1).resolved(2, "uint8")
    assert isinstance(operation, RankFilter)
    pixels = np.full((1, 2, 2), value % 256, np.uint8)
    assert wrong(operation, pixels, np.full((1, 2, 2), value)).all()


@pytest.mark.parametrize("shape", [(3, 300, 290), (2, 9, 170, 60), (70, 40, 40)])
def test_large_stacks_are_checked_in_portions_as_if_at_once(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    operation = providers.make_operation("median", size=3).resolved(len(shape) - 1, "uint16")
    assert isinstance(operation, RankFilter)
    around = padded(random.integers(0, 2**16, shape, np.uint16), operation)
    exact = operation.run(around)
    claimed = exact + (random.random(shape) < 0.01)
    assert (wrong(operation, around, claimed) == (claimed != exact)).all()


def test_windows_of_more_pixels_than_a_byte_counts_are_counted() -> None:
    operation = providers.make_operation("median", size=(23, 24)).resolved(2, "uint8")
    assert isinstance(operation, RankFilter)
    around = padded(np.random.default_rng(0).integers(0, 256, (1, 30, 30), np.uint8), operation)
    exact = operation.run(around)
    for change in (-1, 0, 1):
        assert (wrong(operation, around, exact + change) == bool(change)).all()


def test_an_answer_of_another_shape_is_refused() -> None:
    operation = providers.make_operation("median", size=3).resolved(2, "uint8")
    assert isinstance(operation, RankFilter)
    with pytest.raises(ValueError, match="shape"):
        wrong(operation, np.zeros((1, 5, 5), np.uint8), np.zeros((1, 5, 5), np.uint8))


@pytest.mark.slow
@settings(max_examples=10_000)
@given(images(st.tuples(st.just(1), st.integers(1, 9), st.integers(1, 9))), st.data())
def test_ten_thousand_answers_with_one_wrong_pixel_are_found(
    stack: NDArray[Any], data: st.DataObject
) -> None:
    operation = data.draw(ranks(2))
    around = padded(stack, operation)
    claimed = operation.run(around)
    place = tuple(data.draw(st.integers(0, n - 1)) for n in claimed.shape)
    claimed[place] += data.draw(st.integers(-(2**17), 2**17).filter(bool))
    found = wrong(operation, around, claimed)
    assert found[place]
    assert found.sum() == 1
