"""Client certificates: PEM and PKCS#12, whose they are and until when; presented in a real handshake."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from core.certificate import CNPJ_OID, from_pem, from_pkcs12
from core.errors import ConfigurationError
from core.transport import tls_context
from sandbox.certificates import make

CNPJ = "11222333000181"
ENDS = datetime(2027, 6, 30, 12, tzinfo=UTC)


def issued(cnpj: str | None = CNPJ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "EMPRESA INVENTADA LTDA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ENDS - timedelta(days=365))
        .not_valid_after(ENDS)
    )
    if cnpj is not None:
        other = x509.OtherName(CNPJ_OID, b"\x13\x0e" + cnpj.encode())
        builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
    return builder.sign(key, hashes.SHA256()), key


def pfx(password: bytes = b"senha") -> bytes:
    certificate, key = issued()
    return pkcs12.serialize_key_and_certificates(
        b"a1", key, certificate, None, BestAvailableEncryption(password)
    )


def pem() -> tuple[bytes, bytes]:
    certificate, key = issued(None)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def test_an_a1_certificate_says_whose_it_is_and_until_when() -> None:
    found = from_pkcs12(pfx(), "senha")
    assert (found.cnpj, found.expires_at) == (CNPJ, ENDS)
    assert "INVENTADA" in found.subject
    assert "PRIVATE" not in repr(found)


def test_a_wrong_password_or_file_says_what_to_check() -> None:
    for data, password in ((pfx(), "outra"), (b"no certificate", "senha")):
        with pytest.raises(ConfigurationError, match="senha do certificado"):
            from_pkcs12(data, password)
    with pytest.raises(ConfigurationError, match="PEM"):
        from_pem(b"none", b"none")


def test_a_key_of_another_certificate_is_refused() -> None:
    chain, _ = pem()
    _, key = pem()
    with pytest.raises(ConfigurationError, match="par"):
        from_pem(chain, key).use(ssl.create_default_context())


@pytest.mark.parametrize("presented", [True, False])
async def test_a_server_that_asks_for_it_sees_it(tmp_path: Path, presented: bool) -> None:
    certificate, key = issued()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    ours = from_pem(certificate.public_bytes(Encoding.PEM), private)
    files = make(tmp_path)
    trusted = tmp_path / "client.pem"
    trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trusted))
    server.load_cert_chain(files.cert_file, files.key_file)
    server.verify_mode = ssl.CERT_REQUIRED
    context = tls_context(str(files.ca_file), ours if presented else None)
    assert await _greeted(server, context) is presented


async def _greeted(server: ssl.SSLContext, context: ssl.SSLContext) -> bool:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        said = await asyncio.wait_for(reader.read(2), 5)
        writer.close()
    except ssl.SSLError:
        return False
    finally:
        listening.close()
    return said == b"ok"
