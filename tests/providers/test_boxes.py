"""Operations on boxes of an image: one by one or in stacks, they are that part of the whole."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import providers
from providers import boxes as boxes_module
from providers.boxes import STACK_BYTES, filter_box, filter_boxes
from providers.image import image_planes
from providers.operation import Filter, resolved_for
from providers.testing import images
from regions import Box
from tests.drawing import MODES

OPERATIONS = [
    ("gaussian", {"sigma": (0.5, 1.0)}),
    ("mean", {"size": (2, 5)}),
    ("median", {"size": 3}),
    ("sobel", {}),
]
COMPONENTS = st.tuples(st.sampled_from([1, 3]), st.integers(1, 24), st.integers(1, 24))


@st.composite
def boxes_of(draw: st.DrawFn, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Boxes of one pixel and more: random ones, the same shape often, and all that touch the edges."""
    rows, columns = shape
    tops = st.integers(0, rows - 1).flatmap(lambda top: st.tuples(st.just(top), st.integers(top + 1, rows)))
    lefts = st.integers(0, columns - 1).flatmap(
        lambda left: st.tuples(st.just(left), st.integers(left + 1, columns))
    )
    found = [(top, left, low, right) for (top, low), (left, right) in draw(st.lists(st.tuples(tops, lefts)))]
    height, width = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    step = draw(st.integers(1, 4))
    for top in range(0, rows - height + 1, step):
        for left in range(0, columns - width + 1, step):
            found.append((top, left, top + height, left + width))
    return np.array(draw(st.permutations(found)), np.intp).reshape(-1, 4)


def inner_boxes(side: int, count: int) -> NDArray[np.intp]:
    """Boxes of side×side pixels away from the edge of an image of 256×256."""
    starts = np.random.default_rng(0).integers(16, 240 - side, (count, 2))
    return np.concatenate([starts, starts + side], axis=1)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the stacks that a median was run on, as they come."""
    seen: list[tuple[int, ...]] = []
    median = type(providers.make_operation("median"))
    run = median.run

    def observed(self: Any, stack: NDArray[Any]) -> NDArray[np.int64]:
        seen.append(stack.shape)
        return run(self, stack)

    monkeypatch.setattr(median, "run", observed)
    return seen


@pytest.mark.parametrize(("name", "parameters"), OPERATIONS)
@given(planes=images(COMPONENTS), mode=st.sampled_from(MODES), at_once=st.integers(1, 4000), data=st.data())
@settings(max_examples=60)
def test_boxes_are_answered_as_each_alone_and_as_the_whole_image_each_once(
    name: str,
    parameters: dict[str, Any],
    planes: NDArray[Any],
    mode: str,
    at_once: int,
    data: st.DataObject,
) -> None:
    operation = resolved_for(planes, providers.make_operation(name, **parameters, mode=mode, cval=7), 0)
    boxes = data.draw(boxes_of(planes.shape[1:]))
    whole = np.stack([filter_box(plane, operation, Box.of(plane.shape)) for plane in planes])
    answered = np.zeros(len(boxes), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes_module, "STACK_BYTES", 8 * at_once)
        for numbers, finished in filter_boxes(planes, operation, boxes):
            assert finished.dtype == operation.result_dtype(planes.dtype)
            assert finished.shape[:2] == (len(numbers), len(planes))
            np.add.at(answered, numbers, 1)
            for number, answer in zip(numbers, finished, strict=True):
                top, left, bottom, right = boxes[number].tolist()
                box = Box((top, left), (bottom, right))
                assert (answer == whole[:, top:bottom, left:right]).all()
                for plane, part in zip(planes, answer, strict=True):
                    assert (part == filter_box(plane, operation, box)).all()
    assert (answered == 1).all()


def test_unrounded_answers_are_those_that_are_finished() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 20, 21), np.uint8)
    operation = providers.make_operation("gaussian").resolved(2, "uint8")
    boxes = np.array([[0, 0, 20, 21], [6, 6, 9, 11], [7, 7, 10, 12]])
    finished = dict(_each(filter_boxes(planes, operation, boxes)))
    unrounded = dict(_each(filter_boxes(planes, operation, boxes, unrounded=True)))
    for number, answer in unrounded.items():
        assert answer.dtype == np.int64
        assert (operation.finish(answer, "uint8") == finished[number]).all()


def _each(found: Any) -> Any:
    return ((n, answer) for numbers, answers in found for n, answer in zip(numbers, answers, strict=True))


@pytest.mark.parametrize("count", [1, 3])
def test_no_boxes_have_no_answers(count: int) -> None:
    planes = np.zeros((count, 9, 9), np.uint8)
    operation = resolved_for(planes, providers.make_operation("median"), 0)
    assert list(filter_boxes(planes, operation, np.empty((0, 4), np.intp))) == []


@pytest.mark.parametrize("size", [1, 3])
def test_a_box_without_pixels_has_an_answer_without_pixels(size: int) -> None:
    planes = np.zeros((3, 9, 9), np.uint8)
    operation = resolved_for(planes, providers.make_operation("mean", size=size), 0)
    boxes = np.array([[4, 4, 4, 6], [0, 0, 0, 9]])
    shapes = {
        int(number): answer.shape
        for numbers, finished in filter_boxes(planes, operation, boxes)
        for number, answer in zip(numbers, finished, strict=True)
    }
    assert shapes == {0: (3, 0, 2), 1: (3, 0, 9)}


def test_components_of_a_colour_image_need_not_be_contiguous() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    planes = image_planes(image, -1)
    operation = resolved_for(image, providers.make_operation("gaussian", sigma=1.0), -1)
    wanted = providers.apply(image, "gaussian", channel_axis=-1, sigma=1.0)
    boxes = np.array([[10, 10, 20, 30], [20, 10, 30, 30], [0, 0, 10, 20]])
    for numbers, finished in filter_boxes(planes, operation, boxes):
        for number, answer in zip(numbers, finished, strict=True):
            top, left, bottom, right = boxes[number]
            assert (np.moveaxis(answer, 0, -1) == wanted[top:bottom, left:right]).all()


def test_inner_boxes_of_one_shape_are_one_stack_and_those_at_the_edge_come_alone(
    sizes: list[tuple[int, ...]],
) -> None:
    planes = np.zeros((3, 256, 256), np.uint8)
    operation = resolved_for(planes, providers.make_operation("median", size=3), 0)
    # The halos of two of these end where the image does.
    inner = np.concatenate([inner_boxes(8, 38), [[1, 1, 9, 9], [247, 247, 255, 255]]])
    at_edge = np.array([[0, 0, 8, 8], [100, 248, 108, 256]])
    list(filter_boxes(planes, operation, np.concatenate([inner[:20], at_edge, inner[20:]])))
    assert sorted(sizes) == [(1, 10, 10)] * 6 + [(120, 10, 10)]


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_no_stack_is_larger_than_the_bound_unless_one_box_is(
    sizes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    planes = np.zeros((3, 256, 256), dtype)
    operation = resolved_for(planes, providers.make_operation("median", size=3), 0)
    one_box = 8 * 3 * 10 * 10
    monkeypatch.setattr(boxes_module, "STACK_BYTES", 7 * one_box + 1)
    list(filter_boxes(planes, operation, np.concatenate([inner_boxes(8, 40), inner_boxes(50, 2)])))
    assert sorted(sizes) == sorted([(3 * 7, 10, 10)] * 5 + [(3 * 5, 10, 10)] + [(3, 52, 52)] * 2)


def peak_of(planes: NDArray[Any], operation: Filter, boxes: NDArray[np.intp]) -> int:
    """Bytes held at most while boxes are answered and the answers not kept."""
    tracemalloc.start()
    try:
        for _ in filter_boxes(planes, operation, boxes):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "parameters"), [("mean", {"size": 3}), ("sobel", {})])
def test_memory_does_not_grow_with_the_number_of_boxes(name: str, parameters: dict[str, Any]) -> None:
    planes = np.ones((3, 256, 256), np.uint8)
    operation = resolved_for(planes, providers.make_operation(name, **parameters), 0)
    boxes = inner_boxes(32, 2100)
    # All at once, the answers alone would need more.
    assert 12 * STACK_BYTES < 8 * 3 * 2100 * 32 * 32
    assert peak_of(planes, operation, boxes) < 12 * STACK_BYTES
