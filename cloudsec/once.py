"""One job, with a broker that is there for it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from cloudsec.broker import DEFAULT_PROVIDERS, Broker
from cloudsec.checks import Verify
from cloudsec.endpoints import Endpoint
from cloudsec.result import Result
from providers import Filter


def process(
    image: ArrayLike,
    operation: str | Filter,
    *,
    providers: int | Sequence[str | Endpoint] = DEFAULT_PROVIDERS,
    scheme: str = "auto",
    tolerate: int | None = None,
    verify: Verify = True,
    plan: Mapping[str, Any] | None = None,
    on_loss: Literal["home", "fail"] = "home",
    seed: int | None = None,
    key: bytes | str | Path | None = None,
    channel_axis: int | None = None,
    study: str | None = None,
    **parameters: Any,
) -> Result:
    """Run an operation on one image; by default at embedded providers, with nothing to start.

    The same as `Broker.process` with a broker for this one job.

    >>> import numpy as np, providers
    >>> image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    >>> result = process(image, "gaussian", sigma=2.0, key=bytes(32))
    >>> bool((result.image == providers.apply(image, "gaussian", sigma=2.0)).all())
    True
    """
    with Broker(
        providers,
        scheme=scheme,
        tolerate=tolerate,
        verify=verify,
        plan=plan,
        on_loss=on_loss,
        seed=seed,
        key=key,
    ) as broker:
        return broker.process(image, operation, channel_axis=channel_axis, study=study, **parameters)
