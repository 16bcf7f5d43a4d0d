"""Keys of the JSON API: programs that work in one tenant. The row keeps the hash of 256 random bits.

Every function raises `DatabaseUnavailable`.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.errors import Absent, ConfigurationError
from db import audit
from db.session import system_transaction, tenant_transaction

MARK = "cts_"
PREFIX_CHARACTERS = 10
LONGEST_NAME = 80
TOUCH_SECONDS = 60
SCOPES = {"ler": "ler", "escrever": "ler e escrever"}
"""The words of each."""

_CREATE = text(
    "INSERT INTO sync.api_key (id, tenant_id, name, prefix, key_hash, scopes, created_by, expires_at)"
    " VALUES (:id, :tenant, :name, :prefix, :hash, :scopes, :by, :ends)"
)
_LIST = text(
    "SELECT id, name, prefix, scopes, created_by, created_at, used_at, expires_at, revoked_at"
    " FROM sync.api_key ORDER BY revoked_at IS NOT NULL, id DESC LIMIT :limit"
)
_REVOKE = text(
    "UPDATE sync.api_key SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL RETURNING name"
)
_FIND = text(
    "SELECT id, tenant_id, name, prefix, scopes,"
    " used_at IS NULL OR used_at < now() - make_interval(secs => :touch) AS stale FROM sync.api_key"
    " WHERE key_hash = :hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
)
_TOUCH = text("UPDATE sync.api_key SET used_at = now() WHERE id = :id")


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """`prefix` is the beginning of the key, for people to tell them apart."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revogada"
        return "vencida" if self.expires_at and self.expires_at <= datetime.now(UTC) else "ativa"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A living key."""

    id: UUID
    tenant_id: UUID
    name: str
    prefix: str
    scopes: frozenset[str]


async def create(
    engine: AsyncEngine,
    tenant_id: UUID,
    name: str,
    scopes: Collection[str],
    ends: datetime | None,
    by: audit.By,
) -> str:
    """The key, which nobody can read again. Raises `ConfigurationError`."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise ConfigurationError(f"O nome da chave é obrigatório e tem até {LONGEST_NAME} caracteres.")
    if not scopes or not SCOPES.keys() >= set(scopes):
        raise ConfigurationError(f"Escolha o que a chave pode: {', '.join(SCOPES)}.")
    if ends is not None and ends <= datetime.now(UTC):
        raise ConfigurationError("O vencimento da chave já passou.")
    key = MARK + secrets.token_urlsafe(32)
    values = {
        "id": uuid7(),
        "tenant": tenant_id,
        "name": name,
        "prefix": key[:PREFIX_CHARACTERS],
        "hash": _hash(key),
        "scopes": sorted(scopes),
        "by": by.actor,
        "ends": ends,
    }
    details = {"name": name, "prefix": values["prefix"], "scopes": values["scopes"], "expires_at": ends}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_CREATE, values)
        await audit.record(connection, tenant_id, by, "api_key.create", str(values["id"]), details)
    return key


async def listing(engine: AsyncEngine, tenant_id: UUID, *, limit: int = 200) -> list[ApiKeyRow]:
    """Those that may work first, the newest first."""
    async with tenant_transaction(engine, tenant_id) as connection:
        return [ApiKeyRow(**row._mapping) for row in await connection.execute(_LIST, {"limit": limit})]


async def revoke(engine: AsyncEngine, tenant_id: UUID, key_id: UUID, by: audit.By) -> str:
    """The name of the key, which works no more from now on. Raises `Absent`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        name = (await connection.execute(_REVOKE, {"id": key_id})).scalar_one_or_none()
        if name is None:
            raise Absent("Não há esta chave, ou ela já foi revogada.")
        await audit.record(connection, tenant_id, by, "api_key.revoke", str(key_id), {"name": name})
    return str(name)


async def find(engine: AsyncEngine, key: str) -> ApiKey | None:
    """The living key; it is looked up by its hash, which tells nothing of how near a guess was."""
    if not key.startswith(MARK):
        return None
    async with system_transaction(engine) as connection:
        values = {"hash": _hash(key), "touch": TOUCH_SECONDS}
        row = (await connection.execute(_FIND, values)).one_or_none()
        if row is None:
            return None
        if row.stale:
            await connection.execute(_TOUCH, {"id": row.id})
    return ApiKey(row.id, row.tenant_id, row.name, row.prefix, frozenset(row.scopes))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
