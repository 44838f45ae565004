"""The operator: any matrix of whole numbers on the pixels of a plane."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array, random_array

import providers
from providers import make_operation
from providers.errors import BadTask
from providers.registry import resolved_operation
from providers.testing import check_operation, images
from providers.wire import Task, decode_answer, encode_task

SHIFT = csr_array(np.roll(np.eye(12, dtype=int), 1, axis=1))


@given(images((3, 4)), st.integers(0, 2**32), st.sampled_from([1, 2, 7]))
def test_an_operator_is_the_product_of_scipy_rounded_once(
    image: NDArray[Any], seed: int, divisor: int
) -> None:
    matrix = np.random.default_rng(seed).integers(-50, 50, (10, 12))
    found = providers.apply(image, "operator", matrix=matrix, output_shape=(5, 2), divisor=divisor)
    exact = csr_array(matrix) @ image.ravel().astype(np.int64)
    wanted = [round(value) if divisor < 3 else int(np.rint(value)) for value in exact / divisor]
    assert (found.ravel() == wanted).all()
    assert found.shape == (5, 2)


@pytest.mark.parametrize(
    ("weights", "divisor", "result"),
    [
        ([1, 0], 1, "uint8"),
        ([1, 1], 2, "uint8"),
        ([1, 1], 1, "int16"),
        ([-1, 1], 1, "int16"),
        ([999, 0], 1, "int32"),
    ],
)
def test_answers_have_the_images_dtype_or_the_next_wider_signed_one_that_holds_them(
    weights: list[int], divisor: int, result: str
) -> None:
    image = np.full((1, 2), 255, np.uint8)
    found = providers.apply(image, "operator", matrix=[weights], output_shape=(1, 1), divisor=divisor)
    assert found.dtype == result


def test_planes_of_a_volume_and_components_of_colour_are_mapped_each_by_itself() -> None:
    random = np.random.default_rng(0)
    operation = make_operation("operator", matrix=SHIFT, output_shape=(4, 3))
    volume = random.integers(0, 255, (5, 2, 6), np.uint8)
    found = providers.apply(volume, operation)
    assert found.shape == (5, 4, 3)
    assert (found.reshape(5, 12) == np.roll(volume.reshape(5, 12), -1, axis=1)).all()
    colour = random.integers(0, 255, (3, 4, 3), np.uint8)
    found = providers.apply(colour, operation, channel_axis=-1)
    assert found.shape == (4, 3, 3)
    assert (found.reshape(12, 3) == np.roll(colour.reshape(12, 3), -1, axis=0)).all()


def test_what_an_operator_declares_holds() -> None:
    matrix = random_array(
        (20, 64), density=0.2, rng=0, dtype=np.int64, data_sampler=lambda size: np.arange(size) - 99
    )
    check_operation(
        make_operation("operator", matrix=matrix, output_shape=(4, 5)),
        plane=(8, 8),
        dtypes=("int16",),
        examples=3,
    )


def test_an_operator_is_a_value_and_told_in_a_line() -> None:
    one = make_operation("operator", matrix=SHIFT, output_shape=(3, 4))
    assert one == make_operation("operator", matrix=SHIFT.toarray().tolist(), output_shape=[3, 4])
    assert hash(one) == hash(make_operation("operator", matrix=SHIFT, output_shape=(3, 4)))
    assert one != make_operation("operator", matrix=-SHIFT, output_shape=(3, 4))
    assert str(one) == "operator matrix=12x12 with 12 weights output_shape=3,4 divisor=1"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"matrix": [[0.5]], "output_shape": (1, 1)}, "operator: matrix must hold whole numbers"),
        ({"matrix": [[np.nan]], "output_shape": (1, 1)}, "operator: matrix must hold whole numbers"),
        ({"matrix": SHIFT, "output_shape": (3, 5)}, "has 12 rows.*output_shape is"),
        ({"matrix": SHIFT, "output_shape": 12}, "output_shape must be rows and columns"),
        ({"matrix": SHIFT, "output_shape": (-3, -4)}, "has 12 rows"),
        ({"matrix": SHIFT, "output_shape": (3, 4), "divisor": 0}, "divisor must be"),
        ({"matrix": SHIFT, "output_shape": (3, 4.5)}, "output_shape must be an integer"),
        ({"matrix": SHIFT}, "needs the parameter 'output_shape'"),
        ({"matrix": SHIFT[:, :5], "output_shape": (3, 4)}, "has 5 columns.*planes have 3 x 4 pixels"),
        ({"matrix": SHIFT * 2**51, "output_shape": (3, 4)}, "add up to 52 bits; on uint8 images up to 50"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused_with_what_would(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        providers.apply(np.zeros((3, 4), np.uint8), "operator", **parameters)


def test_floats_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="takes no floats; make the image one of"):
        providers.apply(np.zeros((3, 4)), "operator", matrix=SHIFT, output_shape=(3, 4))


def test_a_provider_refuses_planes_of_another_shape_and_parameters_that_are_none() -> None:
    operation = make_operation("operator", matrix=SHIFT, output_shape=(3, 4)).resolved(2, "uint8")
    operation = operation.of_planes((4, 3), "uint8")
    request = encode_task(Task("0" * 32, operation, np.zeros((2, 4, 3), np.uint8), True))
    assert decode_answer(providers.handle(request)).stack.shape == (2, 3, 4)
    with pytest.raises(BadTask, match=r"for planes of \(3, 4\)"):
        decode_answer(providers.handle(request.replace(b'"sides":[4,3]', b'"sides":[3,4]')))
    good = operation.parameters()
    assert resolved_operation("operator", 1, good).parts
    for wrong in (
        {"sides": [0, 4]},
        {"sides": [3]},
        {"sides": "34"},
        {"matrix": "x"},
        {"matrix": 7},
        {"divisor": 0.5},
    ):
        with pytest.raises(BadTask):
            resolved_operation("operator", 1, good | wrong)


def test_facts_that_need_the_planes_sides_are_refused_without_them() -> None:
    with pytest.raises(ValueError, match="operator is not resolved yet"):
        _ = make_operation("operator", matrix=SHIFT, output_shape=(3, 4)).resolved(2, "uint8").parts
