"""What a connection that failed means, in words: the cause, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import BadStatusLine

from providers.wire import printable

_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_… codes."""
_PLAIN_TEXT = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
_TOO_OLD = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"})
_NO_CERTIFICATE = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"})
_OUR_CERTIFICATE = frozenset(
    {
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)
"""What Python calls the alerts of TLS, RFC 8446, 6.2."""
_ALERT = "\x15\x03"
"""How an alert begins, RFC 8446, 5.1, where plain HTTP was expected."""


def refused_because(error: BaseException, ca: str | None, certificate: str | None) -> str | None:
    """Why there cannot be a connection however often it is tried, to follow the provider's name; or None.

    `ca` and `certificate` are the files that were used, if any.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _their_certificate(cause, ca)
        if isinstance(cause, BadStatusLine) and str(cause).startswith(_ALERT):
            return "speaks TLS at this address; write https:// in its URL"
        reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
        if reason in _PLAIN_TEXT:
            return "does not speak TLS at this address; have its operator switch it on (--tls-cert)"
        if reason in _TOO_OLD:
            return "speaks no TLS 1.2 or newer; have its operator renew its software"
        if reason in _OUR_CERTIFICATE or reason in _NO_CERTIFICATE:
            return _our_certificate(certificate)
    return None


def hung_up_because(error: BaseException, secure: bool, certificate: str | None) -> str:
    """What may be the cause of a connection that could not be opened, or ended before an answer came."""
    cause = _innermost(error)
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    reason = printable(str(text))[:200]
    if not isinstance(cause, (ConnectionResetError, BrokenPipeError, ssl.SSLError)):
        return f"{reason}; is it running there?"
    if not secure:
        return f"{reason}; is it running there, and not behind https:// only?"
    return f"{reason}; is it running there? If it is, perhaps it {_our_certificate(certificate)}"


def _their_certificate(error: ssl.SSLCertVerificationError, ca: str | None) -> str:
    if error.verify_code == _EXPIRED:
        return "shows a certificate that has expired; have its operator renew it, or look at the clock here"
    if error.verify_code == _NOT_YET:
        return "shows a certificate that is not valid yet; look at the clocks there and here"
    if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return (
            "shows a certificate that is for another name; write the name for which it is in the URL, or have"
            " its operator get one for this name"
        )
    if error.verify_code in _UNKNOWN_ISSUER:
        if ca is None:
            return (
                "shows a certificate by a CA that is not trusted here; name the file of that CA (ca=…, --ca),"
                " if you trust it"
            )
        return f"shows a certificate by no CA in {printable(ca)}; ask its operator by which CA it is"
    return f"shows a certificate that is not accepted here: {printable(error.verify_message)}"


def _our_certificate(certificate: str | None) -> str:
    if certificate is None:
        return (
            "wants a client certificate; give one that it accepts (certificate=…, or in a providers file; to"
            " a daemon with --certificate)"
        )
    return (
        f"does not accept the client certificate in {printable(certificate)}; ask its operator by which CA it"
        " must be, and see whether it has expired"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        # urllib3 and requests also wrap errors as arguments of their own.
        wrapped = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = cause.__cause__ or cause.__context__ or wrapped


def _innermost(error: BaseException) -> BaseException:
    """The cause of all others, without the memory addresses that wrapped exceptions show."""
    *_, last = _causes(error)
    return last
