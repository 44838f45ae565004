"""`cloudsec serve`: settings to a daemon on a socket, until it is told to stop."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from cloudsec.errors import CloudsecError
from cloudsec.server.app import create_app
from cloudsec.server.daemon import add_first_admin, open_daemon
from cloudsec.server.logs import hush_libraries, make_log
from cloudsec.server.settings import Settings, read_settings
from providers.certificates import server_context
from providers.server import serve


def run(config: Path | None, tell: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `tell` is called with the URL once it answers, `say` with remarks.

    Raises
    ------
    ValueError
        For settings that cannot be.
    VaultError
        If the database or its key cannot be used.
    CloudsecError
        If the address cannot be had.
    """
    settings = read_settings(config)
    tls = tls_context(settings)
    log = make_log(secrets.token_hex(4), settings.log_level)
    hush_libraries(log)
    with ExitStack() as last, open_daemon(settings, log) as daemon:
        if (place := add_first_admin(daemon.users)) is not None:
            say(f"the first admin's token is in {place}; add users with it, then keep it safe")
        if settings.providers_file is None:
            say("providers are embedded: nothing leaves this machine; name others in providers_file")
        app = create_app(daemon)

        def ready(url: str) -> None:
            log.info("ready")
            # Ctrl-C and SIGTERM come through there.
            last.callback(log.info, "stopped")
            tell(url)

        try:
            serve(app, settings.host, settings.port, ready, tls, daemon.stop)
        except OSError as error:
            raise CloudsecError(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; "
                "choose another host or port"
            ) from error


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """How the daemon speaks TLS; None: not at all."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_context(settings.tls_cert, settings.tls_key, settings.client_ca)
