"""Certificates of a test's own: an authority, and what it signs for servers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Certificate:
    """`file` has key and certificate (PEM), `authority` the certificate of who signed it."""

    file: Path
    authority: Path
    fingerprint: str


def made(folder: Path, address: str = "127.0.0.1", days: int = 2) -> Certificate:
    """A certificate for an address, signed by an authority of its own; of negative days it is over."""
    now = datetime.now(UTC)

    def signed(name: str, key: ec.EllipticCurvePrivateKey, by: str, its: ec.EllipticCurvePrivateKey):  # type: ignore[no-untyped-def]
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (name, by)]
        builder = (
            x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
        )
        builder = builder.serial_number(x509.random_serial_number())
        end = now + timedelta(days=days if name != by else 2)
        builder = builder.not_valid_before(now - timedelta(days=9)).not_valid_after(end)
        if name == by:
            authority = x509.BasicConstraints(ca=True, path_length=None)
            builder = builder.add_extension(authority, critical=True)
        else:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
            )
        return builder.sign(its, SHA256())

    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority, certificate = signed("Authority", own, "Authority", own), signed("Server", key, "Authority", own)
    (folder / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(Encoding.PEM))
    fingerprint = certificate.fingerprint(SHA256()).hex(":").upper()
    return Certificate(folder / "server.pem", folder / "authority.pem", fingerprint)
