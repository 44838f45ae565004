"""What an operation is: a frozen value that runs exactly on a stack of regions and declares its facts."""

from __future__ import annotations

import dataclasses
import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, isfinite, prod
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.image import IMAGE_DTYPES, LARGEST_FLOAT, MOST_AXES, PLANE_AXES, planes_image
from providers.kernel import Kernel
from providers.plane_map import PlaneMap, Sides
from providers.stencil import MAX_TAPS, Answers, Stencil, answers_in, divided
from regions import Symmetries

PerAxis: TypeAlias = int | tuple[int, ...]
Part: TypeAlias = Stencil | Kernel | PlaneMap
Mode: TypeAlias = Literal["reflect", "nearest", "mirror", "constant"]

FLOAT_ROUNDINGS = 8
"""Roundings of its largest term by which two ways to compute one answer on floats may differ."""
MAX_RADIUS = MAX_TAPS // 2
"""Pixels from a window's centre to its edge."""

BORDER = ("mode", "cval")
"""Parameters of every filter that say how an image goes on beyond its edge: the broker's affair."""

PAD_MODES: dict[str, str] = {
    "reflect": "symmetric",
    "nearest": "edge",
    "mirror": "reflect",
    "constant": "constant",
}
_WIDER = {
    "uint8": "uint16",
    "int16": "int32",
    "uint16": "uint32",
    "int32": "int64",
    "uint32": "int64",
    "int64": "int64",
}


def parameter(default: Any, doc: str) -> Any:
    """A field that users set, with its one-line description for tables and service contracts."""
    return field(default=default, metadata={"doc": doc})


def required(example: Any, doc: str) -> Any:
    """A field that users have to set, with an example for tables and service contracts."""
    return field(metadata={"doc": doc, "example": example})


def derived(default: Any) -> Any:
    """A field that `Filter.resolved` fills in and users never set."""
    return field(default=default, metadata={"derived": True})


@dataclass(frozen=True, kw_only=True)
class Filter(ABC):
    """An operation from an image to an image, most often of the same shape; a frozen value of its parameters.

    `run` is what a cloud does: exact and unrounded, on the pixels of each region that have their whole
    halo. `finish` rounds. Everything that is declared here is checked by
    `providers.testing.check_operation`. Facts (`halo`, `symmetries`, `units`) speak of an operation
    that was resolved.

    Parameters
    ----------
    mode : {"reflect", "nearest", "mirror", "constant"}
        How the image goes on beyond its edge, in the meaning of scipy.ndimage.
    cval : int
        The grey level there with ``mode="constant"``; must be a value of the image's dtype.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    bit_exact: ClassVar[bool] = True
    own_scale: ClassVar[bool] = False
    """Whether answers are levels of their own, in no unit that pixels were in."""
    whole: ClassVar[bool] = False
    """Whether an answer may need all pixels of a plane: then no part of one can be sent alone."""

    mode: Mode = parameter("reflect", "border: reflect, nearest, mirror or constant (scipy's meaning)")
    cval: int = parameter(0, "grey level beyond the border with mode=constant")

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in PAD_MODES:
            raise ValueError(f"{self.name}: mode must be one of {', '.join(PAD_MODES)}, not {self.mode!r}")
        self._set("cval", self._integer("cval", self.cval))

    @abstractmethod
    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        """The same operation with every parameter spelled out per axis, for images of this dtype."""

    def given(self, image: NDArray[np.generic], channel_axis: int | None) -> NDArray[np.generic]:
        """What providers are to work on in place of an image: here that itself."""
        return image

    def concluded(
        self, planes: NDArray[np.generic], image: NDArray[np.generic], channel_axis: int | None
    ) -> NDArray[np.generic] | dict[str, Any]:
        """The result for an image, from all answers to what was `given` ``(C, …)``: here these themselves."""
        return planes_image(planes, channel_axis)

    def of_planes(self, sides: Sides, dtype: DTypeLike) -> Self:
        """The resolved operation for planes of these sides; ValueError if it takes none such."""
        return self

    @property
    @abstractmethod
    def halo(self) -> tuple[int, ...]:
        """Pixels that an answer needs around its own, per axis."""

    @property
    @abstractmethod
    def symmetries(self) -> Symmetries:
        """What scrambles the operation carries exactly."""

    @property
    def units(self) -> int:
        """Units of an unrounded answer that make one grey level."""
        return 1

    @property
    def taps(self) -> int:
        """Pixels read for one answer: what a provider measures work by."""
        return prod(2 * h + 1 for h in self.halo)

    def answered(self, window: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the answer to a region of this one: here its pixels that have their whole halo."""
        return tuple(n - 2 * h for n, h in zip(window, self.halo, strict=True))

    @property
    def finishes_anywhere(self) -> bool:
        """Whether `finish` commutes with negation and offset, so that a provider may do it.

        Rounding does, where no answer lies halfway between two grey levels and an offset moves answers by
        whole ones.
        """
        return self.units % 2 == 1 and Fraction(self.symmetries.offset_gain or 0).denominator == 1

    @property
    def float_gain(self) -> float | None:
        """Sum of the weights' magnitudes in grey levels, with which the errors of float arithmetic grow.

        0 where answers on floats are the same however they are computed; None, as here, where the operation
        takes no floats.
        """
        return None

    @abstractmethod
    def run(self, stack: NDArray[np.generic]) -> Answers:
        """Unrounded answers of a stack of equal regions.

        Parameters
        ----------
        stack : (n, *window) ndarray

        Returns
        -------
        (n, *core) ndarray of int64, or of float64 for floats
            The core of a window is what remains without `halo` pixels at either end of each axis.

        Raises
        ------
        ValueError
            If pixels are so large that the answer would not be exact.
        """

    @property
    def parts(self) -> tuple[Part, ...]:
        """Integer linear maps, each of this halo, whose answers `combined` turns into those of `run`.

        None, as here, where the operation is not linear up to its last step.
        """
        return ()

    @property
    def linear(self) -> bool:
        """Whether it has parts, or will have for planes."""
        return bool(self.parts)

    def combined(self, parts: Sequence[Answers], pixels: NDArray[np.generic]) -> Answers:
        """What `run` answers, from the answers of `parts`; here the only one's.

        Parameters
        ----------
        parts : sequence of (n, *core) ndarrays
            One for each part, of integers in any dtype that holds them, or of float64 for floats.
        pixels : (n, *core) ndarray
            The pixels themselves, without the halo.

        Raises
        ------
        ValueError
            As of `run`.
        """
        (answers,) = parts
        return answers

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        """dtype of the finished answer for pixels of this dtype; here the same."""
        return np.dtype(dtype)

    def unrounded_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        """dtype that unrounded answers to pixels of this dtype travel in; here int64, which holds all."""
        return answers_in(dtype)

    def finish(self, exact: Answers, dtype: DTypeLike) -> NDArray[np.generic]:
        """Round answers to grey levels, halves to even, in the result's dtype for pixels of `dtype`.

        Raises ValueError for a value that no image of that dtype could have led to.
        """
        if exact.dtype.kind != "f":
            return self.fitted(divided(exact.astype(np.int64, copy=False), self.units), dtype)
        levels = np.asarray(exact / float(self.units), np.float64)
        return self.fitted(levels if self.result_dtype(dtype).kind == "f" else np.rint(levels), dtype)

    def fitted(self, rounded: Answers, dtype: DTypeLike) -> NDArray[np.generic]:
        """Rounded answers in the result's dtype for pixels of `dtype`; ValueError where they cannot be."""
        target = self.result_dtype(dtype)
        if target.kind == "f":
            if not np.isfinite(rounded).all():
                raise ValueError(f"{self.name} on {np.dtype(dtype)} images cannot answer NaN or infinity")
            return rounded.astype(target)
        limits = np.iinfo(target)
        if rounded.size and not limits.min <= int(rounded.min()) <= int(rounded.max()) <= limits.max:
            raise ValueError(f"{self.name} on {np.dtype(dtype)} images cannot answer values outside {target}")
        return rounded.astype(target)

    def parameters(self) -> dict[str, Any]:
        """All fields but the border's: what a cloud has to know. The border is the broker's affair."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in BORDER}

    def __str__(self) -> str:
        border = [f.name for f in dataclasses.fields(Filter) if getattr(self, f.name) != f.default]
        own = [f.name for f in dataclasses.fields(self) if not f.metadata.get("derived")]
        shown = [name for name in own if name not in BORDER] + border
        return " ".join([self.name, *(f"{name}={as_written(getattr(self, name))}" for name in shown)])

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _integer(self, name: str, value: object) -> int:
        if isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{self.name}: {name} must be an integer, not {value!r}")
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise ValueError(f"{self.name}: {name} must be an integer, not {value!r}") from None

    def _number(self, name: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
            number = float(value) if -(2**53) < value < 2**53 else inf
            if isfinite(number) and low <= number <= high:
                return number
        raise ValueError(f"{self.name}: {name} must be a number from {low:g} to {high:g}, not {value!r}")

    def _per_axis(self, name: str, value: Any, ndim: int) -> Any:
        """One value for each axis, from one for all or one for each."""
        if not isinstance(value, tuple):
            return (value,) * ndim
        if len(value) != ndim:
            raise ValueError(
                f"{self.name}: {name} has {len(value)} values, but the image has {ndim} axes; "
                "give one for all axes or one per axis"
            )
        return value


@dataclass(frozen=True, kw_only=True)
class WindowFilter(Filter):
    """A filter over a box window of `size` pixels.

    An even window reaches one pixel farther towards the start of the axis, as in scipy.ndimage.
    """

    size: PerAxis = parameter(3, "side of the window in pixels, one for all axes or one per axis")

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.size, (tuple, list, np.ndarray)):
            self._set("size", tuple(self._side(side) for side in self.size))
        else:
            self._set("size", self._side(self.size))

    def _side(self, value: object) -> int:
        side = self._integer("size", value)
        if not 1 <= side <= 2 * MAX_RADIUS + 1:
            raise ValueError(f"{self.name}: size must be from 1 to {2 * MAX_RADIUS + 1} pixels, not {side}")
        return side

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        return dataclasses.replace(self, size=self._per_axis("size", self.size, ndim))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The resolved size, one per axis."""
        if not isinstance(self.size, tuple):
            raise ValueError(f"{self.name} is not resolved yet: size has no value per axis")
        return self.size

    @property
    def halo(self) -> tuple[int, ...]:
        return tuple(side // 2 for side in self.sizes)


@dataclass(frozen=True, kw_only=True)
class AxesFilter(Filter):
    """A filter whose window no parameter decides: all that it has to be told is how many axes there are."""

    axes: int = derived(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.axes) is not int or not 0 <= self.axes <= MOST_AXES:
            raise ValueError(f"{self.name}: an image has up to {MOST_AXES} axes")

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        return dataclasses.replace(self, axes=ndim)


def resolved_for(pixels: NDArray[np.generic], operation: Filter, channel_axis: int | None = None) -> Filter:
    """The operation spelled out for an image; ValueError if its border value is none of the image's dtype."""
    if operation.mode == "constant" and not _holds(pixels.dtype, operation.cval):
        raise ValueError(f"{operation.name}: cval={operation.cval} is not a value of {pixels.dtype} images")
    axes = pixels.ndim - (channel_axis is not None)
    resolved = operation.resolved(axes, pixels.dtype)
    if pixels.dtype.kind == "f" and resolved.float_gain is None:
        raise ValueError(
            f"{operation.name} takes no floats; make the image one of {', '.join(IMAGE_DTYPES)} with numpy's "
            "astype, in steps that are fine enough for you"
        )
    rows, columns = pixels.shape[axes - PLANE_AXES : axes]
    return resolved.of_planes((rows, columns), pixels.dtype)


def _holds(dtype: np.dtype[Any], value: int) -> bool:
    """Whether pixels of a dtype may have a value."""
    if dtype.kind == "f":
        return abs(value) <= LARGEST_FLOAT
    limits = np.iinfo(dtype.name)
    return int(limits.min) <= value <= int(limits.max)


def float_tolerance(operation: Filter, pixels: NDArray[np.generic]) -> float:
    """By how much two right answers to an image of floats may differ; 0 for integers and where none may.

    Floats are added up in another order on a block than on the whole image: 8·eps·Σ|w|·max|x| bounds that,
    and the smallest float of all what a last rounding may add, which counts only where pixels are as small.
    """
    if pixels.dtype.kind != "f" or not operation.float_gain:
        return 0.0
    border = abs(operation.cval) if operation.mode == "constant" else 0
    largest = max(-float(pixels.min()), float(pixels.max()), border)
    info = np.finfo(pixels.dtype.name)
    relative = FLOAT_ROUNDINGS * float(info.eps) * operation.float_gain
    return relative * largest + float(info.smallest_subnormal)


def wider(dtype: DTypeLike) -> np.dtype[Any]:
    """The next wider integer dtype that holds every value of `dtype` (int64 for the widest); floats' own."""
    return np.dtype(_WIDER.get(np.dtype(dtype).name, dtype))


def wider_signed(dtype: DTypeLike) -> np.dtype[Any]:
    """The next wider signed integer dtype that holds every value of `dtype` (int64 for the widest).

    Floats have a sign: theirs is their own.
    """
    if np.dtype(dtype).kind == "f":
        return np.dtype(dtype)
    return np.dtype(f"i{min(8, 2 * np.dtype(dtype).itemsize)}")


def as_fraction(number: float) -> Fraction:
    """A decimal as people write it, or the nearest fraction with a denominator of at most 1000.

    >>> as_fraction(0.7), as_fraction(40.5)
    (Fraction(7, 10), Fraction(81, 2))
    """
    return Fraction(repr(number)).limit_denominator(1000)


def as_written(value: object) -> str:
    """A parameter's value as the command line takes it."""
    if isinstance(value, tuple):
        if any(isinstance(part, tuple) for part in value):
            return json.dumps(value, separators=(",", ":"))
        return ",".join(map(as_written, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)
