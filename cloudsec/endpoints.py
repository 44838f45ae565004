"""Ways to a provider: in this process, or over HTTP; one request in, one response out."""

from __future__ import annotations

import operator
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import SplitResult, urlsplit

from cloudsec.errors import ProviderFailed, Refused, Unavailable
from cloudsec.handshake import hung_up_because, refused_because
from providers import handle
from providers.errors import BadTask, ProviderError, TooLarge, Unauthorized, UnknownOperation
from providers.wire import decode_error

if TYPE_CHECKING:
    import requests

ANSWER_FACTOR = 8
"""An answer has at most 8 bytes for a pixel that was sent in one: the limit where only the request is known.
A seed is answered by more, and goes through `response_of`."""
ANSWER_HEADER = 1 << 16
"""Bytes of an answer beside its pixels, errors included."""
CHUNK = 1 << 18
MAX_PROVIDERS = 256
"""Embedded ones, each with a thread while a job lasts; more than any image can be spread over with sense."""
Parts: TypeAlias = Sequence[bytes | memoryview]
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@runtime_checkable
class Endpoint(Protocol):
    """Anything that carries a request to one provider and brings back its response."""

    @property
    def name(self) -> str:
        """What reports and errors call the provider; no secret."""

    def send(self, request: bytes, timeout: float) -> bytes:
        """The response to one encoded task; ProviderFailed where there is none within `timeout` seconds."""


def response_of(endpoint: Endpoint, parts: Parts, timeout: float, pixel_bytes: int) -> bytes:
    """The response to a request in parts, which are joined for an endpoint that takes only a whole.

    `pixel_bytes` is how many bytes of pixels the answer has; of one with more no more is read.
    """
    # One that was made from ours may have a `send` of its own.
    if type(endpoint) is HttpEndpoint:
        return endpoint.send_parts(parts, timeout, pixel_bytes)
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
        Scheme, host and, where needed, port and path, in visible ASCII; no user name, password or query.
    token : str or None
        Sent as bearer token, to this provider only.
    ca : str, Path or None
        A file of certificates in PEM form: the provider must show one by a CA in it, and no other will do.
        None trusts the CAs that requests trusts, those of certifi.
    certificate : pair of str or Path, or None
        Files with the certificate that a provider may want of us, and its key, in PEM form.

    Raises
    ------
    ValueError
        For what is no URL, a token that no header can hold, or a file that cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        ca: str | Path | None = None,
        certificate: tuple[str | Path, str | Path] | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            valid = valid and not parts.fragment and bool(_VISIBLE.fullmatch(url))
        except ValueError:
            valid = False
        if "@" in url or "?" in url:
            raise ValueError(
                "a provider's URL must not hold a user name, a password or a query; give a token instead"
            )
        if not valid:
            raise ValueError(f"{url!r} is not the URL of a provider, such as http://127.0.0.1:9001")
        if token is not None:
            check_token(token)
        self.name = f"{parts.scheme}://{_place(parts)}{parts.path.rstrip('/')}"
        self._secure = parts.scheme == "https"
        if not self._secure and (ca is not None or certificate is not None):
            raise ValueError(
                f"{self.name} is not secured by TLS, and no CA or certificate helps; use https://"
            )
        check_files(ca, certificate)
        self._token = token
        self._ca = None if ca is None else str(ca)
        self._certificate = None if certificate is None else (str(certificate[0]), str(certificate[1]))
        self._session: requests.Session | None = None
        self._opening = threading.Lock()

    def send(self, request: bytes, timeout: float) -> bytes:
        return self.send_parts((request,), timeout, ANSWER_FACTOR * len(request))

    def send_parts(self, parts: Parts, timeout: float, pixel_bytes: int) -> bytes:
        import requests

        from cloudsec.connections import Stale

        body = _Body(parts)
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._ask(body, pixel_bytes + ANSWER_HEADER, deadline)
            except Stale:
                # Nothing of an answer came: the provider, which holds no state, is asked anew.
                if time.monotonic() < deadline:
                    continue
                raise late(self.name, timeout) from None
            except (requests.RequestException, OSError, ValueError) as error:
                raise self._broken(error, timeout, deadline) from error

    def _ask(self, body: _Body, limit: int, deadline: float) -> bytes:
        with self._open_session().post(
            f"{self.name}/v1/tasks",
            data=body,
            headers={"Content-Type": "application/octet-stream", "Accept-Encoding": "identity"},
            timeout=max(0.001, deadline - time.monotonic()),
            allow_redirects=False,
            stream=True,
        ) as response:
            answer = self._read(response, limit, deadline)
            if response.status_code == 200:
                return answer
            raise self._failure(response.status_code, response.headers, answer)

    def close(self) -> None:
        """Close the connections; the endpoint can be used again."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open_session(self) -> requests.Session:
        from cloudsec.connections import open_session

        with self._opening:
            if self._session is None:
                self._session = open_session(self._token, self._ca, self._certificate)
            return self._session

    def _read(self, response: requests.Response, limit: int, deadline: float) -> bytes:
        from urllib3.exceptions import HTTPError

        parts: list[bytes] = []
        received = 0
        while True:
            try:
                chunk = response.raw.read1(CHUNK)
            except HTTPError as error:
                if time.monotonic() < deadline:
                    raise Unavailable(f"provider {self.name} stopped half-way through its answer") from error
                chunk = b""
            # What we cut off ourselves looks like an answer that ends, or stops.
            if time.monotonic() >= deadline:
                raise Unavailable(f"provider {self.name} answered too slowly to finish in time")
            if not chunk:
                return b"".join(parts)
            parts.append(chunk)
            received += len(chunk)
            if received > limit:
                raise Refused(f"provider {self.name} answered more than {limit} bytes, which no answer has")

    def _failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderFailed:
        pause = wanted_pause(headers) if status in (429, 503) else 0.0
        if body.startswith(b"{"):
            return failure(self.name, decode_error(body), pause)
        if 300 <= status < 400:
            return Refused(f"provider {self.name} points to another address; give the one that does the work")
        text = f"provider {self.name} answered HTTP status {status}; is it a CloudSec provider"
        text += "?" if self._secure else ", and not behind https:// only?"
        return Unavailable(text, pause) if status >= 500 or status == 429 else Refused(text)

    def _broken(self, error: Exception, timeout: float, deadline: float) -> ProviderFailed:
        import requests

        certificate = self._certificate[0] if self._certificate else None
        if (why := refused_because(error, self._ca, certificate)) is not None:
            return Refused(f"provider {self.name} {why}")
        # What we cut off ourselves looks like a provider that hung up.
        if time.monotonic() >= deadline or isinstance(error, requests.ReadTimeout):
            return late(self.name, timeout)
        reason = hung_up_because(error, self._secure, certificate)
        if isinstance(error, requests.ConnectionError):
            return Unavailable(f"provider {self.name} cannot be reached, or hung up: {reason}")
        return Unavailable(f"provider {self.name} cannot be spoken to: {reason}")


def endpoints_of(
    providers: int | Sequence[str | Endpoint], token: str | None, ca: str | Path | None
) -> tuple[tuple[Endpoint, ...], tuple[HttpEndpoint, ...]]:
    """All endpoints, and those of them that were made here from URLs and are ours to close."""
    endpoints: list[Endpoint] = []
    opened: list[HttpEndpoint] = []
    if isinstance(providers, (str, Endpoint)):
        raise ValueError("providers must be a number, or a list of URLs or endpoints")
    if isinstance(providers, Iterable):
        for provider in providers:
            if isinstance(provider, str):
                opened.append(HttpEndpoint(provider, token, ca=ca))
                endpoints.append(opened[-1])
            elif isinstance(provider, Endpoint):
                endpoints.append(provider)
            else:
                raise ValueError(f"a provider is a URL or an endpoint, not {type(provider).__name__}")
    else:
        try:
            count = operator.index(providers)
        except TypeError:
            raise ValueError("providers must be a number, or a list of URLs or endpoints") from None
        if isinstance(providers, bool) or count > MAX_PROVIDERS:
            raise ValueError(f"there can be up to {MAX_PROVIDERS} embedded providers, not {providers}")
        endpoints.extend(LocalEndpoint(f"embedded-{i + 1}") for i in range(count))
    if not endpoints:
        raise ValueError("no providers: give at least one URL, or how many embedded ones to use")
    names = [endpoint.name for endpoint in endpoints]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("every endpoint needs a name that is a string")
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"provider {name} is given twice; it would hold two parts of every image")
    return tuple(endpoints), tuple(opened)


def check_token(token: str) -> None:
    """ValueError for a token that no header can hold."""
    if not _VISIBLE.fullmatch(token):
        raise ValueError("a token is made of visible ASCII characters, without spaces or line ends")


def check_files(ca: str | Path | None, certificate: tuple[str | Path, str | Path] | None) -> None:
    """ValueError for files that cannot be used: nothing is sent before they are known to be good."""
    if ca is None and certificate is None:
        return
    import ssl

    from providers.certificates import identify, trust

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        trust(context, Path(ca))
    if certificate is not None:
        identify(context, Path(certificate[0]), Path(certificate[1]))


def wanted_pause(headers: Mapping[str, str]) -> float:
    """Seconds after which a server wants to be asked again (RFC 9110, 10.2.3); 0 where it does not say."""
    told = headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,9}", told):
        return float(told)
    try:
        # By the server's own clock where it shows that: ours may be another.
        now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else time.time()
        return max(0.0, parsedate_to_datetime(told).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


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


def late(name: str, timeout: float) -> Unavailable:
    """The error of a provider that had `timeout` seconds."""
    return Unavailable(
        f"provider {name} did not answer within {timeout:g} s; try again, or give it more time"
    )


def failure(name: str, error: ProviderError, pause: float = 0.0) -> ProviderFailed:
    """A provider's own error as one of ours: refused for good, or worth another try after a pause."""
    if isinstance(error, Unauthorized):
        return Refused(
            f"provider {name} wants its bearer token (token=…, $CLOUDSEC_TOKEN, or in a providers file), or"
            f" another one: {error}"
        )
    if isinstance(error, (BadTask, TooLarge, UnknownOperation)):
        return Refused(f"provider {name} refused the task: {error}")
    return Unavailable(f"provider {name} did not do the task: {error}", pause)
