"""The broker: the only place where all rooms meet. One image goes in, the exact result comes out."""

from __future__ import annotations

import operator
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudsec.dispatch import Delivered, Delivery
from cloudsec.endpoints import Endpoint, HttpEndpoint, LocalEndpoint
from cloudsec.errors import Dishonest
from cloudsec.keystream import Keystream
from cloudsec.report import ProviderReport, Report
from cloudsec.schemes import SCHEMES, Plan, Protected, ProtectionScheme
from providers import Filter
from providers.operation import checked_image, filter_box, resolved_for
from providers.registry import as_operation

DEFAULT_PROVIDERS = 9
MAX_PROVIDERS = 256
"""Embedded ones, each with a thread while a job lasts; more than any image can be spread over with sense."""


@dataclass(frozen=True, eq=False)
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
        if not isinstance(scheme, str) or scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {scheme!r}; there are: {', '.join(SCHEMES)}")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < 1e6:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        if plan is not None and not isinstance(plan, Mapping):
            raise ValueError(f"plan must be a dict such as {{'block': 48}}, not {plan!r}")
        if token is not None and not isinstance(token, str):
            raise ValueError("token must be a string")
        if progress is not None and not callable(progress):
            raise ValueError("progress must be a function of two numbers")
        self._scheme: ProtectionScheme = SCHEMES[scheme]
        self._endpoints, self._opened = _endpoints(providers, token)
        self._choices = dict(plan or {})
        self._timeout = float(timeout)
        self._progress = progress
        self._keys = Keystream.fresh()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the providers that were given as URLs."""
        for endpoint in self._opened:
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
        clock, cpu = _Clock(), time.process_time()
        pixels = checked_image(image)
        chosen = as_operation(operation, parameters)
        resolved = resolved_for(pixels, chosen)
        plan = self._scheme.plan(pixels.shape, resolved, len(self._endpoints), self._choices)
        clock.ends("plan")
        protected = self._scheme.protect(pixels, resolved, plan, self._keys.for_job())
        clock.ends("protect")
        result = np.empty(pixels.shape, resolved.result_dtype(pixels.dtype))
        spent = [_Spent() for _ in self._endpoints]
        with Delivery(protected.sealed, self._endpoints, self._timeout) as delivery:
            # The broker does its own part while the providers do theirs.
            for _, box in plan.home:
                result[box.slices] = filter_box(pixels, resolved, box)
            for done, answer in enumerate(delivery, start=1):
                clock.ends("deliver")
                self._place(result, protected, answer)
                spent[answer.party].add(answer)
                clock.ends("recover")
                if self._progress is not None:
                    self._progress(done, len(protected.sealed))
        clock.ends("deliver")
        timings = clock.seconds | {"total": sum(clock.seconds.values()), "cpu": time.process_time() - cpu}
        statement = self._scheme.statement(plan, resolved)
        return Result(result, self._report(pixels, str(chosen), statement, plan, spent, timings))

    def _place(self, result: NDArray[np.generic], protected: Protected, answer: Delivered) -> None:
        task = protected.sealed[answer.number].task
        try:
            self._scheme.place(result, answer.stack, task, protected.manifest[answer.number])
        except ValueError as error:
            name = self._endpoints[answer.party].name
            raise Dishonest(f"provider {name} answered what no image leads to: {error}") from error

    def _report(
        self,
        pixels: NDArray[np.generic],
        operation: str,
        statement: str,
        plan: Plan,
        spent: Sequence[_Spent],
        timings: dict[str, float],
    ) -> Report:
        reasons: dict[str, float] = {}
        for reason, box in plan.home:
            reasons[reason] = reasons.get(reason, 0.0) + box.size / pixels.size
        rows = zip(self._endpoints, plan.pixel_shares, plan.received_shares, spent, strict=True)
        return Report(
            scheme=self._scheme.name,
            assurance=self._scheme.assurance,
            statement=statement,
            operation=operation,
            image={"shape": pixels.shape, "dtype": pixels.dtype.name},
            home={"pixel_share": sum(reasons.values()), "reasons": reasons},
            providers=tuple(
                ProviderReport(endpoint.name, share, received, **asdict(cost))
                for endpoint, share, received, cost in rows
            ),
            plan={"block": plan.block, "regions": sum(share > 0 for share in plan.pixel_shares)},
            exact=_EXACT if any(plan.pixel_shares) else "computed on this machine",
            timings=timings,
        )


@dataclass
class _Spent:
    """What one provider's tasks of a job took."""

    bytes_up: int = 0
    bytes_down: int = 0
    tasks: int = 0
    seconds: float = 0.0

    def add(self, answer: Delivered) -> None:
        self.bytes_up += answer.bytes_up
        self.bytes_down += answer.bytes_down
        self.tasks += 1
        self.seconds += answer.seconds


class _Clock:
    """Seconds by phase of a job; a phase may end more than once."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self.seconds = dict.fromkeys(("plan", "protect", "deliver", "recover"), 0.0)

    def ends(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] += now - self._since
        self._since = now


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


def _endpoints(
    providers: int | Sequence[str | Endpoint], token: str | None
) -> tuple[tuple[Endpoint, ...], tuple[HttpEndpoint, ...]]:
    """All endpoints, and those of them that were made here from URLs and are ours to close."""
    endpoints: list[Endpoint] = []
    opened: list[HttpEndpoint] = []
    if isinstance(providers, (str, Endpoint)):
        raise ValueError("providers must be a number, or a list of URLs or endpoints")
    if isinstance(providers, Iterable):
        for provider in providers:
            if isinstance(provider, str):
                opened.append(HttpEndpoint(provider, token))
                endpoints.append(opened[-1])
            elif isinstance(provider, Endpoint):
                endpoints.append(provider)
            else:
                raise ValueError(f"a provider is a URL or an endpoint, not {type(provider).__name__}")
    else:
        try:
            count = operator.index(providers)
        except TypeError:
            raise ValueError("providers must be a number, or a list of URLs or endpoints") from None
        if isinstance(providers, bool) or count > MAX_PROVIDERS:
            raise ValueError(f"there can be up to {MAX_PROVIDERS} embedded providers, not {providers}")
        endpoints.extend(LocalEndpoint(f"embedded-{i + 1}") for i in range(count))
    if not endpoints:
        raise ValueError("no providers: give at least one URL, or how many embedded ones to use")
    names = [endpoint.name for endpoint in endpoints]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("every endpoint needs a name that is a string")
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"provider {name} is given twice; it would hold two parts of every image")
    return tuple(endpoints), tuple(opened)
