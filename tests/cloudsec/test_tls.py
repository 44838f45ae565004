"""Providers behind TLS: whole jobs, and who is refused, in a sentence and before a pixel is sent."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import providers
from cloudsec import HttpEndpoint, ProviderFailed, Refused, Unavailable
from providers import make_operation
from providers.certificates import server_context
from providers.http import Limits
from providers.wire import Task, encode_task
from tests import in_blocks
from tests.certificates import Authority
from tests.simulator import RawServer, http_response, serving

REQUEST = encode_task(
    Task("a" * 32, make_operation("median").resolved(2, "uint8"), np.ones((2, 9, 9), np.uint16), True)
)
LARGE = encode_task(
    Task("b" * 32, make_operation("median").resolved(2, "uint8"), np.ones((99, 200, 200), np.uint16), True)
)
TOKENS = ["first-t0ken", "second-t0ken", "third-t0ken", "fourth-t0ken"]


@pytest.fixture
def image() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (200, 200), np.uint16)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("broker", host="broker.example")


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[list[str]]:
    """URLs of four providers that speak TLS."""
    context = server_context(*authority.issue("secured"))
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tls=context)) for _ in range(4)]


@pytest.fixture(scope="module")
def guarded(authority: Authority) -> Iterator[list[str]]:
    """URLs of four providers that want a client certificate, and each its own token."""
    context = server_context(*authority.issue("guarded"), client_ca=authority.file)
    with ExitStack() as stack:
        yield [stack.enter_context(serving(Limits(token=token), context)) for token in TOKENS]


def refusal(endpoint: HttpEndpoint, request: bytes = REQUEST) -> ProviderFailed:
    """The error that a request ends with: one sentence that names the provider."""
    with closing(endpoint), pytest.raises(ProviderFailed) as caught:
        endpoint.send(request, 20)
    assert str(caught.value).startswith(f"provider {endpoint.name} ")
    assert str(caught.value).isprintable()
    assert "t0ken" not in str(caught.value)
    return caught.value


def test_a_job_over_tls_with_an_own_ca_gives_the_exact_result(
    secured: list[str], authority: Authority, image: NDArray[Any]
) -> None:
    with in_blocks.Broker(secured, ca=authority.file, on_loss="fail") as broker:
        result = broker.process(image, "median")
    assert (result.image == providers.apply(image, "median")).all()
    assert [each.tasks for each in result.report.providers] == [1] * 4


def test_a_job_over_mutual_tls_with_a_token_for_each_gives_the_exact_result(
    guarded: list[str], authority: Authority, ours: tuple[Path, Path], image: NDArray[Any]
) -> None:
    with ExitStack() as stack:
        endpoints = [
            stack.enter_context(closing(HttpEndpoint(url, token, ca=authority.file, certificate=ours)))
            for url, token in zip(guarded, TOKENS, strict=True)
        ]
        broker = stack.enter_context(in_blocks.Broker(endpoints, on_loss="fail"))
        for _ in range(2):
            result = broker.process(image, "gaussian", sigma=2.0)
            assert (result.image == providers.apply(image, "gaussian", sigma=2.0)).all()


def test_a_certificate_by_another_ca_is_refused(
    secured: list[str], authority: Authority, stranger: Authority
) -> None:
    failed = refusal(HttpEndpoint(secured[0], ca=stranger.file))
    assert isinstance(failed, Refused)
    assert f"shows a certificate by no CA in {stranger.file}" in str(failed)
    # By default, the CAs that all the world trusts.
    failed = refusal(HttpEndpoint(secured[0]))
    assert isinstance(failed, Refused)
    assert "by a CA that is not trusted here; name the file of that CA" in str(failed)


@pytest.mark.parametrize(
    ("issued", "says"),
    [
        ({"days": (-3, -2)}, "has expired; have its operator renew it"),
        ({"days": (2, 3)}, "is not valid yet; look at the clocks"),
        ({"host": "elsewhere.example"}, "is for another name"),
    ],
)
def test_a_certificate_that_is_not_good_here_and_now_is_refused(
    authority: Authority, issued: dict[str, Any], says: str
) -> None:
    with serving(tls=server_context(*authority.issue("bad", **issued))) as url:
        failed = refusal(HttpEndpoint(url, ca=authority.file))
    assert isinstance(failed, Refused)
    assert says in str(failed)


def test_plain_text_behind_https_is_refused(http_providers: list[str], authority: Authority) -> None:
    failed = refusal(HttpEndpoint(http_providers[0].replace("http:", "https:"), ca=authority.file))
    assert isinstance(failed, Refused)
    assert "does not speak TLS at this address" in str(failed)


def test_tls_behind_http_is_named_as_a_likely_cause(secured: list[str]) -> None:
    failed = refusal(HttpEndpoint(secured[0].replace("https:", "http:")))
    assert isinstance(failed, Unavailable)
    assert "not behind https:// only?" in str(failed)
    for answer, kind, says in (
        (b"\x15\x03\x01\x00\x02\x02\x16", Refused, "speaks TLS at this address; write https://"),
        (http_response("400 Bad Request", b"<html>"), Refused, "not behind https:// only?"),
    ):
        with RawServer(answer) as server:
            failed = refusal(HttpEndpoint(server.url))
        assert isinstance(failed, kind)
        assert says in str(failed)


def test_a_provider_stops_although_a_client_keeps_its_connection(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tls=server_context(*authority.issue("stopping"))) as url:
        keeping = HttpEndpoint(url, ca=authority.file)
        keeping.send(REQUEST, 20)
    keeping.close()
    assert "exceeded" not in caplog.text


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_provider_with_old_tls_only_is_refused(authority: Authority) -> None:
    old = server_context(*authority.issue("old"))
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with RawServer(b"", tls=old) as server:
        failed = refusal(HttpEndpoint(server.url, ca=authority.file))
    assert isinstance(failed, Refused)
    assert "speaks no TLS 1.2 or newer" in str(failed)


@pytest.mark.parametrize("request_bytes", [REQUEST, LARGE], ids=["small", "large"])
def test_who_shows_no_client_certificate_or_a_strange_one_is_told_so(
    guarded: list[str], authority: Authority, stranger: Authority, request_bytes: bytes
) -> None:
    failed = refusal(HttpEndpoint(guarded[0], TOKENS[0], ca=authority.file), request_bytes)
    assert "perhaps it wants a client certificate" in str(failed)
    strange = stranger.issue("strange")
    failed = refusal(HttpEndpoint(guarded[0], TOKENS[0], ca=authority.file, certificate=strange))
    assert f"does not accept the client certificate in {strange[0]}" in str(failed)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_says_why_it_wants_another_client_certificate_is_believed(
    authority: Authority, stranger: Authority, newest: ssl.TLSVersion
) -> None:
    context = server_context(*authority.issue("telling"), client_ca=authority.file)
    context.maximum_version = newest
    with RawServer(b"", tls=context) as server:
        failed = refusal(HttpEndpoint(server.url, ca=authority.file))
        assert isinstance(failed, Refused)
        assert "wants a client certificate" in str(failed)
        strange = stranger.issue("strange")
        failed = refusal(HttpEndpoint(server.url, ca=authority.file, certificate=strange))
        assert isinstance(failed, Refused)
        assert "does not accept the client certificate" in str(failed)


@pytest.mark.parametrize("request_bytes", [REQUEST, LARGE], ids=["small", "large"])
def test_a_wrong_token_is_refused(
    guarded: list[str], authority: Authority, ours: tuple[Path, Path], request_bytes: bytes
) -> None:
    for token in (None, TOKENS[1]):
        endpoint = HttpEndpoint(guarded[0], token, ca=authority.file, certificate=ours)
        failed = refusal(endpoint, request_bytes)
        assert isinstance(failed, Refused)
        assert "wants its bearer token" in str(failed)


def test_a_refused_provider_is_not_asked_again_and_the_job_goes_on(
    secured: list[str], authority: Authority, stranger: Authority, image: NDArray[Any]
) -> None:
    trusted = [stranger, authority, authority, authority]
    with ExitStack() as stack:
        endpoints = [
            stack.enter_context(closing(HttpEndpoint(url, ca=ca.file)))
            for url, ca in zip(secured, trusted, strict=True)
        ]
        result = in_blocks.process(image, "median", providers=endpoints)
    assert (result.image == providers.apply(image, "median")).all()
    (loss,) = result.report.losses
    assert "shows a certificate by no CA" in loss.reason
    assert result.report.providers[0].retries == 0


@pytest.mark.parametrize("files", [{"ca": "ca.pem"}, {"certificate": ("ours.pem", "ours.key")}])
def test_what_belongs_to_tls_is_of_no_use_for_plain_http(files: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="http://a.example is not secured by TLS.*use https://"):
        HttpEndpoint("http://a.example", **files)


def test_files_that_are_of_no_use_are_refused_before_anything_is_sent(
    tmp_path: Path, ours: tuple[Path, Path]
) -> None:
    with pytest.raises(ValueError, match=r"nowhere.pem cannot be read: no such file"):
        HttpEndpoint("https://a.example", ca=tmp_path / "nowhere.pem")
    with pytest.raises(ValueError, match="are not a certificate and its key"):
        HttpEndpoint("https://a.example", certificate=(ours[1], ours[1]))
    with pytest.raises(ValueError, match=r"nowhere.pem cannot be read: no such file"):
        in_blocks.Broker(["https://a.example"], ca=tmp_path / "nowhere.pem")


def test_the_environment_names_no_ca_for_us(
    secured: list[str], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.file))
    assert isinstance(refusal(HttpEndpoint(secured[0])), Refused)
