"""HTTP connections to one provider: kept open between requests, and cut off when a request's time is over."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

CONNECT_SECONDS = 10.0
"""A machine that is there accepts a connection within this time, and agrees on TLS."""
IDLE_SECONDS = 60.0
"""A connection that was not used for so long is opened anew: providers close idle ones after 75 seconds, and
others on the way may forget them without a word."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""This machine itself: what goes there passes no network."""


Broken: TypeAlias = requests.RequestException
"""What a request or its answer ends by on the way."""


class Stale(Exception):
    """A connection that was kept open had ended when it was used again; another one may do."""


def open_session(token: str | None, ca: str | None, certificate: tuple[str, str] | None) -> requests.Session:
    """Connections that show this token and certificate, and trust these CAs only; None: those of certifi."""
    session = requests.Session()
    session.trust_env = False
    # A cookie would let a provider know us again.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "cloudsec"
    if token is not None:
        session.headers["Authorization"] = f"Bearer {token}"
    if ca is not None:
        session.verify = ca
    session.cert = certificate
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class _Connection(HTTPConnection):
    """Ends when its request is not answered to the end in time, whatever drips in until then."""

    _answered_at: float | None = None
    _watch: threading.Timer | None = None
    _line: socket.socket | None = None

    @property
    def is_connected(self) -> bool:
        idle = 0.0 if self._answered_at is None else time.monotonic() - self._answered_at
        return idle < IDLE_SECONDS and super().is_connected

    def connect(self) -> None:
        self._answered_at = None
        whole = self.timeout
        assert whole is not None
        self.timeout = min(whole, CONNECT_SECONDS)
        try:
            super().connect()
        finally:
            self.timeout = whole
        # The time to connect is not the time to send.
        self.sock.settimeout(whole)

    def request(self, *arguments: Any, **options: Any) -> None:
        self._line = None
        self._watch = threading.Timer(self.timeout or 0, self._hang_up)
        self._watch.daemon = True
        self._watch.start()
        if self.sock is not None:
            # It still has what was left of the time of the request before.
            self.sock.settimeout(self.timeout)
        # Whoever ends the connection may have said why before; as with a broken pipe, it is read next.
        with suppress(ssl.SSLEOFError):
            super().request(*arguments, **options)

    # What urllib3 answers, and http.client declares otherwise.
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        kept = self._answered_at is not None
        # An answer that is the last one takes the socket along, and is watched as others are.
        self._line, watch, self._watch = self.sock, self._watch, None
        try:
            response = super().getresponse()
        except (ConnectionError, ssl.SSLError) as error:
            if kept:
                raise Stale from error
            raise
        finally:
            self._watch = watch
        self._answered_at = time.monotonic()
        return response

    def close(self) -> None:
        self.rest()
        super().close()

    def rest(self) -> None:
        """There is nothing to wait for."""
        if self._watch is not None:
            self._watch.cancel()

    def _hang_up(self) -> None:
        if (line := self._line or self.sock) is not None:
            # The socket's own end, and not that of TLS, after which Python would send the rest in plain text.
            with suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls: type[_Connection] = _Connection

    def _put_conn(self, conn: Any) -> None:
        # Its answer was read to the end, or will not be.
        if conn is not None:
            conn.rest()
        super()._put_conn(conn)


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
