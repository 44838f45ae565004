"""TLS contexts from files of certificates and keys; a file that is of no use is refused in a sentence."""

from __future__ import annotations

import ssl
from pathlib import Path

from providers.wire import printable


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """What a provider needs for TLS 1.2 or newer.

    Parameters
    ----------
    certificate, key : Path
        The provider's certificate, followed by those between it and its CA, and the private key, as PEM.
    client_ca : Path or None
        Certificates of CAs; a client must show a certificate that one of them issued. None lets in who has
        none.

    Raises
    ------
    ValueError
        For a file that cannot be read or used; names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    identify(context, certificate, key)
    if client_ca is not None:
        trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have the owner of a context show this certificate; ValueError if it and its key are not there."""
    _check_readable(certificate)
    _check_readable(key)

    def refuse() -> str:
        # OpenSSL would ask for it on the terminal.
        raise ValueError(f"the key in {_shown(key)} has a passphrase; give one that has none")

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(
                f"the key in {_shown(key)} is not that of the certificate in {_shown(certificate)}; give both"
                " of one pair"
            ) from error
        raise ValueError(
            f"{_shown(certificate)} and {_shown(key)} are not a certificate and its key in PEM form"
        ) from error


def trust(context: ssl.SSLContext, ca: Path) -> None:
    """Have the owner of a context trust these CAs; ValueError if the file holds none."""
    _check_readable(ca)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ValueError(f"{_shown(ca)} holds no certificate of a CA in PEM form") from error


def _check_readable(path: Path) -> None:
    # What OpenSSL cannot read it refuses without naming it.
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"{_shown(path)} cannot be read: {reason}; name another file") from error


def _shown(path: Path) -> str:
    return printable(str(path))
