"""Files of certificates and keys: what is wrong with one is said before a provider starts."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from providers.certificates import server_context
from tests.certificates import Authority, key_pem


@pytest.fixture(scope="module")
def pair(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("pair")


def test_a_provider_speaks_tls_1_2_or_newer_and_wants_a_certificate_only_with_a_client_ca(
    authority: Authority, pair: tuple[Path, Path]
) -> None:
    assert server_context(*pair).minimum_version == ssl.TLSVersion.TLSv1_2
    assert server_context(*pair).verify_mode == ssl.CERT_NONE
    assert server_context(*pair, client_ca=authority.file).verify_mode == ssl.CERT_REQUIRED


def test_a_key_of_another_certificate_is_refused(authority: Authority, pair: tuple[Path, Path]) -> None:
    with pytest.raises(
        ValueError, match=r"the key in \S*other.key is not that of the certificate in \S*pair.pem"
    ):
        server_context(pair[0], authority.issue("other")[1])


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed.key"
    sealed.write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1()), b"s3cret"))
    with pytest.raises(ValueError, match=r"sealed.key has a passphrase; give one that has none") as caught:
        server_context(pair[0], sealed)
    assert "s3cret" not in str(caught.value)


def test_files_that_cannot_be_used_are_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    with pytest.raises(ValueError, match=r"nowhere.pem cannot be read: no such file or directory"):
        server_context(tmp_path / "nowhere.pem", pair[1])
    with pytest.raises(ValueError, match="cannot be read: is a directory"):
        server_context(pair[0], tmp_path)
    with pytest.raises(ValueError, match=r"text.pem and \S*pair.key are not a certificate and its key"):
        server_context(text, pair[1])
    with pytest.raises(ValueError, match=r"text.pem holds no certificate of a CA"):
        server_context(*pair, client_ca=text)
