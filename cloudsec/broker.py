"""The broker: the only place where all rooms meet. One image goes in, the exact result comes out."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudsec.dispatch import Delivered, Delivery
from cloudsec.endpoints import Endpoint, HttpEndpoint, LocalEndpoint
from cloudsec.errors import Dishonest
from cloudsec.keystream import Keystream
from cloudsec.report import ProviderReport, Report
from cloudsec.schemes import SCHEMES, Plan, ProtectionScheme
from providers import Filter
from providers.operation import checked_image, filter_box, resolved_for
from providers.registry import as_operation

DEFAULT_PROVIDERS = 9


@dataclass(frozen=True)
class Result:
    """What a job gives back.

    Attributes
    ----------
    image : (M, N) ndarray
        Equal to ``providers.apply`` on the whole image, in the dtype that the operation declares.
    report : Report
    """

    image: NDArray[np.generic] = field(repr=False)
    report: Report


class Broker:
    """Sends pieces of images to providers that are not trusted, and puts the exact result together.

    Parameters
    ----------
    providers : int or sequence of str or Endpoint
        URLs or endpoints, each another provider; or how many embedded ones to use in this process.
    scheme : str
        A name of `cloudsec.SCHEMES`: ``"ga-es"``, or ``"unprotected"`` for comparisons.
    plan : dict or None
        Fixes what the scheme would choose; for ``"ga-es"``: ``{"block": 48}``, the side of the blocks in
        pixels, at least four times the operation's halo.
    timeout : float
        Seconds within which a provider must answer one task.
    token : str or None
        Bearer token for the providers that are given as URLs.
    progress : callable or None
        Called with the number of tasks answered and of all tasks, as answers come.

    Raises
    ------
    ValueError
        For an unknown scheme, no or doubled providers, or a choice that there is not.

    >>> import numpy as np
    >>> image = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
    >>> with Broker(providers=4) as broker:
    ...     result = broker.process(image, "median", size=3)
    >>> result.report.home["reasons"]
    {'edge': 0.234375}
    """

    def __init__(
        self,
        providers: int | Sequence[str | Endpoint] = DEFAULT_PROVIDERS,
        *,
        scheme: str = "ga-es",
        plan: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        token: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {scheme!r}; there are: {', '.join(SCHEMES)}")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < 1e6:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        self._scheme: ProtectionScheme = SCHEMES[scheme]
        self._endpoints = _endpoints(providers, token)
        self._choices = dict(plan or {})
        self._timeout = float(timeout)
        self._progress = progress
        self._keys = Keystream.fresh()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the providers."""
        for endpoint in self._endpoints:
            if isinstance(endpoint, HttpEndpoint):
                endpoint.close()

    def process(self, image: ArrayLike, operation: str | Filter, **parameters: Any) -> Result:
        """Run an operation on an image, at the providers.

        Parameters
        ----------
        image : (M, N) ndarray of uint8, int16, uint16 or int32
        operation : str or Filter
            A name of ``providers.operation_names()``, or an operation.
        **parameters
            Those of the operation.

        Raises
        ------
        ValueError
            For an image, operation or parameter that is not accepted.
        IncompatibleScheme
            If the scheme cannot carry the operation exactly with these providers; nothing was sent.
        ProviderFailed
            If a provider cannot be reached, refuses, or answers what cannot be an answer; names it.
        """
        times, cpu = [time.perf_counter()], time.process_time()
        pixels = checked_image(image)
        chosen = as_operation(operation, parameters)
        resolved = resolved_for(pixels, chosen)
        plan = self._scheme.plan(pixels.shape, resolved, len(self._endpoints), self._choices)
        times.append(time.perf_counter())
        protected = self._scheme.protect(pixels, resolved, plan, self._keys.for_job())
        times.append(time.perf_counter())
        result = np.empty(pixels.shape, resolved.result_dtype(pixels.dtype))
        with Delivery(protected.sealed, self._endpoints, self._timeout) as delivery:
            # The broker does its own part while the providers do theirs.
            for _, box in plan.home:
                result[box.slices] = filter_box(pixels, resolved, box)
            delivered = []
            for answer in delivery:
                delivered.append(answer)
                if self._progress is not None:
                    self._progress(len(delivered), len(protected.sealed))
        times.append(time.perf_counter())
        for answer in delivered:
            task = protected.sealed[answer.number].task
            try:
                self._scheme.place(result, answer.stack, task, protected.manifest[answer.number])
            except ValueError as error:
                name = self._endpoints[answer.party].name
                raise Dishonest(f"provider {name} answered what no image leads to: {error}") from error
        times.append(time.perf_counter())
        statement = self._scheme.statement(plan, resolved)
        cpu = time.process_time() - cpu
        return Result(result, self._report(pixels, str(chosen), statement, plan, delivered, times, cpu))

    def _report(
        self,
        pixels: NDArray[np.generic],
        operation: str,
        statement: str,
        plan: Plan,
        delivered: Iterable[Delivered],
        times: list[float],
        cpu: float,
    ) -> Report:
        reasons: dict[str, float] = {}
        for reason, box in plan.home:
            reasons[reason] = reasons.get(reason, 0.0) + box.size / pixels.size
        by_party: dict[int, list[Delivered]] = {}
        for answer in delivered:
            by_party.setdefault(answer.party, []).append(answer)
        parts = tuple(
            ProviderReport(
                endpoint.name,
                share,
                received,
                sum(answer.bytes_up for answer in by_party.get(party, ())),
                sum(answer.bytes_down for answer in by_party.get(party, ())),
                len(by_party.get(party, ())),
                sum(answer.seconds for answer in by_party.get(party, ())),
            )
            for party, (endpoint, share, received) in enumerate(
                zip(self._endpoints, plan.pixel_shares, plan.received_shares, strict=True)
            )
        )
        phases = zip(("plan", "protect", "deliver", "recover"), times, times[1:], strict=False)
        return Report(
            scheme=self._scheme.name,
            assurance=self._scheme.assurance,
            statement=statement,
            operation=operation,
            image={"shape": pixels.shape, "dtype": pixels.dtype.name},
            home={"pixel_share": sum(reasons.values()), "reasons": reasons},
            providers=parts,
            plan={"block": plan.block, "regions": sum(share > 0 for share in plan.pixel_shares)},
            exact=_EXACT,
            timings={name: stop - start for name, start, stop in phases}
            | {"total": times[-1] - times[0], "cpu": cpu},
        )


_EXACT = (
    "by construction, if every provider computed what it was asked; answers were checked for shape, "
    "type and range, but not computed again"
)


def process(
    image: ArrayLike,
    operation: str | Filter,
    *,
    providers: int | Sequence[str | Endpoint] = DEFAULT_PROVIDERS,
    scheme: str = "ga-es",
    **parameters: Any,
) -> Result:
    """Run an operation on one image; by default at embedded providers, with nothing to start.

    The same as `Broker.process` with a broker for this one job.

    >>> import numpy as np, providers
    >>> image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    >>> result = process(image, "gaussian", sigma=2.0)
    >>> bool((result.image == providers.apply(image, "gaussian", sigma=2.0)).all())
    True
    """
    with Broker(providers, scheme=scheme) as broker:
        return broker.process(image, operation, **parameters)


def _endpoints(providers: int | Sequence[str | Endpoint], token: str | None) -> tuple[Endpoint, ...]:
    endpoints: list[Endpoint] = []
    if isinstance(providers, (str, Endpoint)):
        raise ValueError("providers must be a number, or a list of URLs or endpoints")
    if isinstance(providers, Iterable):
        for provider in providers:
            if isinstance(provider, str):
                endpoints.append(HttpEndpoint(provider, token))
            elif isinstance(provider, Endpoint):
                endpoints.append(provider)
            else:
                raise ValueError(f"a provider is a URL or an endpoint, not {type(provider).__name__}")
    else:
        try:
            count = operator.index(providers)
        except TypeError:
            raise ValueError("providers must be a number, or a list of URLs or endpoints") from None
        endpoints.extend(LocalEndpoint(f"embedded-{i + 1}") for i in range(count))
    if not endpoints:
        raise ValueError("no providers: give at least one URL, or how many embedded ones to use")
    names = [endpoint.name for endpoint in endpoints]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"provider {doubled[0]} is given twice; it would hold two parts of every image")
    return tuple(endpoints)
