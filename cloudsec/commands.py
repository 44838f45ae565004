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

    from cloudsec.broker import Broker
    from cloudsec.endpoints import Endpoint
    from cloudsec.report import Report
    from cloudsec.result import Result
    from cloudsec.work import Images, Output, Work

LINE = 500
"""Characters of a line at the most: values that were given are repeated in it."""
TOKEN_VARIABLE = "CLOUDSEC_TOKEN"  # noqa: S105 - the name of a variable, not a token


def say(message: str) -> None:
    """One line on standard error."""
    from providers.wire import printable

    print(f"cloudsec: {printable(message)[:LINE]}", file=sys.stderr)


def process(options: argparse.Namespace) -> int:
    """An operation on all images of a file or of a directory of slices, into another."""
    from cloudsec.checks import VERIFY
    from cloudsec.files import is_file_name, write_file, write_slices
    from cloudsec.report import check_report_path

    work = _work(options)
    progress = show_progress if sys.stderr.isatty() else None
    how = {"on_loss": options.on_loss, "timeout": options.timeout, "verify": VERIFY[options.verify]}
    with _broker(options, progress=progress, **how) as broker:
        if options.report is not None:
            check_report_path(options.report)
        if options.show_views is not None and not _can_hold_files(options.show_views):
            raise ValueError(f"{options.show_views} is no directory that can be written to; name another")
        images, output = _prepared(options, work)
        records = _Records(options, images.total)
        contents = work.contents(broker, images.files, output, records.note)
        (write_file if work.measures or is_file_name(options.target) else write_slices)(
            options.target, contents
        )
    for loss in records.losses:
        say(loss)
    print(records.last)
    if records.total > 1:
        print(f"This is the report of the last of {records.total} images; --report writes one of each.")
    return 0


def plan(options: argparse.Namespace) -> int:
    """What would be done with the first image; sends nothing of it."""
    from cloudsec.report import check_report_path

    work = _work(options)
    with _broker(options) as broker:
        if options.report is not None:
            check_report_path(options.report)
        image = next(_images(options).files)
        keep_the_input(options.source, options.report)
        proposal = work.proposal(broker, image)
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


def _work(options: argparse.Namespace) -> Work:
    """What is to be done, whatever the images."""
    from cloudsec.work import Work
    from providers import make_operation

    return Work(
        operation=make_operation(options.operation, **parameters(options.parameter)),
        study=options.study,
        burned_in=options.burned_in,
        probe=options.probe,
        source=options.source,
    )


def _prepared(options: argparse.Namespace, work: Work) -> tuple[Images, Output]:
    """The images, and what is to come of them; refused where that could not be written."""
    from cloudsec.file_port import check_place, port
    from cloudsec.files import checked_form
    from cloudsec.formats import FIGURES
    from cloudsec.slices import check_directory
    from cloudsec.work import Output

    source, target, report = options.source, options.target, options.report
    if work.measures:
        work.check_form(target.suffix.lower())
        with port(target, "cannot be written"):
            check_place(target)
        if report is not None and report.resolve() == target.resolve():
            raise ValueError(f"{report} is to hold the figures; name another file for the report")
        images, form = _images(options), FIGURES
    elif source.is_dir() and options.one_by_one:
        check_directory(target)
        return _images(options), Output(".dcm", target)
    else:
        images, form = _images(options), None
    keep_the_input(source, target, report)
    return images, Output(form or checked_form(target, slices=source.is_dir()), target)


def _images(options: argparse.Namespace) -> Images:
    """The images of a file or of a directory of slices. What is odd is said."""
    from functools import partial

    from cloudsec.files import open_file
    from cloudsec.work import images_of_file, images_of_folder

    path, one_by_one = options.source, options.one_by_one
    if path.is_dir():
        from cloudsec.slices import folder_at

        images = images_of_folder(folder_at(path), one_by_one=one_by_one)
    else:
        images = images_of_file(path, partial(open_file, path), one_by_one=one_by_one)
    for remark in images.remarks:
        say(f"{path}: {remark}")
    return images


def keep_the_input(source: Path, *written: Path | None) -> None:
    """ValueError where a file that is to be written is the input."""
    for path in written:
        if path is not None and path.exists() and path.samefile(source):
            raise ValueError(f"{path} is the input itself; name another file to write")


@contextmanager
def _broker(options: argparse.Namespace, **more: Any) -> Iterator[Broker]:
    """The broker of a command, and of its providers."""
    from cloudsec.broker import Broker

    with (
        _named_providers(options) as named,
        Broker(
            named,
            scheme=options.scheme,
            tolerate=options.tolerate,
            plan=plan_choices(options),
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


def show_progress(done: int, total: int) -> None:
    """How far a job is, on a line that is written over."""
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} tasks answered", end=end, file=sys.stderr, flush=True)


def plan_choices(options: argparse.Namespace) -> dict[str, Any]:
    """What is fixed of the plan, as `Broker` takes it."""
    given = {name: getattr(options, name) for name in ("block", "regions", "halo", "step")}
    return {name: value for name, value in given.items() if value is not None}


def parameters(given: list[str]) -> dict[str, Any]:
    """``sigma=2`` and the like; numbers and lists as JSON writes them, anything else is a word."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"a parameter is given as NAME=VALUE, such as sigma=2, not as {text!r}")
        if name in found:
            raise ValueError(f"parameter {name!r} is given twice")
        try:
            found[name] = json.loads(f"[{value}]" if "," in value and "[" not in value else value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def add_care_options(command: argparse.ArgumentParser) -> None:
    """What happens where providers fail or lie."""
    command.add_argument(
        "--on-loss", choices=("home", "fail"), default="home", help="what a lost provider's part comes to"
    )
    command.add_argument(
        "--verify", choices=("full", "sample", "off"), default="full", help="how answers are checked"
    )


def add_work_options(command: argparse.ArgumentParser) -> None:
    """What is to be done, and how."""
    command.add_argument("-o", "--operation", required=True, metavar="NAME", help="see 'cloudsec operations'")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument(
        "--scheme",
        default="auto",
        help="auto (default), additive, shamir, packed, bfv, paillier, ga-es, ga-es-2018 or unprotected",
    )
    command.add_argument("--tolerate", type=int, metavar="T", help="colluding providers to withstand")
    command.add_argument("--block", type=int, metavar="PIXELS", help="side of the blocks")
    command.add_argument("--regions", type=int, metavar="N", help="how many of the providers to use")
    command.add_argument(
        "--halo", choices=("shared", "ring"), help="blocks with the pixels around them, or bare ones"
    )
    command.add_argument(
        "--step", type=float, metavar="LEVELS", help="floats as whole multiples of it: shares carry those"
    )
    command.add_argument(
        "--one-by-one", action="store_true", help="every plane, slice or frame by itself, not as a volume"
    )
    command.add_argument("--seed", type=int, metavar="N", help="of the genetic search for a plan")
    command.add_argument("--study", metavar="NAME", help="what belongs together (default: as DICOM says)")
    command.add_argument(
        "--burned-in",
        choices=("refuse", "accept"),
        default="refuse",
        help="accept: somebody looked, and no name stands in the pixels",
    )
