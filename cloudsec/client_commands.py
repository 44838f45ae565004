"""The commands of a daemon's users: words and files to requests, and what the daemon says to lines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudsec.commands import (
    add_care_options,
    add_work_options,
    keep_the_input,
    parameters,
    plan_choices,
    say,
    show_progress,
)
from cloudsec.errors import CloudsecError

if TYPE_CHECKING:
    import argparse

    from cloudsec.client import Client
    from providers.__main__ import OneLineParser

SERVER_VARIABLE = "CLOUDSEC_SERVER"
SERVER_TOKEN_VARIABLE = "CLOUDSEC_SERVER_TOKEN"  # noqa: S105 - the name of a variable, not a token
_ENDED = {"failed": "failed", "cancelled": "was cancelled"}
_USAGE = ("bad_request", "refused")


def serve(options: argparse.Namespace) -> int:
    """The daemon, until it is told to stop."""
    from cloudsec.server.run import run
    from providers.__main__ import tell

    try:
        run(options.config, tell, say)
    except KeyboardInterrupt:
        # How it is stopped: what it held is given back by then.
        return 0
    return 0


def submit(options: argparse.Namespace) -> int:
    """Images to a new job; with --wait, its result as well."""
    images = _images(options.source)
    asked = _asked(options)
    if options.wait is not None:
        _check_place(options.wait, len(images))
        for image in images:
            keep_the_input(image, options.wait)
        if asked["format"] is None:
            asked["format"] = _form(options.wait, len(images))
    with _client(options) as client:
        with _usage():
            job = client.submit(asked)
        try:
            for number, image in enumerate(images):
                _send(client, job, number, image)
            client.start(job)
        except BaseException:
            # It would wait for its images until the daemon gives it up, and count as one of the user's.
            try:
                client.cancel(job)
            except CloudsecError:
                say(f"job {job} may be left there; `cloudsec cancel` ends it")
            raise
        if options.wait is None:
            print(job)
            return 0
        try:
            view = client.ended(job, show_progress if sys.stderr.isatty() else None)
            return _fetched(client, view, options.wait, identity=options.identity)
        except BaseException:
            say(f"job {job} is kept; `cloudsec fetch` gets its result, `cloudsec cancel` stops it")
            raise


def status(options: argparse.Namespace) -> int:
    """How a job stands."""
    with _client(options) as client:
        view = client.job(options.job)
    for name in ("id", "state", "operation", "message"):
        if view[name] is not None:
            print(f"{name:<10}{view[name]}")
    print(f"{'created':<10}{_time(view['created'])}")
    print(f"{'changed':<10}{_time(view['changed'])}")
    print(f"{'attempt':<10}{view['attempt']}")
    if view["total"]:
        print(f"{'tasks':<10}{view['done']} of {view['total']} answered")
    print(f"{'kept':<10}{view['images']} images, {view['results']} results, {view['bytes']} bytes")
    return 0


def fetch(options: argparse.Namespace) -> int:
    """The result of a job that is done, and its report where that is asked for."""
    with _client(options) as client:
        view = client.job(options.job)
        if options.report is not None and view["state"] == "done":
            from cloudsec.atomic import write_whole

            _check_place(options.report, 1)
            write_whole(options.report, (json.dumps(client.report(options.job), indent=2) + "\n").encode())
        return _fetched(client, view, options.target, identity=options.identity)


def jobs(options: argparse.Namespace) -> int:
    """The latest jobs, a line for each."""
    with _client(options) as client:
        views = client.jobs()
    # To an admin, who sees those of all, whose it is.
    column = "user" if any(view["user"] for view in views) else "operation"
    print(f"{'id':<34}{'state':<11}{column:<34}{'created':<18}{'tasks':<12}bytes")
    for view in views:
        tasks = f"{view['done']}/{view['total']}" if view["total"] else "-"
        told = f"{view[column] or '-':<34}{_time(view['created']):<18}{tasks:<12}{view['bytes']}"
        print(f"{view['id']:<34}{view['state']:<11}{told}")
    return 0


def cancel(options: argparse.Namespace) -> int:
    """A job is not done, or not further."""
    with _client(options) as client:
        client.cancel(options.job)
    return 0


def remove(options: argparse.Namespace) -> int:
    """Nothing is kept of a job that ended."""
    with _client(options) as client:
        client.remove(options.job)
    return 0


def add_user(options: argparse.Namespace) -> int:
    """A new user; prints the token, which nobody can be told again."""
    quotas = {"jobs": options.max_jobs, "bytes": options.max_bytes}
    with _client(options) as client, _usage():
        print(client.add_user({"name": options.name, "role": options.role} | quotas))
    return 0


def list_users(options: argparse.Namespace) -> int:
    """All users, a line for each."""
    with _client(options) as client:
        views = client.users()
    print(f"{'name':<30}{'role':<12}{'added':<18}{'jobs':<8}{'bytes':<16}id")
    for view in views:
        jobs, size = ("-" if view[name] is None else view[name] for name in ("jobs", "bytes"))
        print(
            f"{view['name']:<30}{view['role']:<12}{_time(view['created']):<18}{jobs:<8}{size:<16}{view['id']}"
        )
    return 0


def remove_user(options: argparse.Namespace) -> int:
    """A user's token is good for nothing any more."""
    with _client(options) as client:
        client.remove_user(options.name)
    return 0


@contextmanager
def _usage() -> Iterator[None]:
    """What the daemon does not take is wrong usage of a command that hands on words only."""
    from cloudsec.client import DaemonError

    try:
        yield
    except DaemonError as error:
        if error.code in _USAGE:
            raise ValueError(str(error)) from error
        raise


@contextmanager
def _client(options: argparse.Namespace) -> Iterator[Client]:
    """The daemon that is meant, as the user whose token is at hand."""
    from cloudsec.client import Client
    from cloudsec.file_port import port

    url = options.server or os.environ.get(SERVER_VARIABLE)
    if not url:
        raise ValueError(f"name the daemon with --server URL, or in ${SERVER_VARIABLE}")
    if options.token_file is not None:
        with port(options.token_file, "cannot be read; name a file that holds a token"):
            content = options.token_file.read_text(encoding="ascii", errors="replace")
        token = content.partition("\n")[0].strip()
    else:
        token = os.environ.get(SERVER_TOKEN_VARIABLE, "")
    if not token:
        raise ValueError(f"give a user's token with --token-file FILE, or in ${SERVER_TOKEN_VARIABLE}")
    if (options.certificate is None) != (options.key is None):
        raise ValueError("--certificate and --key belong together; give both")
    certificate = None if options.key is None else (options.certificate, options.key)
    with Client(url, token, options.ca, certificate) as client:
        yield client


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What is asked for, as the daemon takes it."""
    same = ("scheme", "tolerate", "verify", "on_loss", "seed", "study", "project", "format", "burned_in")
    return {
        "operation": options.operation,
        "parameters": parameters(options.parameter),
        "plan": plan_choices(options),
        "one_by_one": options.one_by_one,
    } | {name: getattr(options, name) for name in same}


def _images(sources: list[Path]) -> list[Path]:
    """The files that are meant: a directory's are those in it."""
    from cloudsec.file_port import port
    from cloudsec.files import files_in

    images: list[Path] = []
    for source in sources:
        images += files_in(source) if source.is_dir() else [source]
    if not images:
        raise ValueError("there is no image in this directory; name another")
    for image in images:
        if not image.is_file():
            raise ValueError(f"{image} is no file; name images, or a directory of slices")
        with port(image, "cannot be read"):
            image.open("rb").close()
    return images


def _form(target: Path, count: int) -> str | None:
    """As what a result is written there; None: as the images came, for several may become a directory."""
    from cloudsec.files import format_of
    from cloudsec.formats import FIGURES, FORMATS

    form, written = format_of(target), (*FORMATS, FIGURES)
    if form in written:
        return form
    if count == 1:
        raise ValueError(f"{target} has no suffix that is written; those are {', '.join(written)}")
    return None


def _send(client: Client, job: str, number: int, image: Path) -> None:
    """An image of a job; the daemon, which knows it by its number, may say why not."""
    from cloudsec.client import DaemonError

    try:
        client.send(job, number, image)
    except DaemonError as error:
        raise DaemonError(f"{image}: {str(error).removeprefix(f'image {number}: ')}", error.code) from error


def _fetched(client: Client, view: dict[str, Any], target: Path, *, identity: bool) -> int:
    """Write the result of a job that is done: into a file, or several into a new directory."""
    from cloudsec.atomic import whole_directory, write_whole
    from cloudsec.formats import form_of

    if view["state"] != "done":
        reason = f": {view['message']}" if view["message"] else ""
        say(f"the job {_ENDED.get(view['state'], 'is ' + view['state'])}{reason}")
        return 1
    _check_place(target, view["results"])
    if view["results"] == 1:
        content = client.result(view["id"], 0, identity=identity)
        form = form_of(content)
        if form and not target.name.lower().endswith(form):
            raise ValueError(f"the result is a {form[0]} file; name OUT so, or submit with another --format")
        write_whole(target, content, private=identity and not target.exists())
        return 0
    with whole_directory(target) as place:
        for number in range(view["results"]):
            content = client.result(view["id"], number, identity=identity)
            write_whole(place / f"{number + 1:04d}{form_of(content)[0]}", content, private=identity)
    return 0


def _check_place(target: Path, count: int) -> None:
    from cloudsec.file_port import check_place, check_vacant, port

    with port(target, "cannot be written"):
        if count > 1 and not target.suffix:
            check_vacant(target)
        else:
            check_place(target)


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def add_commands(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    """`serve`, and what a daemon's users do."""
    service = commands.add_parser("serve", help="run the broker daemon, which takes jobs over HTTP")
    service.add_argument("--config", type=Path, metavar="F.toml", help="its settings (default: safe ones)")
    service.set_defaults(run=serve)
    job = commands.add_parser("submit", help="have a daemon run an operation on images")
    job.add_argument("source", type=Path, nargs="+", metavar="IN", help="images of one study, or a directory")
    add_work_options(job)
    add_care_options(job)
    job.add_argument("--project", metavar="NAME", help="whose pseudonyms patients get")
    job.add_argument("--format", metavar=".SUFFIX", help="of the result (default: as OUT, or as the input)")
    job.add_argument("--wait", type=Path, metavar="OUT", help="wait for the result, and write it")
    job.add_argument("--identity", action="store_true", help="with --wait: with the patient's identity")
    job.set_defaults(run=submit, scheme=None)

    state = commands.add_parser("status", help="how a job stands")
    result = commands.add_parser("fetch", help="write the result of a job that is done")
    every = commands.add_parser("jobs", help="list the latest jobs")
    end = commands.add_parser("cancel", help="stop a job, or do not begin it")
    forget = commands.add_parser("remove", help="remove a job that ended, and all that is kept of it")
    for command in (state, result, end, forget):
        command.add_argument("job", metavar="ID")
    result.add_argument("target", type=Path, metavar="OUT", help="a file, or for slices a new directory")
    result.add_argument("--identity", action="store_true", help="with the patient's identity (clinicians)")
    result.add_argument("--report", type=Path, metavar="R.json", help="write the report too")
    state.set_defaults(run=status)
    result.set_defaults(run=fetch)
    every.set_defaults(run=jobs)
    end.set_defaults(run=cancel)
    forget.set_defaults(run=remove)

    users = commands.add_parser("users", help="a daemon's users, for its administrators")
    actions = users.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add one; prints the token, this once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("role", choices=("admin", "clinician", "service"))
    add.add_argument("--max-jobs", type=int, metavar="N", help="unfinished ones (default: the daemon's)")
    add.add_argument("--max-bytes", type=int, metavar="N", help="of images and results")
    add.set_defaults(run=add_user)
    shown = actions.add_parser("list", help="list them")
    shown.set_defaults(run=list_users)
    gone = actions.add_parser("remove", help="remove one, with their token and jobs")
    gone.add_argument("name", metavar="NAME")
    gone.set_defaults(run=remove_user)

    for command in (job, state, result, every, end, forget, add, shown, gone):
        command.add_argument("--server", metavar="URL", help=f"the daemon (default: ${SERVER_VARIABLE})")
        command.add_argument(
            "--token-file", type=Path, metavar="FILE", help=f"or the token in ${SERVER_TOKEN_VARIABLE}"
        )
        command.add_argument("--ca", type=Path, metavar="FILE", help="whose certificate it must show (PEM)")
        command.add_argument("--certificate", type=Path, metavar="FILE", help="to show, where it wants one")
        command.add_argument("--key", type=Path, metavar="FILE", help="of the certificate")
