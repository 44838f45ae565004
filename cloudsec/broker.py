"""The broker: the only place where all rooms meet. One image goes in, the exact result comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudsec.checks import Verify
from cloudsec.clock import Clock
from cloudsec.course import Terms, carried_out
from cloudsec.custody import Custody, custody_of
from cloudsec.endpoints import Endpoint, endpoints_of
from cloudsec.errors import CloudsecError
from cloudsec.experience import Experience
from cloudsec.forecast import Lane
from cloudsec.keystream import Keystream
from cloudsec.probe import probed
from cloudsec.proposal import Proposal, proposal_of, proposal_of_shares
from cloudsec.rehearsal import kernel_seconds, kind_of
from cloudsec.report import Report, report_of
from cloudsec.result import Result
from cloudsec.schemes import Job, LinearScheme, ProtectionScheme
from cloudsec.schemes.hiding import travelling
from cloudsec.schemes.steps import with_weights_for_steps
from cloudsec.settings import Settings
from cloudsec.share_course import carried_out_on_shares
from cloudsec.share_report import report_of_shares
from cloudsec.study import Study, study_name
from cloudsec.verification.products import Probes
from providers import Filter
from providers.image import checked_image, image_planes
from providers.operation import resolved_for
from providers.registry import as_operation

DEFAULT_PROVIDERS = 9


class Broker:
    """Sends pieces of images to providers that are not trusted, and puts the exact result together.

    Parameters
    ----------
    providers : int or sequence of str or Endpoint
        URLs or endpoints, each another provider; or how many embedded ones to use in this process.
    scheme : str
        ``"auto"``: of each job, the first of `cloudsec.SCHEMES` that carries the operation exactly with these
        providers and has what `plan` fixes, but for ``"paillier"``, ``"ga-es-2018"``, the paper's scheme, and
        ``"unprotected"``, which are for comparisons; the report says why. Or the name of one.
    tolerate : int or None
        How many colluding providers to withstand; None: 1 where the scheme protects.
    verify : {True, "sample", False}
        True: all answers are checked as far as there is a way, sums by a secret tag of the image, ranks by
        counting, what is little work by computing it again, the rest by a sample. ``"sample"``: some blocks
        are computed again at home and compared.
    plan : dict or None
        Fixes what the scheme would choose; for those with blocks: ``{"block": 48}``, the side of the blocks
        in pixels, ``{"regions": 4}``, how many providers to use, ``{"halo": "ring"}`` or ``{"halo":
        "shared"}``, whether the broker computes the pixels around blocks, or blocks travel with a halo. For
        shares ``{"seeds": False}``, none of them sent as a seed (perfect), for `packed` ``{"spare": 1}``, how
        many providers may be lost, for `paillier` ``{"packing": False}``, a pixel in each ciphertext. For
        shares of floats ``{"step": 2**-10}``: pixels are taken as the nearest whole multiples of that.
    on_loss : {"home", "fail"}
        What happens to the part of a provider that is lost where nobody may stand in for it, and to shares
        where too few are left to share among: it is computed at home, or the job fails.
    seed : int or None
        Seeds the genetic searches for a plan, never a secret: the same seed gives the same plan while
        providers and this machine are as fast. None draws one from the system's generator.
    key : bytes, str, Path, Custody or None
        Master key of at least 32 bytes, or the file that holds it; None: the user's key file,
        ``$CLOUDSEC_KEY_FILE``, made at first use. Or a `cloudsec.custody.Custody`: a key, and the records of
        studies, that are kept elsewhere than in the user's files.
    timeout : float
        Seconds within which a provider must answer one task.
    token : str or None
        Bearer token for the providers that are given as URLs. It is shown to all of them; an `HttpEndpoint`
        has its own.
    ca : str, Path or None
        File of the CAs by which the providers that are given as URLs must show a certificate; these are https
        URLs then. None: the CAs that requests trusts.
    progress : callable or None
        Called with the number of tasks answered and of all that were or still can be: before any is sent, and
        as answers come. What it raises ends the job at once, such as `Cancelled`: nothing more is sent.

    Raises
    ------
    ValueError
        For an unknown scheme, no or doubled providers, or a choice that there is not.
    VaultError
        If the key file cannot be read or made.

    Notes
    -----
    A provider that answered wrongly is not asked again by the same broker.

    >>> import numpy as np
    >>> image = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
    >>> with Broker(providers=4, key=bytes(32)) as broker:
    ...     result = broker.process(image, "median", size=3)
    >>> result.report.home["reasons"]
    {'edge': 0.234375}
    """

    def __init__(
        self,
        providers: int | Sequence[str | Endpoint] = DEFAULT_PROVIDERS,
        *,
        scheme: str = "auto",
        tolerate: int | None = None,
        verify: Verify = True,
        plan: Mapping[str, Any] | None = None,
        on_loss: Literal["home", "fail"] = "home",
        seed: int | None = None,
        key: bytes | str | Path | Custody | None = None,
        timeout: float = 60.0,
        token: str | None = None,
        ca: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        chosen = self._settings = Settings(
            scheme=scheme,
            tolerate=tolerate,
            verify=verify,
            plan=plan,
            on_loss=on_loss,
            seed=seed,
            timeout=timeout,
            token=token,
            ca=ca,
            progress=progress,
        )
        self._seed = chosen.search_seed()
        self._endpoints, self._opened = endpoints_of(providers, token, ca)
        self._tolerate = chosen.colluders(len(self._endpoints))
        # Embedded providers are simulated clouds; another number of them are other clouds.
        self._fleet = "" if isinstance(providers, Iterable) else f"{len(self._endpoints)} embedded"
        self._quarantined: frozenset[str] = frozenset()
        self._probes = Probes()
        self._experience = (
            Experience.embedded(len(self._endpoints), os.cpu_count() or 1) if self._fleet else Experience()
        )
        self._custody = custody_of(key, lasting=chosen.remembers)

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the providers that were given as URLs."""
        for endpoint in self._opened:
            endpoint.close()

    def process(
        self,
        image: ArrayLike,
        operation: str | Filter,
        *,
        channel_axis: int | None = None,
        study: str | None = None,
        **parameters: Any,
    ) -> Result:
        """Run an operation on an image, at the providers.

        Parameters
        ----------
        image : (M, N), a volume (P, M, N) or, with `channel_axis`, (M, N, 3|4) ndarray
            uint8, int16, uint16, int32, float32 or float64, without NaN and infinity. Results on floats
            equal ``providers.apply`` as far as arithmetic on floats can (``providers/README.md``).
        operation : str or Filter
            A name of ``providers.operation_names()``, or an operation.
        channel_axis : int or None
            -1 for colour images; every component is filtered by itself.
        study : str or None
            What belongs together: for all images of one shape in a study, a provider gets the same
            positions and no others. None is the unnamed study, which all images without a name share.
        **parameters
            Those of the operation.

        Raises
        ------
        ValueError
            For an image, operation or parameter that is not accepted.
        IncompatibleScheme
            If the scheme cannot carry the operation exactly with these providers; nothing was sent.
        VaultError
            If the record of the study cannot be read or written; nothing was sent.
        ProviderFailed
            With ``on_loss="fail"``, if a provider cannot be reached, refuses, or answers wrongly, and the
            others may not or cannot make up for it; names it.
        """
        clock = Clock()
        pixels = checked_image(image, channel_axis)
        chosen = as_operation(operation, parameters)
        job = self._job(pixels, chosen, channel_axis)
        scheme, why = self._settings.scheme_for(job)
        if isinstance(scheme, LinearScheme):
            planes, report = self._on_shares(job, scheme, clock)
        else:
            planes, report = self._in_pieces(job, scheme, study, clock)
        found = chosen.concluded(planes, pixels, channel_axis)
        clock.ends("finish")
        told = report(operation=str(chosen), pixels=pixels, timings=clock.timings(), choice=why)
        return Result(None, found, told) if isinstance(found, dict) else Result(found, None, told)

    def scheme_for(
        self,
        image: ArrayLike,
        operation: str | Filter,
        *,
        channel_axis: int | None = None,
        **parameters: Any,
    ) -> str:
        """The name of the scheme that `process` would take, with its arguments and errors; sends nothing."""
        job = self._job(checked_image(image, channel_axis), as_operation(operation, parameters), channel_axis)
        return self._settings.scheme_for(job)[0].name

    def plan(
        self,
        image: ArrayLike,
        operation: str | Filter,
        *,
        channel_axis: int | None = None,
        study: str | None = None,
        **parameters: Any,
    ) -> Proposal:
        """What `process` would do with an image, and what else could be chosen; sends and records nothing.

        As long as neither the study nor what is known of providers' speeds changes, `process` then does it;
        so does that of another broker with the same seed.
        Arguments and errors are those of `process`.

        >>> import numpy as np
        >>> image = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
        >>> with Broker(providers=4, key=bytes(32)) as broker:
        ...     proposal = broker.plan(image, "median", size=3)
        >>> [provider.blocks for provider in proposal.providers]
        [4, 4, 4, 4]
        """
        pixels = checked_image(image, channel_axis)
        chosen = as_operation(operation, parameters)
        job = replace(self._job(pixels, chosen, channel_axis), compared=True)
        scheme, why = self._settings.scheme_for(job)
        if isinstance(scheme, LinearScheme):
            return proposal_of_shares(job, scheme, operation=str(chosen), pixels=pixels, choice=why)
        keys, ledger = self._custody.study(scheme, study, self._fleet)
        plan = ledger.foreseen(job) if ledger else scheme.plan(job, Study(), keys)
        return proposal_of(job, plan, scheme, operation=str(chosen), pixels=pixels, choice=why)

    def probe(
        self,
        image: ArrayLike,
        operation: str | Filter,
        *,
        channel_axis: int | None = None,
        **parameters: Any,
    ) -> dict[str, Lane]:
        """Ask providers of which no job has told anything yet how far away and how fast they are.

        They are sent tasks of random pixels for less than a second, with the operation and the dtype of the
        image and nothing else of it. The plans of later jobs go by what they take; without a probe, first
        jobs are planned as if all were near and alike. Embedded providers are.

        Arguments and errors are those of `process`.

        Returns
        -------
        dict of str to Lane
            By name, seconds of those that answered: for being asked, per pixel moved, and per second that the
            operation takes here.
        """
        job = self._job(checked_image(image, channel_axis), as_operation(operation, parameters), channel_axis)
        kind, known = kind_of(job.operation, job.planes), self._experience
        strangers = known.strangers(job.present)
        endpoints = [self._endpoints[job.present[name]] for name in strangers]
        pixels, timeout = travelling(job.planes), self._settings.timeout
        told = probed(endpoints, job.operation, *pixels, known.kernels[kind], timeout)
        self._experience = self._experience.probed(told, kind)
        return told

    def map(
        self,
        images: Iterable[ArrayLike],
        operation: str | Filter,
        *,
        channel_axis: int | None = None,
        study: str | None = None,
        **parameters: Any,
    ) -> Iterator[Result]:
        """Run an operation on each image of a series, as jobs of one study; results in their order.

        An image is taken from `images` when its result is asked for, and nothing of an earlier one is kept
        here: of a series that is read or made bit by bit, one image is in memory at a time. The broker's
        `progress` is called for every image anew.

        Arguments are those of `process`. So are errors; one of an image says which, counted from 1.
        """
        chosen, name = as_operation(operation, parameters), study_name(study)

        def done(number: int, image: ArrayLike) -> Result:
            try:
                return self.process(image, chosen, channel_axis=channel_axis, study=name)
            except (CloudsecError, ValueError) as error:
                error.args = (f"image {number} of the series: {error}", *error.args[1:])
                raise

        # Unlike a generator's frame, this keeps neither image nor result while the next is made.
        return map(done, count(1), images)

    def _job(self, pixels: NDArray[np.generic], operation: Filter, channel_axis: int | None) -> Job:
        """What is to be done with an image, with what is known of how long it takes."""
        pixels, choices = operation.given(pixels, channel_axis), self._settings.plan or {}
        resolved = resolved_for(pixels, operation, channel_axis)
        if "step" in choices:
            resolved = with_weights_for_steps(resolved, pixels.dtype)
        # Figures are computed when they are read; the caller may have changed the image by then.
        planes = np.array(image_planes(pixels, channel_axis), order="C")
        names = tuple(endpoint.name for endpoint in self._endpoints)
        present = {name: place for place, name in enumerate(names) if name not in self._quarantined}
        kind, known = kind_of(resolved, planes), self._experience
        if kind not in known.kernels:
            # Another thread may learn something meanwhile; what this job goes by is its own.
            known = self._experience = known.rehearsed(kind, kernel_seconds(resolved, *travelling(planes)))
        forecast = known.forecast(names, kind)
        return Job(planes, resolved, names, present, self._tolerate, choices, self._seed, forecast)

    def _in_pieces(
        self, job: Job, scheme: ProtectionScheme, study: str | None, clock: Clock
    ) -> tuple[NDArray[np.generic], Callable[..., Report]]:
        """The result of a job under a scheme that sends pieces of the image, and what is to be reported."""
        keys, ledger = self._custody.study(scheme, study, self._fleet)
        plan = ledger.planned(job) if ledger else scheme.plan(job, Study(), keys)
        clock.ends("plan")

        def record(lent: Mapping[str, NDArray[np.intp]]) -> None:
            if ledger is not None:
                ledger.lend(job, plan, lent)

        ended = carried_out(job, plan, scheme, keys, record, self._terms(), clock)

        def report(**told: Any) -> Report:
            kind = kind_of(job.operation, job.planes)
            self._experience = self._experience.after(job, plan, ended, told["timings"], kind)
            return report_of(job, plan, scheme, ended, **told)

        return ended.result, report

    def _on_shares(
        self, job: Job, scheme: LinearScheme[Any], clock: Clock
    ) -> tuple[NDArray[np.generic], Callable[..., Report]]:
        """The result of a job on shares, and what is to be reported."""
        dealing = scheme.plan(job)
        clock.ends("plan")
        keys, probes = Keystream.fresh(), self._probes
        shared = carried_out_on_shares(job, dealing, scheme, keys, probes, self._terms(), clock)
        return shared.result, partial(report_of_shares, job, dealing, scheme, shared)

    def _terms(self) -> Terms:
        """How a job is to be carried out."""

        def distrust(name: str) -> None:
            self._quarantined |= {name}

        chosen = self._settings
        return Terms(
            self._endpoints,
            float(chosen.timeout),
            chosen.verify,
            chosen.on_loss,
            chosen.progress,
            distrust,
        )
