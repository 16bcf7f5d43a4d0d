"""An integration's webhook address, its token, and what is known of its topics.

The token proves messages of systems that sign with a secret of ours, or with none. It is shown when it is
made and never again; for a day after a rotation the one before is accepted too. Every function raises
`DatabaseUnavailable`.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.actor import Actor
from core.entities import Entity
from core.errors import ConfigurationError
from core.webhooks import TOKEN, Webhooks
from db import audit
from db.session import system_transaction, tenant_transaction
from db.vault import Vault

OVERLAP = timedelta(hours=24)

_PUBLIC_ID = text(
    "SELECT webhook_public_id FROM sync.integration WHERE id = :integration AND deleted_at IS NULL"
)
_READ = text("SELECT ciphertext FROM sync.credential WHERE integration_id = :integration AND name = :name")
# The row of the integration is there before the first token is, and keeps two rotations apart.
_LOCK = text("SELECT FROM sync.integration WHERE id = :integration FOR UPDATE")
_KEEP = text(
    "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id)"
    " VALUES (:tenant, :integration, :name, :secret, :key) ON CONFLICT (integration_id, name)"
    " DO UPDATE SET ciphertext = :secret, key_id = :key, updated_at = now()"
)
_TOPICS = text(
    "SELECT topic, events, last_received_at, registered_as, checked_at, error FROM sync.webhook_topic"
    " WHERE integration_id = :integration"
)
_REGISTERED = text(
    "INSERT INTO sync.webhook_topic (tenant_id, integration_id, topic, registered_as, checked_at, error)"
    " VALUES (:tenant, :integration, :topic, :as, now(), :error) ON CONFLICT (integration_id, topic)"
    " DO UPDATE SET registered_as = :as, checked_at = now(), error = :error"
)
_ACTIVE = text(
    "SELECT i.tenant_id, i.id, i.provider, i.base_url, i.settings FROM sync.integration i"
    " WHERE i.status = 'active' AND i.deleted_at IS NULL AND i.provider = ANY(:providers) ORDER BY i.id"
)
_IMPORTED = text(
    "SELECT entity FROM sync.pair WHERE integration_id = :integration AND enabled"
    " AND direction IN ('import', 'both')"
)


class Tokens(msgspec.Struct, frozen=True):
    """`previous` is accepted until `until`."""

    current: str
    previous: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A declared topic. `registered_as` marks the address and token it was registered with; empty where it is
    not. `error` says why the last try failed."""

    name: str
    entities: tuple[Entity, ...]
    events: int = 0
    last_received_at: datetime | None = None
    registered_as: str = ""
    checked_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Registrable:
    """An active integration of a provider whose API registers webhooks. `settings` hold no secret."""

    tenant_id: UUID
    integration_id: UUID
    provider: str
    settings: Mapping[str, str]


def address(public_url: str, provider: str, public_id: UUID, token: str = "") -> str:
    """Where the external system calls. Raises `ConfigurationError` without a public address."""
    if not public_url:
        raise ConfigurationError(
            "CLOUDTOSYS_PUBLIC_URL não está definida: sem o endereço público da instalação, como "
            "https://integracoes.suaempresa.com.br, nenhum sistema externo a alcança."
        )
    query = f"?token={quote(token)}" if token else ""
    return f"{public_url}/webhooks/{provider}/{public_id}{query}"


def accepted(stored: str) -> tuple[str, ...]:
    """The tokens that prove a message now, from the opened secret; none where there is none."""
    if not stored:
        return ()
    tokens = msgspec.json.decode(stored, type=Tokens)
    late = tokens.until is None or datetime.now(UTC) >= tokens.until
    return (tokens.current,) if late else (tokens.current, tokens.previous)


async def public_id(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID) -> UUID:
    """Raises `ConfigurationError` for an integration that is not there."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_PUBLIC_ID, {"integration": integration_id})).scalar_one_or_none()
    if found is None:
        raise ConfigurationError("A integração não existe mais.")
    return UUID(str(found))


async def token(engine: AsyncEngine, vault: Vault, tenant_id: UUID, integration_id: UUID) -> str:
    """The current one, for registrations, made where there is none yet; it is not for people."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_LOCK, {"integration": integration_id})
        known = await _read(connection, vault, tenant_id, integration_id)
        if known is None:
            known = Tokens(_new())
            await _keep(connection, vault, tenant_id, integration_id, known)
    return known.current


async def rotate(
    engine: AsyncEngine, vault: Vault, actor: Actor, tenant_id: UUID, integration_id: UUID
) -> str:
    """A new token, to be shown this once; the one before lasts another `OVERLAP`. Raises `NotAllowed`."""
    actor.require_edit()
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_LOCK, {"integration": integration_id})
        known = await _read(connection, vault, tenant_id, integration_id)
        made = Tokens(_new())
        if known is not None:
            made = Tokens(made.current, known.current, datetime.now(UTC) + OVERLAP)
        await _keep(connection, vault, tenant_id, integration_id, made)
        await audit.record(connection, tenant_id, audit.By(actor.name), "webhook.rotate", str(integration_id))
    return made.current


async def has_token(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID) -> bool:
    async with tenant_transaction(engine, tenant_id) as connection:
        values = {"integration": integration_id, "name": TOKEN}
        return (await connection.execute(_READ, values)).one_or_none() is not None


async def topics(
    engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, declared: Webhooks
) -> list[Topic]:
    """Every topic of the declaration, heard of or not, in its order."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_TOPICS, {"integration": integration_id})).all()
    known = {row.topic: row for row in rows}
    return [_topic(name, entities, known.get(name)) for name, entities in declared.topics.items()]


async def wanted(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, declared: Webhooks) -> list[str]:
    """Topics about entities that the integration imports."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_IMPORTED, {"integration": integration_id})).scalars()
        imported = set(found)
    return [name for name, told in declared.topics.items() if imported & {entity.value for entity in told}]


async def note_registered(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    outcomes: Mapping[str, str],
    registered_as: str,
) -> None:
    """What a registration came to: an error by topic, empty where it stands."""
    values = {"tenant": tenant_id, "integration": integration_id}
    rows = [
        values | {"topic": name, "as": "" if error else registered_as, "error": error}
        for name, error in outcomes.items()
    ]
    if rows:
        async with tenant_transaction(engine, tenant_id) as connection:
            await connection.execute(_REGISTERED, rows)


async def registrable(engine: AsyncEngine, providers: Sequence[str]) -> list[Registrable]:
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_ACTIVE, {"providers": list(providers)})).all()
    return [
        Registrable(row.tenant_id, row.id, row.provider, _settings(row.settings, row.base_url))
        for row in rows
    ]


def mark(address_: str, token_: str) -> str:
    """What a registration was made with, without telling it."""
    return hashlib.sha256(f"{address_}\n{token_}".encode()).hexdigest()[:16]


def _new() -> str:
    """Letters and digits alone: WooCommerce reads other characters as HTML."""
    return secrets.token_hex(32)


async def _read(
    connection: AsyncConnection, vault: Vault, tenant_id: UUID, integration_id: UUID
) -> Tokens | None:
    values = {"integration": integration_id, "name": TOKEN}
    row = (await connection.execute(_READ, values)).one_or_none()
    if row is None:
        return None
    opened = vault.open(tenant_id, integration_id, TOKEN, bytes(row.ciphertext))
    return msgspec.json.decode(opened, type=Tokens)


async def _keep(
    connection: AsyncConnection, vault: Vault, tenant_id: UUID, integration_id: UUID, tokens: Tokens
) -> None:
    sealed = vault.seal(tenant_id, integration_id, TOKEN, msgspec.json.encode(tokens).decode())
    values = {"tenant": tenant_id, "integration": integration_id, "name": TOKEN}
    await connection.execute(_KEEP, values | {"secret": sealed.ciphertext, "key": sealed.key_id})


def _topic(name: str, entities: tuple[Entity, ...], row: Any) -> Topic:
    if row is None:
        return Topic(name, entities)
    return Topic(
        name,
        entities,
        row.events,
        row.last_received_at,
        row.registered_as,
        row.checked_at,
        row.error,
    )


def _settings(settings: Mapping[str, Any], base_url: str | None) -> dict[str, str]:
    found = {name: str(value) for name, value in settings.items()}
    return found | ({"base_url": base_url} if base_url else {})
