"""The conformance check finds each kind of false declaration."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from providers.operation import Filter
from providers.operations import Gaussian, Mean, Median, Sobel, Unsharp
from providers.service import handle
from providers.testing import check_operation
from regions import Symmetries


@dataclass(frozen=True, kw_only=True)
class NarrowHalo(Median):
    name: ClassVar[str] = "median"

    def run(self, stack: Any) -> Any:
        whole = replace(self, size=tuple(side + 2 for side in self.sizes))
        return Median.run(whole, np.pad(stack, ((0, 0), (1, 1), (1, 1)), mode="edge"))


@dataclass(frozen=True, kw_only=True)
class UnequalWindow(Mean):
    name: ClassVar[str] = "mean"

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, flips=(True, True))


@dataclass(frozen=True, kw_only=True)
class LopsidedGaussian(Gaussian):
    name: ClassVar[str] = "gaussian"

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, quarter_turns=True)


@dataclass(frozen=True, kw_only=True)
class SignedSobel(Sobel):
    name: ClassVar[str] = "sobel"

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, negation_sign=-1)


@dataclass(frozen=True, kw_only=True)
class OffsetSobel(Sobel):
    name: ClassVar[str] = "sobel"

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, offset_gain=1)


@dataclass(frozen=True, kw_only=True)
class TieMean(Mean):
    name: ClassVar[str] = "mean"

    @property
    def finishes_anywhere(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class ClippedAnywhere(Unsharp):
    name: ClassVar[str] = "unsharp"

    @property
    def finishes_anywhere(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Meddler(Median):
    name: ClassVar[str] = "median"

    def run(self, stack: Any) -> Any:
        answer = super().run(stack)
        return answer - answer.mean().astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class WrongDtype(Median):
    name: ClassVar[str] = "median"

    def run(self, stack: Any) -> Any:
        return super().run(stack).astype(np.float64)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (NarrowHalo(size=3), "the halo is wrong"),
        (UnequalWindow(size=2), r"flips\[0\]"),
        (LopsidedGaussian(sigma=(1.0, 2.0)), "quarter_turns"),
        (SignedSobel(), "negation_sign"),
        (OffsetSobel(), "offset_gain"),
        (TieMean(size=2), "finishes_anywhere"),
        (ClippedAnywhere(), "finishes_anywhere"),
        (Meddler(size=3), "whole's|one another"),
        (WrongDtype(size=3), "int64"),
    ],
)
def test_a_false_declaration_is_found(operation: Filter, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_operation(operation, examples=30)


def test_a_processor_that_answers_other_bytes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_this_processor(request: bytes) -> bytes:
        answer = handle(request)
        return answer[:-1] + bytes([answer[-1] ^ 1])

    check_operation(Median(size=3), dtypes=("uint8",), examples=3)
    monkeypatch.setattr("providers.testing.handle", of_this_processor)
    with pytest.raises(AssertionError, match="answers other bytes"):
        check_operation(Median(size=3), dtypes=("uint8",), examples=3)
