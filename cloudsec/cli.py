"""The command line: files and words in, calls of the library, one line and an exit status out."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from providers.__main__ import OneLineParser, add_options, run

if TYPE_CHECKING:
    from cloudsec.broker import Broker
    from cloudsec.endpoints import Endpoint
    from cloudsec.files import ImageFile
    from cloudsec.report import Report
    from providers.operation import Filter

LINE = 500
"""Characters of an error at the most: values that were given are repeated in it."""
TOKEN_VARIABLE = "CLOUDSEC_TOKEN"  # noqa: S105 - the name of a variable, not a token


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 2 wrong usage, 1 anything else."""
    options = _parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        # Half-written files and started providers are cleared away as after Ctrl-C.
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return _complain("stopped before it was done", 1)
    except BrokenPipeError:
        # Whoever read our output has enough of it; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        return _complain(*_described(error))
    return status


def _described(error: Exception) -> tuple[str, int]:
    """One line on an error, and the status to exit with."""
    from cloudsec.errors import CloudsecError, IncompatibleScheme

    text = str(error)
    if isinstance(error, IncompatibleScheme):
        return text, 2
    if isinstance(error, CloudsecError):
        return text, 1
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else "writing the output: "
        return f"{place}{(error.strerror or text).lower()}; choose another place, or make room", 1
    if isinstance(error, ValueError):
        return text, 2
    if isinstance(error, MemoryError):
        return "there is not enough memory for this image", 1
    return f"an error of ours ({type(error).__name__}: {text}); --debug shows where", 1


def _complain(message: str, status: int) -> int:
    from providers.wire import printable

    print(f"cloudsec: {printable(message)[:LINE]}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="cloudsec", description="Process medical images on untrusted clouds.")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="the paper's scheme beside ours, at four provider processes")
    demo.add_argument("--out", type=Path, default=Path("cloudsec-demo"), metavar="DIR", help="for its report")
    demo.set_defaults(run=_demo)

    process = commands.add_parser("process", help="run an operation on an image file, at providers")
    process.add_argument("source", type=Path, metavar="IN", help="an image, or a directory of slices")
    process.add_argument("target", type=Path, metavar="OUT", help="a file, or for slices a new directory")
    _add_job_options(process)
    process.add_argument(
        "--on-loss", choices=("home", "fail"), default="home", help="what a lost provider's part comes to"
    )
    process.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for each task")
    process.add_argument("--report", type=Path, metavar="R.html|R.json", help="write the report")
    process.add_argument(
        "--show-views", type=Path, metavar="DIR", help="write pictures of what each provider saw"
    )
    process.epilog = (
        f"${TOKEN_VARIABLE} holds the bearer token of the providers that are given as URLs, if they want one."
    )
    process.set_defaults(run=_process)

    plan = commands.add_parser("plan", help="what would be sent to whom, and what else could be chosen")
    plan.add_argument("source", type=Path, metavar="IN", help="an image; of several frames the first counts")
    _add_job_options(plan)
    plan.add_argument("--report", type=Path, metavar="R.html|R.json", help="write it, with plots")
    plan.epilog = process.epilog
    plan.set_defaults(run=_plan)

    operations = commands.add_parser("operations", help="list operations, or explain one")
    operations.add_argument("name", nargs="?", metavar="NAME")
    operations.set_defaults(run=_operations)

    provider = commands.add_parser("provider", help="run one provider")
    add_options(provider)
    provider.set_defaults(run=run)

    several = commands.add_parser("providers", help="providers on this machine")
    actions = several.add_subparsers(metavar="ACTION", required=True)
    start = actions.add_parser("start", help="start several; prints one URL a line, runs until Ctrl-C")
    start.add_argument("-n", type=int, default=4, dest="count", metavar="N", help="how many (default: 4)")
    start.set_defaults(run=_providers_start)
    return parser


def _add_job_options(command: argparse.ArgumentParser) -> None:
    """What says which job it is."""
    command.add_argument("-o", "--operation", required=True, metavar="NAME", help="see 'cloudsec operations'")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--scheme", default="ga-es", help="ga-es (default), ga-es-2018 or unprotected")
    command.add_argument("--provider", action="append", metavar="URL", help="one each")
    command.add_argument("--ca", type=Path, metavar="FILE", help="whose certificates they must show (PEM)")
    command.add_argument(
        "--providers-file",
        type=Path,
        metavar="F.toml",
        help="providers, each with its token and certificates",
    )
    command.add_argument("--providers", type=int, metavar="N", help="embedded ones instead (default: 9)")
    command.add_argument("--tolerate", type=int, metavar="T", help="colluding providers to withstand")
    command.add_argument("--block", type=int, metavar="PIXELS", help="side of the blocks")
    command.add_argument("--seed", type=int, metavar="N", help="of the genetic search for a plan")
    command.add_argument("--study", metavar="NAME", help="what belongs together (default: as DICOM says)")
    command.add_argument("--burned-in", choices=("refuse", "accept"), default="refuse")


def _demo(options: argparse.Namespace) -> int:
    from textwrap import fill

    from cloudsec.demo import LEGEND, PAGE, run_demo, samples, table
    from cloudsec.table import WIDTH

    started = time.monotonic()
    compared = run_demo(options.out, samples())
    print(table(compared))
    print(f"\n{fill(LEGEND, WIDTH)}")
    took = time.monotonic() - started
    print(f"\nReport: {options.out / PAGE}; that of each job beside it ({took:.1f} s).")
    differing = [
        f"{comparison.sample.name} by {each.setting.label}"
        for comparison in compared
        for each in comparison.shown
        if not each.exact
    ]
    if differing:
        return _complain(f"the result of {', '.join(differing)} differs from the unsplit operation", 1)
    return 0


def _process(options: argparse.Namespace) -> int:
    from cloudsec.report import check_report_path
    from providers import make_operation
    from providers.wire import printable

    operation = make_operation(options.operation, **_parameters(options.parameter))
    progress = _show_progress if sys.stderr.isatty() else None
    with _broker(options, on_loss=options.on_loss, timeout=options.timeout, progress=progress) as broker:
        if options.report is not None:
            check_report_path(options.report)
        if options.show_views is not None and not _can_hold_files(options.show_views):
            raise ValueError(f"{options.show_views} is no directory that can be written to; name another")
        work = _slices if options.source.is_dir() else _file
        reports = work(options, broker, operation)
    for number, report in enumerate(reports, start=1):
        # Of several images, each has its own report, in the order of frames or slices.
        mark = f"{number:04d}" if len(reports) > 1 else ""
        if options.report is not None:
            report.save(options.report.with_stem(f"{options.report.stem}-{mark}".rstrip("-")))
        if options.show_views is not None:
            options.show_views.mkdir(exist_ok=True)
            report.save_views(options.show_views / mark)
    for loss in dict.fromkeys(printable(loss.reason)[:LINE] for report in reports for loss in report.losses):
        print(f"cloudsec: {loss}", file=sys.stderr)
    print(reports[-1])
    if len(reports) > 1:
        print(f"This is the report of the last of {len(reports)} images; --report writes one of each.")
    return 0


def _file(options: argparse.Namespace, broker: Broker, operation: Filter) -> list[Report]:
    from cloudsec.files import read_image

    image = read_image(options.source, burned_in=options.burned_in)
    _keep_the_input(options.source, options.target, options.report)
    return _derive(options, broker, operation, image, options.target)


def _slices(options: argparse.Namespace, broker: Broker, operation: Filter) -> list[Report]:
    """A directory of DICOM slices into another: one by one, named by their order."""
    from cloudsec.atomic import whole_directory
    from cloudsec.files import check_directory, read_image, read_series

    series = read_series(options.source)
    check_directory(options.target)
    for irregularity in series.irregularities:
        print(f"cloudsec: {irregularity}; slices are filtered one by one", file=sys.stderr)
    reports = []
    with whole_directory(options.target) as place:
        for number, name in enumerate(series.names, start=1):
            image = read_image(options.source / name, burned_in=options.burned_in)
            reports += _derive(options, broker, operation, image, place / f"{number:04d}.dcm")
    return reports


def _derive(
    options: argparse.Namespace, broker: Broker, operation: Filter, image: ImageFile, target: Path
) -> list[Report]:
    """The result of an image, frame by frame, into a file; a report of each frame."""
    import numpy as np

    from cloudsec.files import check_output, write_image
    from providers.image import PLANE_AXES

    check_output(target, image)
    facts = operation.resolved(PLANE_AXES, image.pixels.dtype).symmetries
    if facts.offset_gain is None and not operation.own_scale and target.suffix.lower() == ".dcm":
        raise ValueError(
            f"{operation.name} does not say what its grey levels mean as DICOM; write a .npy file"
        )
    study = image.study if options.study is None else options.study
    results = [
        broker.process(frame, operation, channel_axis=image.channel_axis, study=study)
        for frame in image.frames
    ]
    write_image(
        target,
        np.stack([result.image for result in results]) if image.stacked else results[0].image,
        image,
        description=f"CloudSec: {operation}",
        offset_gain=None if operation.own_scale else facts.offset_gain,
        # An operation that is not known to forget the sign keeps it.
        negation_sign=facts.negation_sign or -1,
    )
    return [result.report for result in results]


def _plan(options: argparse.Namespace) -> int:
    from cloudsec.files import read_image
    from cloudsec.report import check_report_path
    from providers import make_operation

    operation = make_operation(options.operation, **_parameters(options.parameter))
    with _broker(options) as broker:
        if options.report is not None:
            check_report_path(options.report)
        image = read_image(options.source, burned_in=options.burned_in)
        _keep_the_input(options.source, options.report)
        study = image.study if options.study is None else options.study
        frame = next(iter(image.frames))
        proposal = broker.plan(frame, operation, channel_axis=image.channel_axis, study=study)
    if options.report is not None:
        proposal.save(options.report)
    print(proposal)
    return 0


def _keep_the_input(source: Path, *written: Path | None) -> None:
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
            plan={} if options.block is None else {"block": options.block},
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


def _operations(options: argparse.Namespace) -> int:
    from cloudsec.schemes import SCHEMES
    from providers import operation_names
    from providers.image import PLANE_AXES
    from providers.operation import BORDER, as_written
    from providers.registry import example_operation, user_fields

    names = operation_names() if options.name is None else (options.name,)
    made = [example_operation(name) for name in names]
    print(f"{'operation':<12}{'halo':>5}  {'16-bit result':<14}{'schemes':<32}parameters")
    for operation in made:
        resolved = operation.resolved(PLANE_AXES, "uint16")
        own = [f for f in user_fields(type(operation)) if options.name or f.name not in BORDER]
        marks = {f.name: "*" if "example" in f.metadata else "" for f in own}
        parameters = ", ".join(f"{n}{mark}={as_written(getattr(operation, n))}" for n, mark in marks.items())
        schemes = ", ".join(key for key, scheme in SCHEMES.items() if scheme.carries(resolved))
        result = resolved.result_dtype("uint16").name
        print(f"{operation.name:<12}{max(resolved.halo):>5}  {result:<14}{schemes:<32}{parameters}")
        if options.name:
            for f in own:
                print(f"  {f.name}: {f.metadata['doc']}")
    print(
        "Halo in pixels, for the parameters shown; those with * are examples, because there is no default. "
        "Every operation also takes mode and cval for the border."
    )
    return 0


def _providers_start(options: argparse.Namespace) -> int:
    from cloudsec.fleet import local_providers

    try:
        with local_providers(options.count) as fleet:
            for provider in fleet:
                print(provider.url, flush=True)
            while all(provider.running for provider in fleet):
                time.sleep(0.2)
            return _complain("a provider stopped; the others are stopped too", 1)
    except KeyboardInterrupt:
        return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
