"""The conformance check of operations, for ours and for plug-ins: what is declared is what holds.

Needs hypothesis, which `pip install cloudsec[test]` brings.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from providers.image import FLOAT_DTYPES, IMAGE_DTYPES, LARGEST_FLOAT, PLANE_AXES
from providers.operation import Filter, float_tolerance
from providers.operations.linear import LinearFilter
from providers.plane_map import PlaneMap, Sides
from providers.service import handle
from providers.stencil import Answers, core, largest_magnitude
from providers.wire import Task, decode_answer, decode_task, encode_task

_OTHER_CLOUD = """
import base64, importlib, sys
importlib.import_module(sys.argv[1])
from providers import handle
for line in sys.stdin:
    print(base64.b64encode(handle(base64.b64decode(line))).decode())
"""
_PHASES = (Phase.explicit, Phase.generate)
"""Not to shrink: images of one shape are drawn from seeds, and no seed is simpler than another."""


@st.composite
def images(
    draw: st.DrawFn,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    dtypes: tuple[str, ...] = IMAGE_DTYPES,
) -> NDArray[Any]:
    """Integer arrays: of the full range, of few values, flat, or of the two extremes only."""
    size = shape if isinstance(shape, tuple) else draw(shape)
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    limits = np.iinfo(dtype.name)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["full", "narrow", "flat", "extremes"]))
    if kind == "full":
        return random.integers(limits.min, limits.max, size, dtype, endpoint=True)
    if kind == "extremes":
        return random.choice(np.array([limits.min, limits.max], dtype), size)
    low = draw(st.integers(limits.min, limits.max - 16))
    return random.integers(low, low + (1 if kind == "flat" else 16), size).astype(dtype)


@st.composite
def float_images(
    draw: st.DrawFn,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    dtypes: tuple[str, ...] = FLOAT_DTYPES,
) -> NDArray[Any]:
    """Arrays of floats: of many magnitudes, about one level, flat, or of the two farthest only."""
    size = shape if isinstance(shape, tuple) else draw(shape)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    unit = draw(st.sampled_from([1.0, 1000.0, 1e-20, LARGEST_FLOAT]))
    kind = draw(st.sampled_from(["about zero", "about one level", "flat", "extremes"]))
    if kind == "extremes":
        reals = random.choice([-1.0, 1.0], size)
    else:
        width = {"about zero": 1.0, "about one level": 1e-3, "flat": 0.0}[kind]
        reals = random.uniform(-width, width, size) + (0.0 if kind == "about zero" else 0.7)
    return (reals * unit).astype(draw(st.sampled_from(dtypes)))


def check_operation(
    operation: Filter,
    *,
    ndim: int = 2,
    plane: Sides | None = None,
    dtypes: tuple[str, ...] = IMAGE_DTYPES,
    examples: int = 20,
) -> None:
    """Check everything that an operation declares, on images that hypothesis chooses.

    Checked are, on integers: the halo (tiles equal the whole, unless whole planes are needed), the linear
    parts, every symmetry and rounding under it, that answers depend neither on the pixels' dtype, their
    memory layout nor the rest of the stack, that the pixels stay as they were, the way through the wire, the
    result's dtype, and that a provider whose processor has fewer instructions answers the same bytes. On
    floats, if the operation takes them: that tiles equal the whole, and flips, turns and negation hold, as
    nearly as `float_gain` says.

    Parameters
    ----------
    operation : Filter
        With its parameters; not resolved. Its class must be known to `providers.make_operation`.
    ndim : int
        Axes of the images to check it on.
    plane : (int, int) or None
        Rows and columns of their planes; None: six more than what the halo takes.
    dtypes : tuple of str
        Their dtypes, where pixels are integers.
    examples : int
        Images per law.

    Raises
    ------
    AssertionError
        That names the first declaration that does not hold.

    >>> from providers import make_operation
    >>> check_operation(make_operation("median", size=3), examples=3)
    """
    tasks: list[Task] = []
    for dtype in dtypes:
        resolved = operation.resolved(ndim, dtype)
        window = tuple(2 * h + 6 for h in resolved.halo)
        window = (*window[:-PLANE_AXES], *(plane or window[-PLANE_AXES:]))
        resolved = resolved.of_planes((window[-2], window[-1]), dtype)
        _check_laws(resolved, dtype, window, examples)
        tasks += _tasks(resolved, dtype, window)
    _check_elsewhere(operation, tasks)
    for dtype in FLOAT_DTYPES:
        resolved = operation.resolved(ndim, dtype)
        if resolved.float_gain is not None:
            _check_floats(resolved, dtype, examples)


def _check_laws(operation: Filter, dtype: str, window: tuple[int, ...], examples: int) -> None:
    side = max(window)
    window = (side,) * len(window) if operation.symmetries.quarter_turns else window

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=_PHASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(images((3, *window), (dtype,)), st.data())
    def laws(stack: NDArray[Any], data: st.DataObject) -> None:
        before = stack.copy()
        stack.flags.writeable = False
        exact = operation.run(stack)
        _require(np.array_equal(stack, before), operation, "run must not change its pixels")
        _require(exact.dtype == np.int64, operation, "run must answer int64")
        narrow = exact.astype(operation.unrounded_dtype(stack.dtype))
        _require(np.array_equal(narrow, exact), operation, "unrounded_dtype must hold all answers")
        _check_shape(operation, stack, exact)
        _check_parts(operation, stack, exact)
        _check_tiles(operation, stack, exact, data)
        _check_layouts(operation, stack, exact)
        _check_symmetries(operation, stack, exact, data)
        finished = operation.finish(exact, stack.dtype)
        _require(
            finished.dtype == operation.result_dtype(stack.dtype), operation, "finish must keep result_dtype"
        )

    laws()


def _check_shape(operation: Filter, stack: NDArray[Any], exact: Answers) -> None:
    _require(
        exact.shape == (len(stack), *operation.answered(stack.shape[1:])),
        operation,
        "an answer must cover the pixels without the halo, or be of the shape that is declared",
    )


def _check_parts(operation: Filter, stack: NDArray[Any], exact: Answers) -> None:
    if not operation.parts:
        return
    _require(
        all(isinstance(part, PlaneMap) or part.halo == operation.halo for part in operation.parts),
        operation,
        "every part must have the operation's halo",
    )
    answers = [part.run(stack) for part in operation.parts]
    # In int64, and in as few bytes as hold them: sums must not overflow those.
    for parts in (answers, [_narrow(part) for part in answers]):
        _require(
            np.array_equal(operation.combined(parts, core(stack, operation.halo)), exact),
            operation,
            "parts are declared, but what is combined of their answers is not what run answers",
        )
    if isinstance(operation, LinearFilter):
        own, times = operation.shares
        _require(
            np.array_equal(own * core(stack, operation.halo).astype(np.int64) + times * answers[0], exact),
            operation,
            "run does not answer as many pixels and answers of the stencil as shares say",
        )


def _narrow(answers: Answers) -> NDArray[Any]:
    # Of one more bit than the largest, for its sign.
    return answers.astype(np.min_scalar_type(-largest_magnitude(answers) - 1))


def _check_tiles(operation: Filter, stack: NDArray[Any], exact: Answers, data: st.DataObject) -> None:
    if operation.whole:
        return
    spans = []
    for n, h in zip(exact.shape[1:], operation.halo, strict=True):
        start = data.draw(st.integers(0, n - 1))
        stop = data.draw(st.integers(start + 1, n))
        spans.append((slice(start, stop + 2 * h), slice(start, stop)))
    tile = operation.run(stack[(slice(None), *(window for window, _ in spans))])
    _require(
        np.array_equal(tile, exact[(slice(None), *(core for _, core in spans))]),
        operation,
        "a tile's answer must be that part of the whole's: the halo is wrong, or the arithmetic not exact",
    )


def _check_layouts(operation: Filter, stack: NDArray[Any], exact: Answers) -> None:
    _require(
        np.array_equal(operation.run(stack[1:2]), exact[1:2]), operation, "regions must not see one another"
    )
    _require(
        np.array_equal(operation.run(np.asfortranarray(stack)), exact),
        operation,
        "memory order must not matter",
    )
    _require(
        np.array_equal(operation.run(stack.astype(np.int64)), exact),
        operation,
        "equal pixels of another dtype must give equal answers",
    )


def _check_symmetries(operation: Filter, stack: NDArray[Any], exact: Answers, data: st.DataObject) -> None:
    facts, wide = operation.symmetries, stack.astype(np.int64)
    for axis, holds in enumerate(facts.flips, start=1):
        if holds:
            flipped = np.flip(operation.run(np.flip(stack, axis)), axis)
            _require(
                np.array_equal(flipped, exact), operation, f"flips[{axis - 1}] is declared, but does not hold"
            )
    if facts.quarter_turns:
        turned = operation.run(stack.swapaxes(-1, -2)).swapaxes(-1, -2)
        _require(np.array_equal(turned, exact), operation, "quarter_turns is declared, but does not hold")
    offset = data.draw(st.integers(-(2**16), 2**16).filter(bool))
    if facts.offset_gain is not None:
        gained = exact + int(offset * facts.offset_gain * operation.units)
        _require(
            np.array_equal(operation.run(wide + offset), gained),
            operation,
            "offset_gain is declared, but does not hold",
        )
    if facts.negation_sign is not None:
        negated = operation.run(-wide)
        _require(
            np.array_equal(negated, facts.negation_sign * exact),
            operation,
            "negation_sign is declared, but does not hold",
        )
    if operation.finishes_anywhere and facts.offset_gain is not None:
        # As blocks are sent: from 0 upward, of which an offset leaves a little, in a wider dtype.
        sign = facts.negation_sign
        shift = int(-wide.min() if sign is None else wide.max()) + offset % 256
        dtype = {1: "uint16", 2: "uint32"}.get(stack.dtype.itemsize, "int64")
        sent = (shift + (wide if sign is None else -wide)).astype(dtype)
        answered = operation.finish(operation.run(sent), dtype).astype(np.int64)
        revealed = (answered - int(shift * facts.offset_gain)) * (1 if sign is None else sign)
        _require(
            np.array_equal(revealed, operation.finish(exact, stack.dtype)),
            operation,
            "finishes_anywhere is declared, but finish does not commute with negation and offset",
        )


def _check_floats(operation: Filter, dtype: str, examples: int) -> None:
    facts, side = operation.symmetries, 2 * max(operation.halo) + 6

    @settings(max_examples=examples, deadline=None, database=None, phases=_PHASES)
    @given(float_images((2, *(side,) * len(operation.halo)), (dtype,)), st.data())
    def laws(stack: NDArray[Any], data: st.DataObject) -> None:
        allowed = float_tolerance(operation, stack)

        def finished(pixels: NDArray[Any]) -> NDArray[Any]:
            return operation.finish(operation.run(pixels), dtype).astype(np.float64)

        def near(other: NDArray[Any], law: str) -> None:
            agrees = other.shape == whole.shape and bool((np.abs(other - whole) <= allowed).all())
            _require(agrees, operation, f"on floats {law} beyond what float_gain allows")

        whole = finished(stack)
        cuts = [data.draw(st.integers(0, n - 1)) for n in whole.shape[1:]]
        tile = finished(stack[(slice(None), *(slice(cut, None) for cut in cuts))])
        pieces = whole.copy()
        pieces[(slice(None), *(slice(cut, None) for cut in cuts))] = tile
        near(pieces, f"a tile with its halo of {operation.halo} differs from the whole")
        for axis, holds in enumerate(facts.flips, start=1):
            if holds:
                near(np.flip(finished(np.flip(stack, axis)), axis), f"flips[{axis - 1}] does not hold")
        if facts.quarter_turns:
            near(finished(stack.swapaxes(-1, -2)).swapaxes(-1, -2), "quarter_turns does not hold")
        if facts.negation_sign is not None:
            near(facts.negation_sign * finished(-stack), "negation_sign does not hold")

    laws()


def _tasks(operation: Filter, dtype: str, window: tuple[int, ...]) -> list[Task]:
    """What a cloud may be asked to do with random pixels."""
    limits = np.iinfo(dtype)
    random = np.random.default_rng(window)
    stack = random.integers(limits.min, limits.max, (4, *window), dtype, endpoint=True)
    return [Task("0" * 32, operation, stack, rounded) for rounded in (True, False)]


def _check_elsewhere(operation: Filter, tasks: Sequence[Task]) -> None:
    """The same tasks through the wire, here and on a processor with fewer instructions."""
    requests = [encode_task(task) for task in tasks]
    for task, request in zip(tasks, requests, strict=True):
        passed = decode_task(request).operation == _without_border(task.operation)
        _require(passed, operation, "must pass the wire")
    here = [handle(request) for request in requests]
    for answer in here:
        decode_answer(answer)
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(_optional_features())}
    there = subprocess.run(
        [sys.executable, "-c", _OTHER_CLOUD, type(operation).__module__],
        input=b"\n".join(map(base64.b64encode, requests)),
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
        timeout=60,
    ).stdout
    _require(
        here == [base64.b64decode(line) for line in there.splitlines()] or not operation.bit_exact,
        operation,
        "bit_exact is declared, but a processor with fewer instructions answers other bytes",
    )


def _without_border(operation: Filter) -> Filter:
    return type(operation)(**operation.parameters())


def _optional_features() -> list[str]:
    """Instruction sets that numpy found here and can do without."""
    from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
        __cpu_dispatch__,
        __cpu_features__,
    )

    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


def _require(holds: bool, operation: Filter, law: str) -> None:
    if not holds:
        raise AssertionError(f"{operation.name}: {law}")
