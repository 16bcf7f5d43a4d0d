"""Secrets at rest: Fernet with a keyring, each secret bound to its place.

The envelope names tenant, integration and field inside the ciphertext: one that is copied to another row
does not open there. Keys come newest first; all are tried for reading, the first one writes.
"""

import hashlib
import os
from dataclasses import dataclass
from uuid import UUID

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.errors import Advice, InstallationError
from db.settings import Environment

CANARY = b"cloudtosys"


class WrongKey(InstallationError):
    """The keyring does not open what is stored."""

    advice = Advice(
        "Chave de criptografia errada",
        "As chaves desta instalação não são as que criptografaram as credenciais gravadas.",
        "Restaure a cópia do arquivo de chaves; sem ela, digite as credenciais de cada integração de novo.",
    )


class Envelope(msgspec.Struct, frozen=True):
    v: int
    tenant: str
    integration: str
    field: str
    secret: str


@dataclass(frozen=True, slots=True)
class Sealed:
    ciphertext: bytes
    key_id: str


class Vault:
    """Raises `InstallationError` for a keyring that is empty or malformed."""

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise InstallationError(
                "Nenhuma chave de criptografia: gere uma com `cloudtosys keys generate` e informe "
                "CLOUDTOSYS_KEYS_FILE."
            )
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise InstallationError("O arquivo de chaves contém uma chave malformada.") from None
        self.key_id = fingerprint(keys[0])

    def seal(self, tenant_id: UUID, integration_id: UUID, field: str, secret: str) -> Sealed:
        envelope = Envelope(1, str(tenant_id), str(integration_id), field, secret)
        return Sealed(self._fernet.encrypt(msgspec.json.encode(envelope)), self.key_id)

    def open(self, tenant_id: UUID, integration_id: UUID, field: str, ciphertext: bytes) -> str:
        """Raises `WrongKey` when no key fits, or when the secret belongs to another place."""
        envelope = msgspec.json.decode(self._decrypt(ciphertext), type=Envelope)
        if (envelope.tenant, envelope.integration, envelope.field) != (
            str(tenant_id),
            str(integration_id),
            field,
        ):
            raise WrongKey(f"A credencial {field!r} não pertence a esta integração: grave-a de novo.")
        return envelope.secret

    def seal_payload(self, payload: bytes) -> Sealed:
        return Sealed(self._fernet.encrypt(payload), self.key_id)

    def open_payload(self, ciphertext: bytes) -> bytes:
        return self._decrypt(ciphertext)

    def rotate(self, ciphertext: bytes) -> Sealed:
        """The same secret under the newest key."""
        try:
            return Sealed(self._fernet.rotate(ciphertext), self.key_id)
        except InvalidToken:
            raise WrongKey("Uma credencial não abre com nenhuma das chaves informadas.") from None

    def canary(self) -> bytes:
        return self._fernet.encrypt(CANARY)

    def check(self, canary: bytes) -> None:
        """Refuse to start with the wrong keys. Raises `WrongKey`."""
        if self._decrypt(canary) != CANARY:
            raise WrongKey("As chaves de criptografia não são as desta instalação.")

    def _decrypt(self, ciphertext: bytes) -> bytes:
        try:
            return self._fernet.decrypt(ciphertext)
        except InvalidToken:
            raise WrongKey(
                "As chaves de criptografia não abrem o que está gravado. Restaure o arquivo de chaves "
                "usado antes (CLOUDTOSYS_KEYS_FILE); sem ele as credenciais precisam ser digitadas de novo."
            ) from None


def generate_key() -> str:
    return Fernet.generate_key().decode()


def fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def from_environment(environment: Environment) -> Vault:
    """Raises `InstallationError` when the key file cannot be read or is open to other users."""
    if environment.keys_file is None:
        return Vault(environment.keys.replace(",", "\n").split())
    try:
        mode = environment.keys_file.stat().st_mode
        lines = environment.keys_file.read_text().split()
    except OSError:
        raise InstallationError("O arquivo de chaves (CLOUDTOSYS_KEYS_FILE) não pôde ser lido.") from None
    if mode & 0o077 and os.name == "posix":
        raise InstallationError("O arquivo de chaves está aberto a outros usuários: restrinja com chmod 600.")
    return Vault(lines)
