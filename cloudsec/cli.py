"""The command line: files and words in, calls of the library, one line and an exit status out."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from cloudsec.client_commands import add_commands as add_client_commands
from cloudsec.commands import TOKEN_VARIABLE, add_care_options, add_work_options, plan, process, say
from cloudsec.deidentify_commands import add_commands as add_deidentify_commands
from cloudsec.vault_commands import add_commands as add_vault_commands
from providers.__main__ import OneLineParser, add_options, run


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
    say(message)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="cloudsec", description="Process medical images on untrusted clouds.")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="the paper's scheme beside ours, at four provider processes")
    demo.add_argument("--out", type=Path, default=Path("cloudsec-demo"), metavar="DIR", help="for its report")
    demo.set_defaults(run=_demo)

    job = commands.add_parser("process", help="run an operation on an image file, at providers")
    job.add_argument("source", type=Path, metavar="IN", help="an image, or a directory of slices")
    job.add_argument("target", type=Path, metavar="OUT", help="a file, or for slices a new directory")
    _add_job_options(job)
    add_care_options(job)
    job.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for each task")
    job.add_argument("--report", type=Path, metavar="R.html|R.json", help="write the report")
    job.add_argument(
        "--show-views", type=Path, metavar="DIR", help="write pictures of what each provider saw"
    )
    job.epilog = (
        f"${TOKEN_VARIABLE} holds the bearer token of the providers that are given as URLs, if they want one."
    )
    job.set_defaults(run=process)

    proposal = commands.add_parser("plan", help="what would be sent to whom, and what else could be chosen")
    proposal.add_argument("source", type=Path, metavar="IN", help="an image; of several the first counts")
    _add_job_options(proposal)
    proposal.add_argument("--report", type=Path, metavar="R.html|R.json", help="write it, with plots")
    proposal.epilog = job.epilog
    proposal.set_defaults(run=plan)

    operations = commands.add_parser("operations", help="list operations, or explain one")
    operations.add_argument("name", nargs="?", metavar="NAME")
    operations.set_defaults(run=_operations)

    provider = commands.add_parser("provider", help="run one provider")
    add_options(provider)
    provider.set_defaults(run=run)

    add_vault_commands(commands)
    add_deidentify_commands(commands)

    several = commands.add_parser("providers", help="providers on this machine")
    actions = several.add_subparsers(metavar="ACTION", required=True)
    start = actions.add_parser("start", help="start several; prints one URL a line, runs until Ctrl-C")
    start.add_argument("-n", type=int, default=4, dest="count", metavar="N", help="how many (default: 4)")
    start.set_defaults(run=_providers_start)

    add_client_commands(commands)
    return parser


def _add_job_options(command: argparse.ArgumentParser) -> None:
    """What says which job it is, and at which providers."""
    add_work_options(command)
    command.add_argument("--provider", action="append", metavar="URL", help="one each")
    command.add_argument("--ca", type=Path, metavar="FILE", help="whose certificates they must show (PEM)")
    command.add_argument(
        "--providers-file",
        type=Path,
        metavar="F.toml",
        help="providers, each with its token and certificates",
    )
    command.add_argument("--providers", type=int, metavar="N", help="embedded ones instead (default: 9)")
    command.add_argument("--probe", action="store_true", help="time providers with random pixels first")


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


def _operations(options: argparse.Namespace) -> int:
    from cloudsec.schemes import SCHEMES
    from providers import operation_names
    from providers.image import PLANE_AXES
    from providers.operation import BORDER, as_written
    from providers.registry import example_operation, user_fields

    names = operation_names() if options.name is None else (options.name,)
    made = [example_operation(name) for name in names]
    print(f"{'operation':<15}{'halo':>5}  {'16-bit result':<14}{'schemes':<32}parameters")
    for operation in made:
        resolved = operation.resolved(PLANE_AXES, "uint16")
        own = [f for f in user_fields(type(operation)) if options.name or f.name not in BORDER]
        shown = {
            f"{f.name}*" if "example" in f.metadata else f.name: f.metadata.get(
                "example", getattr(operation, f.name)
            )
            for f in own
        }
        parameters = ", ".join(f"{name}={as_written(value)}" for name, value in shown.items())
        carrying = [key for key, scheme in SCHEMES.items() if scheme.carries(resolved)]
        schemes = "all" if len(carrying) == len(SCHEMES) else ", ".join(carrying)
        result = resolved.result_dtype("uint16").name
        halo = "plane" if resolved.whole else str(max(resolved.halo))
        print(f"{operation.name:<15}{halo:>5}  {result:<14}{schemes:<32}{parameters}")
        if options.name:
            for f in own:
                print(f"  {f.name}: {f.metadata['doc']}")
    print(
        "Halo in pixels, or that whole planes are needed, for the parameters shown; those with * are "
        "examples, because there is no default. "
        f"Every operation also takes mode and cval for the border. All schemes: {', '.join(SCHEMES)}."
    )
    return 0


def _providers_start(options: argparse.Namespace) -> int:
    from cloudsec.fleet import local_providers

    try:
        with local_providers(options.count) as fleet:
            for provider in fleet:
                print(provider.url, flush=True)
            while all(provider.running for provider in fleet):
                # Until Ctrl-C; their processes tell nobody when they end.
                time.sleep(0.2)
            return _complain("a provider stopped; the others are stopped too", 1)
    except KeyboardInterrupt:
        return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
