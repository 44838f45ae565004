import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import providers
from providers import registry
from providers.errors import BadTask, UnknownOperation

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar
from providers.operations.rank import Median

@dataclass(frozen=True, kw_only=True)
class Foreign(Median):
    name: ClassVar[str] = {name!r}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a package that brings an operation of this name, for one test."""

    def installed(name: str) -> None:
        (tmp_path / "foreign_operations.py").write_text(textwrap.dedent(PLUGIN.format(name=name)))
        info = tmp_path / "foreign_operations-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-operations\nVersion: 1\n")
        (info / "entry_points.txt").write_text(
            "[cloudsec.operations]\nforeign = foreign_operations:Foreign\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        registry.operations.cache_clear()

    yield installed
    monkeypatch.undo()
    registry.operations.cache_clear()
    import sys

    sys.modules.pop("foreign_operations", None)


def test_an_installed_plug_in_is_an_operation_like_ours(install: Any) -> None:
    install("foreign")
    image = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
    assert "foreign" in providers.operation_names()
    assert (providers.apply(image, "foreign") == providers.apply(image, "median")).all()


def test_a_name_that_two_classes_claim_is_an_error(install: Any) -> None:
    install("median")
    with pytest.raises(ValueError, match="two operations are called 'median'"):
        providers.operation_names()


def test_a_task_names_exactly_an_operation_its_version_and_all_parameters() -> None:
    assert registry.resolved_operation("median", 1, {"size": [3, 5]}).halo == (1, 2)
    for name, version in (("blur", 1), ("median", 2), (["median"], 1), (None, None)):
        with pytest.raises(UnknownOperation, match="it has: backprojection 1, binomial 1, brightness 1"):
            registry.resolved_operation(name, version, {"size": [3, 3]})
    for parameters in (
        {},
        {"size": [3, 3], "mode": "reflect"},
        {"size": 3},
        {"size": "x"},
        [],
        {"size": [[3]]},
    ):
        with pytest.raises(BadTask):
            registry.resolved_operation("median", 1, parameters)
    for weights in ([[1, 2]], [[-1]], [["x"]], [], [[]], [[0, 0, 0]], 7, [[1e300]], [[None]]):
        with pytest.raises(BadTask):
            registry.resolved_operation("gaussian", 1, {"sigma": [1.0], "truncate": 4.0, "weights": weights})
    for weights, divisor in (
        ([[1]], 0),
        ([[1]], 2.0),
        ([[0.1]], 1),
        ([[1, 2], [3]], 1),
        ([[2**63]], 1),
        (None, 1),
    ):
        with pytest.raises(BadTask):
            registry.resolved_operation("convolve", 1, {"weights": weights, "divisor": divisor})
    nested: Any = 1
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(BadTask):
        registry.resolved_operation("convolve", 1, {"weights": nested, "divisor": 1})
    for parameters in ({"axes": 0}, {"axes": 4}, {"axes": True}):
        with pytest.raises(BadTask):
            registry.resolved_operation("laplacian", 1, parameters)
    for ends in (-2, 2**40, 1.0, True, None):
        with pytest.raises(BadTask):
            registry.resolved_operation("invert", 1, {"axes": 2, "ends": ends})
