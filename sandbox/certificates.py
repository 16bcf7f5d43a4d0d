"""A certificate authority and a server certificate of its own, for stand-ins that talk TLS on loopback."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

VALID = timedelta(days=30)
CNPJ_OID = x509.ObjectIdentifier("2.16.76.1.3.3")
"""DOC-ICP-04: the CNPJ in the alternative names of an e-CNPJ."""


@dataclass(frozen=True, slots=True)
class Certificates:
    ca_file: Path
    cert_file: Path
    key_file: Path


def make(folder: Path) -> Certificates:
    """PEM files for `127.0.0.1` and `localhost`, signed by an authority that only `ca_file` vouches for."""
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Sandbox CA")
    ca = _builder(ca_name, ca_name, ca_key).add_extension(x509.BasicConstraints(True, 0), critical=True)
    signing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca_cert = ca.add_extension(signing, critical=True).sign(ca_key, hashes.SHA256())
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    server = _builder(_name("127.0.0.1"), ca_name, key)
    server = server.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    cert = server.add_extension(authority, critical=False).sign(ca_key, hashes.SHA256())
    found.ca_file.write_bytes(ca_cert.public_bytes(serialization.Encoding.PEM))
    found.cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found.key_file.touch(mode=0o600)
    found.key_file.write_bytes(private)
    return found


def client(cnpj: str, password: str, *, valid: timedelta = VALID) -> tuple[bytes, bytes]:
    """An e-CNPJ A1 of a company: its .pfx, and the PEM that vouches for it. It is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"EMPRESA INVENTADA:{cnpj}")
    other = x509.OtherName(CNPJ_OID, b"\x13\x0e" + cnpj.encode())
    builder = _builder(name, name, key, valid)
    cert = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False).sign(
        key, hashes.SHA256()
    )
    sealed = serialization.BestAvailableEncryption(password.encode())
    pfx = pkcs12.serialize_key_and_certificates(b"a1", key, cert, None, sealed)
    return pfx, cert.public_bytes(serialization.Encoding.PEM)


def cnpj(certificate: bytes) -> str:
    """Whose a certificate (DER) is; empty for one of no company."""
    names = x509.load_der_x509_certificate(certificate).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    owners = [name for name in found.get_values_for_type(x509.OtherName) if name.type_id == CNPJ_OID]
    return owners[0].value[-14:].decode() if owners else ""


def application(folder: Path, name: str) -> tuple[Path, Path]:
    """A client's certificate and key as PEM files; it vouches for itself, as an authority of one."""
    key = ec.generate_private_key(ec.SECP256R1())
    cert = _builder(_name(name), _name(name), key).sign(key, hashes.SHA256())
    files = folder / "client.crt", folder / "client.key"
    files[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta = VALID
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + min(valid, timedelta()) - timedelta(hours=1))
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
