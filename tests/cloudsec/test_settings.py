"""Which scheme a broker takes unless one is named, and what it says of that."""

import os
import re
from typing import Any

import numpy as np
import pytest

import cloudsec
import providers
from cloudsec.errors import IncompatibleScheme
from providers import make_operation

IMAGE = np.random.default_rng(0).integers(0, 4096, (40, 33), np.uint16)


@pytest.mark.parametrize(
    ("operation", "options", "taken", "why"),
    [
        ("mean", {}, "additive", ""),
        ("sobel", {"tolerate": 3}, "additive", ""),
        ("median", {}, "ga-es", ": scheme 'additive' needs a linear operation, and 'median' is none"),
        ("threshold", {}, "ga-es", ": scheme 'additive' needs a linear operation, and 'threshold' is none"),
        ("mean", {"plan": {"block": 8}}, "ga-es", ", because the plan fixes 'block'"),
        ("mean", {"plan": {"spare": 1}, "providers": 5}, "packed", ", because the plan fixes 'spare'"),
        (
            "mean",
            {"providers": 1},
            "bfv",
            ": scheme 'additive' needs at least 2 providers here, and only 1 may be asked",
        ),
    ],
)
def test_auto_takes_the_strongest_scheme_that_carries_a_job_and_says_why(
    operation: str, options: dict[str, Any], taken: str, why: str
) -> None:
    given = {"providers": 4, "key": os.urandom(32)} | options
    chosen = make_operation(operation, **({"value": 128} if operation == "threshold" else {}))
    result = cloudsec.process(IMAGE, chosen, **given)
    assert (result.image == providers.apply(IMAGE, chosen)).all()
    report = result.report
    assert report.scheme == taken
    strongest = f", the strongest scheme that carries '{operation}' with these providers"
    assert report.choice == f"auto took '{taken}'{why or strongest}"
    assert "\nAuto took" in str(report)
    with cloudsec.Broker(**given) as broker:
        proposal = broker.plan(IMAGE, chosen)
        assert broker.scheme_for(IMAGE, chosen) == taken
    assert (proposal.scheme, proposal.choice) == (taken, report.choice)
    assert "\nAuto took" in str(proposal)


def test_auto_never_takes_the_yardstick_of_ciphertexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsec.schemes.bfv.SLAB_BYTES", 1 << 10)
    with pytest.raises(IncompatibleScheme, match="at least 2 providers"):
        cloudsec.process(IMAGE, "mean", providers=1)
    with pytest.raises(ValueError, match="no scheme takes 'packing' in one plan"):
        cloudsec.process(IMAGE, "mean", plan={"packing": True})


def test_auto_with_too_few_providers_is_refused_like_the_last_that_it_tried() -> None:
    with pytest.raises(IncompatibleScheme, match="at least 2 providers"):
        cloudsec.process(IMAGE, "median", providers=1)


@pytest.mark.parametrize(
    ("plan", "operation", "why"),
    [
        ({"seeds": 1}, "mean", "seeds must be True or False"),
        ({"regions": 9}, "mean", "regions must be from 1 to 4"),
        ({"blok": 8}, "mean", "no scheme takes 'blok' in one plan; additive: regions, seeds, step;"),
        ({"block": 8, "seeds": True}, "mean", "no scheme takes 'block', 'seeds' in one plan"),
        ({"seeds": True}, "median", "scheme 'additive' needs a linear operation"),
        ({"block": 16}, "rescale", "scheme 'ga-es'"),
    ],
)
def test_a_choice_that_cannot_be_sends_no_job_to_a_weaker_scheme(
    plan: dict[str, Any], operation: str, why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        cloudsec.process(IMAGE, operation, providers=4, plan=plan)


def test_a_broker_with_one_provider_names_no_scheme_that_needs_two() -> None:
    for operation, stronger in (("mean", "bfv"), ("median", None)):
        report = cloudsec.process(IMAGE, operation, scheme="unprotected", providers=1).report
        assert report.stronger_scheme == stronger
    floats = cloudsec.process(IMAGE.astype(np.float32), "mean", providers=4, key=os.urandom(32)).report
    assert (floats.scheme, floats.stronger_scheme) == ("ga-es", None)
