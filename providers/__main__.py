"""One provider as a process: ``python -m providers --port 9001``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import ssl

TOKEN_VARIABLE = "CLOUDSEC_PROVIDER_TOKEN"  # noqa: S105 - the name of a variable, not a token


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one provider until Ctrl-C or SIGTERM; the exit status."""
    parser = OneLineParser(prog="python -m providers", description=__doc__)
    add_options(parser)
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input ends, e.g. with its parent",
    )
    return run(parser.parse_args(arguments))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a provider, as `run` wants them."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=9001, help="0 takes a free one (default: 9001)")
    parser.add_argument("--max-bytes", type=int, help="largest task (default: 64 MiB)")
    parser.add_argument("--seconds", type=float, help="longest wait, transfer and computation (default: 60)")
    parser.add_argument("--tasks", type=int, help="tasks at one time (default: one per processor)")
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="speak TLS, and show this certificate (PEM)"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="let in only who shows a certificate by these CAs (PEM)",
    )
    parser.set_defaults(until_stdin_closes=False)
    parser.epilog = (
        f"${TOKEN_VARIABLE} holds the bearer token that clients must show; without it anyone may ask."
    )


def run(options: argparse.Namespace) -> int:
    """Serve with these options; one line on stderr and status 1 or 2 where that fails."""
    from providers.http import Limits, create_app
    from providers.server import serve

    given = {"request_bytes": options.max_bytes, "seconds": options.seconds, "tasks": options.tasks}
    host, port = options.host, options.port
    try:
        limits = Limits(
            **{name: value for name, value in given.items() if value is not None},
            token=os.environ.get(TOKEN_VARIABLE),
        )
        if not 0 <= port < 2**16:
            raise ValueError(f"a port is a number from 0 to 65535, not {port}")
        tls = _tls(options.tls_cert, options.tls_key, options.client_ca)
    except ValueError as error:
        print(f"provider: {error}", file=sys.stderr)
        return 2
    if options.until_stdin_closes:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        serve(create_app(limits), host, port, tell, tls)
    except OSError as error:
        print(f"provider: cannot listen on {host} port {port}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    if certificate is not None and key is not None:
        from providers.certificates import server_context

        return server_context(certificate, key, client_ca)
    if certificate is not None or key is not None:
        raise ValueError("--tls-cert and --tls-key belong together; give both")
    if client_ca is not None:
        raise ValueError("--client-ca is of no use without TLS; give --tls-cert and --tls-key too")
    return None


def tell(url: str) -> None:
    """Print where a server answers."""
    # Whoever started this may be gone already; its standard input then ends the provider.
    with suppress(BrokenPipeError):
        print(url, flush=True)


def _stop_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
