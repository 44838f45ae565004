"""Certificate authorities of these tests, and what they issue, as files."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"


class Authority:
    """A CA; its own certificate is in `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        certificate = self._certificate(self._name, self._key.public_key(), (-10, 10))
        certificate = certificate.add_extension(x509.BasicConstraints(True, None), critical=True)
        self.file.write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, *, host: str = HERE, days: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
        """Files of a certificate for a host, valid from and to so many days from now, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        named = x509.IPAddress(ip_address(host)) if host == HERE else x509.DNSName(host)
        certificate = self._certificate(subject, key.public_key(), days).add_extension(
            x509.SubjectAlternativeName([named]), critical=False
        )
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))
        files[1].write_bytes(key_pem(key))
        return files

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[int, int]
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        begin, end = (now + datetime.timedelta(days=day) for day in days)
        return x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), not_valid_before=begin, not_valid_after=end
        )


def key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    sealed = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
