"""What is timed of an operation before a job is planned."""

import numpy as np
import pytest

from cloudsec import rehearsal
from cloudsec.rehearsal import FIRST, SIDE, kernel_seconds
from providers import Filter, make_operation
from providers.boxes import filter_box
from regions import Box


@pytest.mark.parametrize(("shape", "timed"), [((300, 40), (SIDE, 40)), ((3, 5), (3, 5)), ((1, 1), (1, 1))])
def test_what_is_timed_is_the_middle_of_an_image_after_a_smaller_piece_of_it(
    shape: tuple[int, int], timed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes: list[Box] = []

    def noted(plane: np.ndarray, operation: Filter, box: Box) -> np.ndarray:
        boxes.append(box)
        return filter_box(plane, operation, box)

    monkeypatch.setattr(rehearsal, "filter_box", noted)
    planes = np.zeros((3, *shape), np.uint8)
    assert kernel_seconds(planes, make_operation("median", size=3).resolved(2, planes.dtype)) > 0
    first, piece, again = boxes
    assert piece == again
    assert piece.shape == timed
    assert max(first.shape) <= FIRST
    for box in boxes:
        for low, high, length in zip(box.start, box.stop, shape, strict=True):
            assert low >= 0
            assert 0 <= length - high - low <= 1
