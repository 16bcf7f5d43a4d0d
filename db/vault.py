"""Secrets at rest: Fernet with a keyring, each secret bound to its place.

The envelope names tenant, integration and field inside the ciphertext: one that is copied to another row
does not open there. Keys come newest first; all are tried for reading, the first one writes.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True, slots=True)
class _Ring:
    fernet: MultiFernet
    newest: str


class Vault:
    """Raises `InstallationError` for a keyring that is empty or malformed.

    With its `file` it follows what is written there: keys are rotated while runs are under way, which meet
    what the rotation moved, and must leave nothing behind under a key that is about to go.
    """

    def __init__(self, keys: list[str], file: Path | None = None) -> None:
        self._file = file
        self._seen: tuple[int, ...] = ()
        self._known = _ring(keys)

    @property
    def key_id(self) -> str:
        """Of the newest key."""
        return self._ring.newest

    @property
    def _ring(self) -> _Ring:
        """A file that cannot be read now leaves the keys that are known."""
        with suppress(OSError, InstallationError):
            if self._file is not None and (mark := _mark(self._file)) != self._seen:
                self._known, self._seen = _ring(self._file.read_text().split()), mark
        return self._known

    def seal(self, tenant_id: UUID, integration_id: UUID, field: str, secret: str) -> Sealed:
        envelope = Envelope(1, str(tenant_id), str(integration_id), field, secret)
        return self.seal_payload(msgspec.json.encode(envelope))

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
        ring = self._ring
        return Sealed(ring.fernet.encrypt(payload), ring.newest)

    def open_payload(self, ciphertext: bytes) -> bytes:
        return self._decrypt(ciphertext)

    def rotate(self, ciphertext: bytes) -> Sealed:
        """The same secret under the newest key."""
        ring = self._ring
        try:
            return Sealed(ring.fernet.rotate(ciphertext), ring.newest)
        except InvalidToken:
            raise WrongKey("Uma credencial não abre com nenhuma das chaves informadas.") from None

    def canary(self) -> bytes:
        return self._ring.fernet.encrypt(CANARY)

    def check(self, canary: bytes) -> None:
        """Refuse to start with the wrong keys. Raises `WrongKey`."""
        if self._decrypt(canary) != CANARY:
            raise WrongKey("As chaves de criptografia não são as desta instalação.")

    def _decrypt(self, ciphertext: bytes) -> bytes:
        try:
            return self._ring.fernet.decrypt(ciphertext)
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
    return Vault(lines, environment.keys_file)


def _ring(keys: list[str]) -> _Ring:
    if not keys:
        raise InstallationError(
            "Nenhuma chave de criptografia: gere uma com `cloudtosys keys generate` e informe "
            "CLOUDTOSYS_KEYS_FILE."
        )
    try:
        return _Ring(MultiFernet([Fernet(key) for key in keys]), fingerprint(keys[0]))
    except ValueError:
        raise InstallationError("O arquivo de chaves contém uma chave malformada.") from None


def _mark(file: Path) -> tuple[int, ...]:
    """Changes with the file, whether it is edited or replaced."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
