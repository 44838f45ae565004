"""A file that names providers: each with its own token and certificates, and no secret in the file itself."""

from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

import providers
from cloudsec import Refused
from cloudsec.cli import main
from cloudsec.providers_file import read_providers
from providers.certificates import server_context
from providers.http import Limits
from tests.certificates import Authority
from tests.commands import IMAGE
from tests.simulator import RawServer, http_response, serving


def written(folder: Path, *lines: str) -> Path:
    path = folder / "providers.toml"
    path.write_text("\n".join(lines))
    return path


def test_each_provider_gets_its_own_token_and_no_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(RawServer(http_response("200 OK", b""))) for _ in range(3)]
        (tmp_path / "a.token").write_text("first\n")
        (tmp_path / "b.token").write_text("second\nand a remark\n")
        path = written(
            tmp_path,
            *("[[provider]]", f'url = "{servers[0].url}"', 'token_file = "a.token"'),
            *("[[provider]]", f'url = "{servers[1].url}"', 'token_file = "b.token"'),
            *("[[provider]]", f'url = "{servers[2].url}"'),
        )
        for endpoint in read_providers(path):
            with closing(endpoint):
                endpoint.send(b"task", 20)
    first, second, third = (server.requests[0] for server in servers)
    assert b"Bearer first\r\n" in first
    assert b"Bearer second\r\n" in second
    assert b"authorization" not in third.lower()


def test_what_stands_at_the_top_holds_for_all_and_files_lie_beside_it(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ours = authority.issue("everybody", host="broker.example")
    context = server_context(*authority.issue("filed"), client_ca=authority.file)
    other = Authority(tmp_path, "other")
    top = [f'ca = "{authority.file.name}"', f'certificate = "{ours[0].name}"', f'key = "{ours[1].name}"']
    # The file lies where the certificates are.
    path = ours[0].parent / "providers.toml"
    source, target = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, IMAGE)
    words = ["process", str(source), str(target), "-o", "median", "--providers-file", str(path)]
    with ExitStack() as stack:
        lines = list(top)
        for number in range(4):
            (path.parent / f"{number}.token").write_text(f"token-{number}")
            url = stack.enter_context(serving(Limits(token=f"token-{number}"), context))
            lines += ["[[provider]]", f'url = "{url}"', f'token_file = "{number}.token"']
        path.write_text("\n".join(lines))
        assert main([*words, "--on-loss", "fail"]) == 0
        path.write_text("\n".join([*lines, f'ca = "{other.file}"']))
        *trusting, last = read_providers(path)
        with closing(last), pytest.raises(Refused, match="shows a certificate by no CA in"):
            last.send(b"task", 20)
        assert len(trusting) == 3
    assert (np.load(target) == providers.apply(IMAGE, "median")).all()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "names no provider; begin each one with a line"),
        (["provider = 3"], "names no provider"),
        (["provider = [3]"], "names no provider"),
        (["url = "], "is no TOML file"),
        (["[[provider]]", "url = 3"], "url must be a text of one line in quotes"),
        (
            ["[[provider]]", 'url = "https://a"', 'token_file = "\\u0000"'],
            "token_file must be a text of one line",
        ),
        (["[[provider]]"], "a provider without url"),
        (["[[provider]]", 'url = "nonsense"'], "'nonsense' is not the URL of a provider"),
        (["[[provider]]", 'url = "http://me:hunter2@a"'], "give a token instead"),
        (
            ["[[provider]]", 'url = "https://a"', 'token = "hunter2"'],
            "'token' cannot stand there.*token_file",
        ),
        (["[[provider]]", 'url = "https://a"', 'token_file = "none"'], "none cannot be read: no such file"),
        (["[[provider]]", 'url = "https://a"', 'token_file = "bad"'], "a token is made of visible ASCII"),
        (["[[provider]]", 'url = "https://a"', 'token_file = "binary"'], "binary is no text"),
        (["[[provider]]", 'url = "https://a"', 'key = "k"'], "certificate and key belong together"),
        (["[[provider]]", 'url = "http://a"', 'ca = "bad"'], "is not secured by TLS"),
        (["[[provider]]", 'url = "https://a"', 'ca = "bad"'], "bad holds no certificate of a CA"),
        (['token_file = "bad"', "[[provider]]", 'url = "https://a"'], "'token_file' cannot stand there"),
    ],
)
def test_what_such_a_file_may_not_hold_is_one_sentence_without_a_secret(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    (tmp_path / "bad").write_text("hunter2 with blanks\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=says) as caught:
        read_providers(written(tmp_path, *lines))
    assert str(caught.value).isprintable()
    assert str(tmp_path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.toml cannot be read: no such file or directory"):
        read_providers(tmp_path / "none.toml")
