"""The commands of a job, `process` and `plan`: words to a broker and files, and what is to be said of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from cloudsec.broker import Broker
    from cloudsec.checks import Verify
    from cloudsec.dicom import Series
    from cloudsec.endpoints import Endpoint
    from cloudsec.image_file import ImageFile
    from cloudsec.report import Report
    from cloudsec.result import Result
    from providers.operation import Filter

VERIFY: dict[str, Verify] = {"full": True, "sample": "sample", "off": False}
LINE = 500
"""Characters of a line at the most: values that were given are repeated in it."""
TOKEN_VARIABLE = "CLOUDSEC_TOKEN"  # noqa: S105 - the name of a variable, not a token


def say(message: str) -> None:
    """One line on standard error."""
    from providers.wire import printable

    print(f"cloudsec: {printable(message)[:LINE]}", file=sys.stderr)


def process(options: argparse.Namespace) -> int:
    """An operation on all images of a file or of a directory of slices, into another."""
    from cloudsec.report import check_report_path
    from providers import make_operation
    from providers.operations.measurement import Measurement

    operation = make_operation(options.operation, **_parameters(options.parameter))
    progress = _show_progress if sys.stderr.isatty() else None
    how = {"on_loss": options.on_loss, "timeout": options.timeout, "verify": VERIFY[options.verify]}
    with _broker(options, progress=progress, **how) as broker:
        if options.report is not None:
            check_report_path(options.report)
        if options.show_views is not None and not _can_hold_files(options.show_views):
            raise ValueError(f"{options.show_views} is no directory that can be written to; name another")
        if isinstance(operation, Measurement):
            work = _measured
        else:
            work = _slices if options.source.is_dir() and options.one_by_one else _file
        records = work(options, broker, operation)
    for loss in records.losses:
        say(loss)
    print(records.last)
    if records.total > 1:
        print(f"This is the report of the last of {records.total} images; --report writes one of each.")
    return 0


def plan(options: argparse.Namespace) -> int:
    """What would be done with the first image; sends nothing of it."""
    from cloudsec.report import check_report_path
    from providers import make_operation

    operation = make_operation(options.operation, **_parameters(options.parameter))
    with _broker(options) as broker:
        if options.report is not None:
            check_report_path(options.report)
        image = _image(options)
        _keep_the_input(options.source, options.report)
        study = image.study if options.study is None else options.study
        frame = next(_illegible(options, broker, operation, image))
        if options.probe:
            broker.probe(frame, operation, channel_axis=image.channel_axis)
        proposal = broker.plan(frame, operation, channel_axis=image.channel_axis, study=study)
    if options.report is not None:
        proposal.save(options.report)
    print(proposal)
    return 0


class _Records:
    """What is told of jobs. Their reports, which hold images, are written and let go as they come."""

    def __init__(self, options: argparse.Namespace, total: int) -> None:
        self.total = total
        self.losses: dict[str, None] = {}
        self.last: Report | None = None
        self._report, self._views = options.report, options.show_views
        self._count = 0

    def image(self, result: Result) -> NDArray[np.generic]:
        """The image of a result, whose report is done with."""
        self.note(result)
        assert result.image is not None
        return result.image

    def value(self, result: Result) -> dict[str, Any]:
        """What a result measured, as JSON has it; its report is done with."""
        self.note(result)
        assert result.value is not None
        return {name: _plain(figure) for name, figure in result.value.items()}

    def note(self, result: Result) -> None:
        """Write what is told of a job; of several, each has its own report, in the order of frames."""
        report, self._count = result.report, self._count + 1
        mark = f"{self._count:04d}" if self.total > 1 else ""
        if self._report is not None:
            report.save(self._report.with_stem(f"{self._report.stem}-{mark}".rstrip("-")))
        if self._views is not None:
            self._views.mkdir(exist_ok=True)
            report.save_views(self._views / mark)
        self.losses |= dict.fromkeys(loss.reason for loss in report.losses)
        if self._count == self.total:
            self.last = report


def _file(options: argparse.Namespace, broker: Broker, operation: Filter) -> _Records:
    image = _image(options)
    _keep_the_input(options.source, options.target, options.report)
    records = _Records(options, image.count)
    _derive(options, broker, operation, image, options.target, records)
    return records


def _measured(options: argparse.Namespace, broker: Broker, operation: Filter) -> _Records:
    """The figures of an image into a JSON file; of several, one by one, a list of them."""
    from cloudsec.atomic import write_whole
    from cloudsec.file_port import check_place, port

    if options.target.suffix.lower() != ".json":
        raise ValueError(f"{operation.name} measures; name a .json file for its figures")
    with port(options.target, "cannot be written"):
        check_place(options.target)
    if options.report is not None and options.report.resolve() == options.target.resolve():
        raise ValueError(f"{options.report} is to hold the figures; name another file for the report")
    _keep_the_input(options.source, options.target, options.report)
    images: Iterator[ImageFile]
    if options.source.is_dir() and options.one_by_one:
        names = _series(options).names
        images, records = (_slice(options, name) for name in names), _Records(options, len(names))
    else:
        whole = _image(options)
        images, records = iter([whole]), _Records(options, whole.count)
    figures: list[dict[str, Any]] = []
    for image in images:
        figures += map(records.value, _results(options, broker, operation, image))
    content = figures[0] if records.total == 1 else figures
    write_whole(options.target, (json.dumps(content, indent=2) + "\n").encode())
    return records


def _plain(figure: Any) -> Any:
    """A figure, or an array of them, or one for each colour component, as JSON has it."""
    if isinstance(figure, list):
        return [_plain(each) for each in figure]
    return figure if isinstance(figure, (int, float)) else figure.tolist()


def _slices(options: argparse.Namespace, broker: Broker, operation: Filter) -> _Records:
    """A directory of DICOM slices into another: one by one, named by their order."""
    from cloudsec.atomic import whole_directory
    from cloudsec.slices import check_directory

    check_directory(options.target)
    names = _series(options).names
    records = _Records(options, len(names))
    with whole_directory(options.target) as place:
        for number, name in enumerate(names, start=1):
            target = place / f"{number:04d}.dcm"
            _derive(options, broker, operation, _slice(options, name), target, records)
    return records


def _series(options: argparse.Namespace) -> Series:
    """The slices in a directory that are to be taken one by one. What is odd is said."""
    from cloudsec.slices import read_series

    series = read_series(options.source)
    for remark in (*series.irregularities, *series.remarks):
        say(remark)
    return series


def _slice(options: argparse.Namespace, name: str) -> ImageFile:
    """One of them, which is one image."""
    from cloudsec.files import read_image

    image = read_image(options.source / name, burned_in="accept")
    if image.count > 1:
        raise ValueError(f"{options.source / name} holds several images; name it, not its directory")
    return image


def _image(options: argparse.Namespace) -> ImageFile:
    """What a file holds; of a directory the volume, or one by one the first slice. What is odd is said."""
    from cloudsec.files import read_image
    from cloudsec.slices import read_series, read_volume

    path = options.source
    series = read_series(path) if path.is_dir() else None
    if series and not options.one_by_one:
        image = read_volume(path, series, burned_in="accept")
    else:
        image = read_image(path / series.names[0] if series else path, burned_in="accept")
    for remark in image.remarks:
        say(f"{path}: {remark}")
    return image.plane_by_plane() if options.one_by_one else image


def _derive(
    options: argparse.Namespace,
    broker: Broker,
    operation: Filter,
    image: ImageFile,
    target: Path,
    records: _Records,
) -> None:
    """The results of all images of a file, one after the other, into a file."""
    from cloudsec.files import STORED_ONLY, check_output, write_image
    from providers.operation import resolved_for

    check_output(target, image)
    resolved = resolved_for(image.frames[0], operation, image.channel_axis)
    facts = resolved.symmetries
    unknown = facts.offset_gain is None and not operation.own_scale
    if unknown and target.suffix.lower() not in STORED_ONLY:
        raise ValueError(
            f"{operation.name} does not say what its grey levels mean as DICOM or NIfTI; write a .npy file"
        )
    shape = image.frames[0].shape if image.channel_axis is None else image.frames[0].shape[:-1]
    resized = resolved.whole and resolved.answered(shape) != shape
    if resized and target.suffix.lower() not in STORED_ONLY:
        raise ValueError(
            f"{operation.name} answers an image of another shape, and a DICOM or NIfTI file would have to "
            "say where that lies; write a .npy or .tiff file"
        )
    results = _results(options, broker, operation, image)
    write_image(
        target,
        image.together(map(records.image, results)),
        image,
        description=f"CloudSec: {operation}",
        offset_gain=None if operation.own_scale else facts.offset_gain,
        # An operation that is not known to forget the sign keeps it.
        negation_sign=facts.negation_sign or -1,
    )


def _results(
    options: argparse.Namespace, broker: Broker, operation: Filter, image: ImageFile
) -> Iterator[Result]:
    """The results of all images of a file, one after the other."""
    axis = image.channel_axis
    study = image.study if options.study is None else options.study
    if options.probe:
        broker.probe(image.frames[0], operation, channel_axis=axis)
    frames = _illegible(options, broker, operation, image)
    if image.count > 1:
        return broker.map(frames, operation, channel_axis=axis, study=study)
    return iter([broker.process(next(frames), operation, channel_axis=axis, study=study)])


def _illegible(
    options: argparse.Namespace, broker: Broker, operation: Filter, image: ImageFile
) -> Iterator[NDArray[np.generic]]:
    """The images of a file, one by one; refused where a name may be legible to providers, unless accepted."""
    from cloudsec.errors import ImageFileError
    from cloudsec.schemes import BLOCK_SCHEMES

    def checked(frame: NDArray[np.generic]) -> NDArray[np.generic]:
        scheme = broker.scheme_for(frame, operation, channel_axis=image.channel_axis)
        if scheme in BLOCK_SCHEMES:
            raise ImageFileError(
                f"{options.source}: {image.letters}, and letters stay legible under scheme {scheme!r}; look "
                "at it, then pass --burned-in accept, or leave --scheme out: shares carry linear operations"
            )
        return frame

    accepted = image.letters is None or options.burned_in == "accept"
    # Unlike a generator's frame, this holds no image while the next is made.
    return iter(image.frames) if accepted else map(checked, image.frames)


def _keep_the_input(source: Path, *written: Path | None) -> None:
    """ValueError where a file that is to be written is the input."""
    for path in written:
        if path is not None and path.exists() and path.samefile(source):
            raise ValueError(f"{path} is the input itself; name another file to write")


@contextmanager
def _broker(options: argparse.Namespace, **more: Any) -> Iterator[Broker]:
    """The broker of a command, and of its providers."""
    from cloudsec.broker import Broker

    fixed = {name: getattr(options, name) for name in ("block", "regions", "halo", "step")}
    with (
        _named_providers(options) as named,
        Broker(
            named,
            scheme=options.scheme,
            tolerate=options.tolerate,
            plan={choice: value for choice, value in fixed.items() if value is not None},
            seed=options.seed,
            token=os.environ.get(TOKEN_VARIABLE),
            ca=options.ca,
            **more,
        ) as broker,
    ):
        yield broker


@contextmanager
def _named_providers(options: argparse.Namespace) -> Iterator[int | Sequence[str | Endpoint]]:
    """The providers that were asked for, in the one way that may be used."""
    from cloudsec.broker import DEFAULT_PROVIDERS
    from cloudsec.providers_file import read_providers

    if sum(given is not None for given in (options.provider, options.providers_file, options.providers)) > 1:
        raise ValueError(
            "give either --provider URLs, or a --providers-file, or --providers for embedded ones"
        )
    if options.ca is not None and options.provider is None:
        raise ValueError("--ca is for --provider URLs; a providers file names its own")
    if options.providers_file is None:
        yield options.provider or (DEFAULT_PROVIDERS if options.providers is None else options.providers)
        return
    with ExitStack() as stack:
        yield [stack.enter_context(closing(each)) for each in read_providers(options.providers_file)]


def _can_hold_files(directory: Path) -> bool:
    """Whether files can be written into a directory that is there, or may be made in the one above."""
    place = directory if directory.exists() else directory.resolve().parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _show_progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} tasks answered", end=end, file=sys.stderr, flush=True)


def _parameters(given: list[str]) -> dict[str, Any]:
    """``sigma=2`` and the like; numbers and lists as JSON writes them, anything else is a word."""
    parameters: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"a parameter is given as NAME=VALUE, such as sigma=2, not as {text!r}")
        if name in parameters:
            raise ValueError(f"parameter {name!r} is given twice")
        try:
            parameters[name] = json.loads(f"[{value}]" if "," in value and "[" not in value else value)
        except (ValueError, RecursionError):
            parameters[name] = value
    return parameters
