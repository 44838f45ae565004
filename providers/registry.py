"""Operation names → classes: ours, and those of installed plug-ins."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from providers.errors import BadTask, UnknownOperation
from providers.kernel import tuples
from providers.operation import BORDER, Filter, as_written
from providers.operations import BUILT_IN

PLUGINS = "cloudsec.operations"
"""Entry-point group of packages that bring operations of their own."""


@cache
def operations() -> dict[str, type[Filter]]:
    """All operations by name, sorted; a name that two classes claim is an error."""
    classes = [*BUILT_IN, *(entry.load() for entry in entry_points(group=PLUGINS))]
    found: dict[str, type[Filter]] = {}
    for kind in classes:
        if kind.name in found:
            raise ValueError(
                f"two operations are called {kind.name!r}: {_path(found[kind.name])} and {_path(kind)}; "
                "uninstall one of the packages"
            )
        found[kind.name] = kind
    return dict(sorted(found.items()))


def operation_names() -> tuple[str, ...]:
    """Names of all operations.

    >>> operation_names()
    ('backprojection', 'binomial', 'brightness', 'contrast', 'convolve', 'dct', ...)
    """
    return tuple(operations())


def user_fields(kind: type[Filter]) -> tuple[dataclasses.Field[Any], ...]:
    """The parameters of an operation that users set, its own first, the border's last."""
    fields = [f for f in dataclasses.fields(kind) if not f.metadata.get("derived")]
    return tuple(sorted(fields, key=lambda f: f.name in BORDER))


def make_operation(name: str, **parameters: Any) -> Filter:
    """An operation with these parameters; ValueError names what there is instead.

    >>> make_operation("gaussian", sigma=2)
    Gaussian(mode='reflect', cval=0, sigma=2.0, truncate=4.0, weights=())
    """
    kind = operations().get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"unknown operation {name!r}; there are: {', '.join(operation_names())}")
    accepted = [f.name for f in user_fields(kind)]
    for unknown in parameters.keys() - set(accepted):
        raise ValueError(f"{name} has no parameter {unknown!r}; it takes: {', '.join(accepted)}")
    for missing, example in _examples(kind).items():
        if missing not in parameters:
            raise ValueError(f"{name} needs the parameter {missing!r}, such as {as_written(example)}")
    return kind(**parameters)


def example_operation(name: str) -> Filter:
    """The operation with its defaults, and with examples of what users have to give.

    >>> str(example_operation("convolve"))
    'convolve weights=[[1,2,1],[2,4,2],[1,2,1]]'
    """
    kind = operations().get(name)
    return make_operation(name, **({} if kind is None else _examples(kind)))


def as_operation(operation: str | Filter, parameters: dict[str, Any]) -> Filter:
    """The operation itself, or the one of that name with these parameters."""
    if not isinstance(operation, Filter):
        return make_operation(operation, **parameters)
    if parameters:
        raise ValueError(f"{operation.name} already has its parameters; give them with a name only")
    return operation


def resolved_operation(name: object, version: object, parameters: object) -> Filter:
    """The resolved operation that a task names; UnknownOperation or BadTask if it is none."""
    kind = operations().get(name) if isinstance(name, str) else None
    if kind is None or version != kind.version:
        there = ", ".join(f"{known} {c.version}" for known, c in operations().items())
        raise UnknownOperation(f"this provider does not have {name!r} version {version!r}; it has: {there}")
    expected = {f.name for f in dataclasses.fields(kind)} - set(BORDER)
    if not isinstance(parameters, dict) or parameters.keys() != expected:
        raise BadTask(f"{name} takes exactly the parameters {', '.join(sorted(expected))}")
    try:
        operation = kind(**{key: tuples(value) for key, value in parameters.items()})
        _ = operation.halo, operation.symmetries, operation.units
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadTask(str(error)) from error
    return operation


def _examples(kind: type[Filter]) -> dict[str, Any]:
    return {f.name: f.metadata["example"] for f in user_fields(kind) if "example" in f.metadata}


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
