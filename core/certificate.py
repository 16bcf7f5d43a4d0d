"""Client certificates (mutual TLS): PEM files, or the A1 certificate (PKCS#12) of ICP-Brasil."""

import contextlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from core.errors import ConfigurationError

CNPJ_OID = x509.ObjectIdentifier("2.16.76.1.3.3")
"""CNPJ of an e-CNPJ, in the alternative names (DOC-ICP-04)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`chain` is PEM, the client's certificate first; `key` its private key as PEM, never shown. `trusted`
    are authorities (PEM) of the server's side that the system itself does not know."""

    chain: bytes
    key: bytes
    subject: str
    expires_at: datetime
    cnpj: str | None = None
    trusted: str = ""

    def __repr__(self) -> str:
        return f"Certificate({self.subject!r}, {self.expires_at:%Y-%m-%d})"

    def use(self, context: ssl.SSLContext) -> None:
        """Present it in `context`. OpenSSL reads from files alone, so it is one for a moment."""
        with _file(self.chain + self.key) as path:
            try:
                context.load_cert_chain(path)
            except ssl.SSLError:
                raise ConfigurationError("O certificado e a chave privada não formam um par.") from None
        if self.trusted:
            try:
                context.load_verify_locations(cadata=self.trusted)
            except (ssl.SSLError, ValueError):
                raise ConfigurationError("A cadeia de certificação não é um arquivo PEM válido.") from None


def from_pkcs12(data: bytes, password: str) -> Certificate:
    """Raises `ConfigurationError` for a file that is none, or a wrong password."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password.encode() or None)
    except ValueError:
        raise ConfigurationError(
            "O certificado A1 não abre: confira o arquivo .pfx e a senha do certificado."
        ) from None
    if key is None or certificate is None:
        raise ConfigurationError("O arquivo .pfx não contém o certificado com sua chave privada.")
    return _made([certificate, *others], key)


def from_pem(chain: bytes, key: bytes) -> Certificate:
    """Raises `ConfigurationError` for what is no PEM."""
    try:
        return _made(x509.load_pem_x509_certificates(chain), load_pem_private_key(key, None))
    except (ValueError, TypeError):
        raise ConfigurationError(
            "O certificado (.crt) ou a chave privada (.key) não é um PEM válido."
        ) from None


def _made(chain: list[x509.Certificate], key: PrivateKeyTypes) -> Certificate:
    first = chain[0]
    return Certificate(
        chain=b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        subject=first.subject.rfc4514_string()[:200],
        expires_at=first.not_valid_after_utc,
        cnpj=_cnpj(first),
    )


def _cnpj(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    for name in names.get_values_for_type(x509.OtherName):
        if name.type_id == CNPJ_OID and (found := re.search(rb"[0-9A-Z]{12}[0-9]{2}$", name.value)):
            return found.group().decode()
    return None


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    handle, path = tempfile.mkstemp()  # readable by its owner alone
    try:
        os.write(handle, content)
        os.close(handle)
        yield path
    finally:
        os.unlink(path)
