"""Ways to a provider: in this process, or over HTTP; one request in, one response out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import SplitResult, urlsplit

from cloudsec.errors import ProviderFailed, Refused, Unavailable
from providers import handle
from providers.errors import BadTask, ProviderError, TooLarge, Unauthorized, UnknownOperation
from providers.wire import decode_error, printable

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10.0
"""A machine that is there accepts a connection within this time."""
ANSWER_FACTOR = 8
"""An answer has at most 8 bytes for a pixel that was sent in one."""
ANSWER_HEADER = 1 << 16
"""Bytes of an answer beside its pixels, errors included."""
CHUNK = 1 << 18
Parts: TypeAlias = Sequence[bytes | memoryview]
_TOKEN = re.compile(r"[\x21-\x7e]+")


@runtime_checkable
class Endpoint(Protocol):
    """Anything that carries a request to one provider and brings back its response."""

    @property
    def name(self) -> str:
        """What reports and errors call the provider; no secret."""

    def send(self, request: bytes, timeout: float) -> bytes:
        """The response to one encoded task; ProviderFailed where there is none within `timeout` seconds."""


def response_of(endpoint: Endpoint, parts: Parts, timeout: float) -> bytes:
    """The response to a request in parts, which are joined for an endpoint that takes only a whole."""
    # One that was made from ours may have a `send` of its own.
    if type(endpoint) is HttpEndpoint:
        return endpoint.send_parts(parts, timeout)
    return endpoint.send(b"".join(parts), timeout)


class LocalEndpoint:
    """A provider inside this process: the same bytes as over a network, without one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, request: bytes, timeout: float) -> bytes:
        return handle(request)


class HttpEndpoint:
    """A provider behind an http or https URL; keeps its connections open between tasks.

    Never follows a redirect and uses no proxy from the environment: a task goes to this provider only.

    Parameters
    ----------
    url : str
        Scheme, host and, where needed, port and path; no user name or password.
    token : str or None
        Sent as bearer token.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            valid = valid and not (parts.query or parts.fragment)
        except ValueError:
            valid = False
        if "@" in url:
            raise ValueError("a provider's URL must not hold a user name or password; give a token instead")
        if not valid:
            raise ValueError(f"{url!r} is not the URL of a provider, such as http://127.0.0.1:9001")
        if token is not None and not _TOKEN.fullmatch(token):
            raise ValueError("a token is made of visible ASCII characters, without spaces or line ends")
        self.name = f"{parts.scheme}://{_place(parts)}{parts.path.rstrip('/')}"
        self._token = token
        self._session: requests.Session | None = None
        self._opening = threading.Lock()

    def send(self, request: bytes, timeout: float) -> bytes:
        return self.send_parts((request,), timeout)

    def send_parts(self, parts: Parts, timeout: float) -> bytes:
        import requests

        body = _Body(parts)
        deadline = time.monotonic() + timeout
        try:
            with self._open_session().post(
                f"{self.name}/v1/tasks",
                data=body,
                headers={"Content-Type": "application/octet-stream", "Accept-Encoding": "identity"},
                timeout=(min(timeout, CONNECT_SECONDS), timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = self._read(response, ANSWER_FACTOR * len(body) + ANSWER_HEADER, deadline)
                if response.status_code == 200:
                    return answer
                raise self._failure(response.status_code, answer)
        except requests.Timeout as error:
            raise Unavailable(
                f"provider {self.name} did not answer within {timeout:g} s; try again, or give it more time"
            ) from error
        except requests.ConnectionError as error:
            raise Unavailable(
                f"provider {self.name} cannot be reached, or hung up: {_reason(error)}; is it running there?"
            ) from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise Unavailable(f"provider {self.name} cannot be spoken to: {_reason(error)}") from error

    def close(self) -> None:
        """Close the connections; the endpoint can be used again."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open_session(self) -> requests.Session:
        import requests

        with self._opening:
            if self._session is not None:
                return self._session
            session = requests.Session()
            session.trust_env = False
            # A cookie would let a provider know us again.
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["User-Agent"] = "cloudsec"
            if self._token is not None:
                session.headers["Authorization"] = f"Bearer {self._token}"
            self._session = session
            return session

    def _read(self, response: requests.Response, limit: int, deadline: float) -> bytes:
        from urllib3.exceptions import HTTPError

        parts: list[bytes] = []
        received = 0
        while True:
            try:
                chunk = response.raw.read1(CHUNK)
            except HTTPError as error:
                raise Unavailable(f"provider {self.name} stopped half-way through its answer") from error
            if not chunk:
                break
            parts.append(chunk)
            received += len(chunk)
            if received > limit:
                raise Refused(f"provider {self.name} answered more than {limit} bytes, which no answer has")
            if time.monotonic() > deadline:
                raise Unavailable(f"provider {self.name} answered too slowly to finish in time")
        return b"".join(parts)

    def _failure(self, status: int, body: bytes) -> ProviderFailed:
        if body.startswith(b"{"):
            return failure(self.name, decode_error(body))
        if 300 <= status < 400:
            return Refused(f"provider {self.name} points to another address; give the one that does the work")
        kind = Unavailable if status >= 500 else Refused
        return kind(f"provider {self.name} answered HTTP status {status}; is it a CloudSec provider?")


class _Body:
    """A request of known length; its parts go into the socket one after the other."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(memoryview(part).nbytes for part in self._parts)

    def __iter__(self) -> Iterator[Any]:  # What declares the types of requests knows of bytes only.
        return iter(self._parts)


def _place(parts: SplitResult) -> str:
    """Host and port, written in one way: a provider under two names would hold two parts of every image."""
    host = (parts.hostname or "").removesuffix(".")
    if ":" in host:
        with suppress(ValueError):
            host = ip_address(host).compressed
        host = f"[{host}]"
    default = {"http": 80, "https": 443}[parts.scheme]
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


def failure(name: str, error: ProviderError) -> ProviderFailed:
    """A provider's own error as one of ours: refused for good, or worth another try."""
    if isinstance(error, Unauthorized):
        return Refused(
            f"provider {name} wants its bearer token (token=…, $CLOUDSEC_TOKEN), or another one: {error}"
        )
    if isinstance(error, (BadTask, TooLarge, UnknownOperation)):
        return Refused(f"provider {name} refused the task: {error}")
    return Unavailable(f"provider {name} did not do the task: {error}")


def _reason(error: Exception) -> str:
    """The innermost cause in a few words, without the memory addresses of wrapped exceptions."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return printable(str(text))[:200]
