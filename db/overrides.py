"""Corrections of failed records, encrypted: they are people's data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Direction
from core.overriding import Override
from db import audit
from db.session import tenant_transaction
from db.vault import Vault

_LIVE = text(
    "SELECT id, external_id, internal_id, fields FROM sync.record_override"
    " WHERE integration_id = :integration AND entity = :entity AND direction = :direction"
    " AND lapsed_at IS NULL ORDER BY created_at"
)
_OF_RECORD = text(
    "SELECT o.id, o.author, o.reason, o.created_at, o.lapsed_at FROM sync.record_override o"
    " WHERE o.integration_id = :integration AND o.entity = :entity AND o.direction = :direction"
    " AND (:external <> '' AND o.external_id = :external OR o.internal_id = CAST(:internal AS uuid))"
    " ORDER BY o.created_at DESC LIMIT 20"
)
_LAPSE = text("UPDATE sync.record_override SET lapsed_at = now() WHERE id = ANY(:ids) AND lapsed_at IS NULL")
_REPLACE = text(
    "UPDATE sync.record_override SET lapsed_at = now() WHERE integration_id = :integration"
    " AND entity = :entity AND direction = :direction AND external_id = :external"
    " AND internal_id IS NOT DISTINCT FROM CAST(:internal AS uuid) AND lapsed_at IS NULL"
)
_INSERT = text(
    "INSERT INTO sync.record_override (tenant_id, integration_id, entity, direction, external_id,"
    " internal_id, fields, key_id, author, reason) VALUES (:tenant, :integration, :entity, :direction,"
    " :external, CAST(:internal AS uuid), :fields, :key, :author, :reason) RETURNING id"
)


class Sealed(msgspec.Struct, frozen=True):
    """What the ciphertext holds."""

    fields: dict[str, Any]
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The record that a correction is for: by external id in an import, by internal id in an export."""

    tenant_id: UUID
    integration_id: UUID
    entity: str
    direction: Direction
    external_id: str = ""
    internal_id: UUID | None = None


async def live(
    engine: AsyncEngine,
    vault: Vault,
    tenant_id: UUID,
    integration_id: UUID,
    entity: str,
    direction: Direction,
) -> dict[str, Override]:
    """Corrections that hold, by the record's id on the side that is read. Raises `WrongKey`."""
    values = {"integration": integration_id, "entity": entity, "direction": direction.value}
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_LIVE, values)).all()
    found = {}
    for row in rows:
        sealed = msgspec.json.decode(vault.open_payload(bytes(row.fields)), type=Sealed)
        key = row.external_id if direction is Direction.IMPORT else str(row.internal_id)
        found[key] = Override(row.id, sealed.fields, sealed.base)
    return found


async def of_record(engine: AsyncEngine, tenant_id: UUID, issue: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who corrected the record of an issue and why, the newest first; not with what."""
    values = {
        "integration": issue["integration_id"],
        "entity": issue["entity"],
        "direction": issue["direction"],
        "external": issue["external_id"],
        "internal": issue["internal_id"],
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_OF_RECORD, values)]


async def keep(
    engine: AsyncEngine,
    vault: Vault,
    record: Corrected,
    fields: Mapping[str, Any],
    base: str,
    *,
    author: str,
    reason: str,
) -> UUID:
    """A correction in place of the record's earlier one. The audit row names the fields, not their values."""
    sealed = vault.seal_payload(msgspec.json.encode(Sealed(dict(fields), base)))
    values = {
        "tenant": record.tenant_id,
        "integration": record.integration_id,
        "entity": record.entity,
        "direction": record.direction.value,
        "external": record.external_id,
        "internal": record.internal_id,
        "fields": sealed.ciphertext,
        "key": sealed.key_id,
        "author": author,
        "reason": reason,
    }
    async with tenant_transaction(engine, record.tenant_id) as connection:
        await connection.execute(_REPLACE, values)
        made: UUID = (await connection.execute(_INSERT, values)).scalar_one()
        details = {"entity": record.entity, "fields": sorted(fields), "external_id": record.external_id}
        by = audit.By(author, reason)
        await audit.record(connection, record.tenant_id, by, "record.override", str(made), details)
    return made


async def lapse(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """The source changed what these correct: it is believed again."""
    if ids:
        await connection.execute(_LAPSE, {"ids": list(ids)})
