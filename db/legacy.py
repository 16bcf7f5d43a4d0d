"""Legacy migrations on record: the mapping, the state, the rows refused. Every function raises
`DatabaseUnavailable`.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.errors import Absent, ConfigurationError
from core.ports import Counts, Issue
from db import audit
from db.session import system_transaction, tenant_transaction

PAGE = 5_000

_COLUMNS = (
    "m.id, m.tenant_id, m.integration_id, m.pair_id, m.entity, m.file_id, m.options, m.columns, m.state,"
    " m.dry_run, m.counts, m.message, m.requested_by, m.flow_run_id, m.created_at,"
    " m.started_at AS begun_at, m.ended_at, m.applied_at"
)
_READ = text(f"SELECT {_COLUMNS} FROM sync.migration m WHERE m.id = :id")  # noqa: S608 - our own names
_CURRENT = text(
    f"SELECT {_COLUMNS} FROM sync.migration m WHERE m.pair_id = :pair AND m.state = 'running'"  # noqa: S608
)
_SAME = text(
    f"SELECT {_COLUMNS} FROM sync.migration m WHERE m.integration_id = :integration"  # noqa: S608
    " AND m.entity = :entity AND m.file_id IS NOT DISTINCT FROM CAST(:file AS uuid)"
    " AND m.options = CAST(:options AS jsonb) AND m.columns = CAST(:columns AS jsonb)"
    " ORDER BY m.created_at DESC LIMIT 1"
)
_TENANT = text("SELECT tenant_id FROM sync.migration WHERE id = :id")
_CREATE = text(
    "INSERT INTO sync.migration (id, tenant_id, integration_id, pair_id, entity, file_id, options, columns,"
    " fingerprint, requested_by) VALUES (:id, :tenant, :integration, :pair, :entity, :file,"
    " CAST(:options AS jsonb), CAST(:columns AS jsonb), :fingerprint, :by)"
)
_SAVED = text(
    "SELECT columns FROM sync.migration WHERE integration_id = :integration AND entity = :entity"
    " AND fingerprint = :fingerprint ORDER BY created_at DESC LIMIT 1"
)
# A run that goes on keeps the rows that were refused before it.
_BEGIN = text(
    "UPDATE sync.migration SET state = 'running', dry_run = :dry_run, flow_run_id = :flow_run, message = '',"
    " counts = '{}', started_at = now(), ended_at = NULL WHERE id = :id"
)
_SUPERSEDE = text(
    "UPDATE sync.migration SET state = 'failed', ended_at = now(),"
    " message = 'Outra migração deste par tomou o seu lugar.' WHERE pair_id = :pair AND state = 'running'"
    " AND id <> :id"
)
_BUSY = text(
    "SELECT lease_log_id IS NOT NULL AND lease_expires_at > now() FROM sync.pair WHERE id = :pair FOR UPDATE"
)
_FORGET = text("DELETE FROM sync.migration_rejection WHERE migration_id = :id")
_END = text(
    "UPDATE sync.migration SET state = :state, ended_at = now(), message = :message,"
    " counts = CAST(:counts AS jsonb), applied_at = CASE WHEN :state = 'done' AND NOT dry_run THEN now()"
    " ELSE applied_at END WHERE id = :id AND state = 'running'"
)
_REJECT = text(
    "INSERT INTO sync.migration_rejection (tenant_id, migration_id, number, field, reason, cells)"
    " SELECT CAST(:tenant AS uuid), CAST(:id AS uuid), r.number, r.field, r.reason, r.cells"
    " FROM json_to_recordset(CAST(:rows AS json)) AS r(number integer, field text, reason text, cells jsonb)"
    " ON CONFLICT (migration_id, number) DO UPDATE SET field = excluded.field, reason = excluded.reason,"
    " cells = excluded.cells"
)
_REJECTED = text(
    "SELECT number, field, reason, cells FROM sync.migration_rejection"
    " WHERE migration_id = :id AND number > :after ORDER BY number LIMIT :page"
)
_COUNT = text("SELECT count(*) FROM sync.migration_rejection WHERE migration_id = :id")
_PAIR = text("SELECT id FROM sync.pair WHERE integration_id = :integration AND entity = :entity")
_NEW_PAIR = text(
    "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction) VALUES"
    " (:id, :tenant, :integration, :entity, 'import')"
)


@dataclass(frozen=True, slots=True)
class Migration:
    """`options` say where and how to read, `columns` what each is: {"title", "field", "label", "score"}."""

    id: UUID
    tenant_id: UUID
    integration_id: UUID
    pair_id: UUID
    entity: Entity
    file_id: UUID | None
    options: dict[str, Any]
    columns: list[dict[str, Any]]
    state: str
    dry_run: bool
    counts: dict[str, Any]
    message: str
    requested_by: str
    flow_run_id: UUID | None
    created_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    applied_at: datetime | None


async def create(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    entity: Entity,
    *,
    file_id: UUID | None,
    options: dict[str, Any],
    columns: Sequence[dict[str, Any]],
    by: audit.By,
) -> UUID:
    """The migration of this source with this mapping; the same one again is the one there is."""
    values = {
        "tenant": tenant_id,
        "integration": integration_id,
        "entity": entity.value,
        "file": file_id,
        "options": msgspec.json.encode(options).decode(),
        "columns": msgspec.json.encode(columns).decode(),
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        same = (await connection.execute(_SAME, values)).one_or_none()
        if same is not None:
            return UUID(str(same.id))
        pair = (await connection.execute(_PAIR, values)).scalar()
        if pair is None:
            pair = uuid7()
            await connection.execute(_NEW_PAIR, values | {"id": pair})
        id_ = uuid7()
        more = {"id": id_, "pair": pair, "fingerprint": fingerprint(titles_of(columns)), "by": by.actor}
        await connection.execute(_CREATE, values | more)
        await audit.record(connection, tenant_id, by, "migration.create", str(id_), {"entity": entity.value})
    return id_


async def saved_mapping(
    engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: Entity, titles: Sequence[str]
) -> dict[str, str]:
    """Title → field of the newest migration whose source has these titles."""
    values = {
        "integration": integration_id,
        "entity": entity.value,
        "fingerprint": fingerprint(titles),
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_SAVED, values)).scalar() or []
    return {column["title"]: column["field"] or "" for column in found if column["score"] == 100}


async def read(engine: AsyncEngine, migration_id: UUID) -> Migration:
    """Raises `ConfigurationError` for a migration that does not exist."""
    async with system_transaction(engine) as connection:
        tenant = (await connection.execute(_TENANT, {"id": migration_id})).scalar()
    if tenant is None:
        raise Absent("Não há migração com este id: crie uma com `cloudtosys migrate-legacy`.")
    async with tenant_transaction(engine, tenant) as connection:
        return _migration((await connection.execute(_READ, {"id": migration_id})).one())


async def current(engine: AsyncEngine, tenant_id: UUID, pair_id: UUID) -> Migration | None:
    """The one that the pair's next run reads."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_CURRENT, {"pair": pair_id})).one_or_none()
    return _migration(found) if found is not None else None


async def begin(
    engine: AsyncEngine, migration: Migration, *, dry_run: bool, flow_run_id: UUID | None
) -> None:
    """Make it the pair's current one. One that was broken off goes on, unless it did something else.

    Raises `ConfigurationError` while another run of the pair is under way.
    """
    goes_on = migration.state == "running" and migration.dry_run == dry_run and not dry_run
    values = {"id": migration.id, "pair": migration.pair_id, "dry_run": dry_run, "flow_run": flow_run_id}
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        if goes_on:
            return
        if (await connection.execute(_BUSY, {"pair": migration.pair_id})).scalar_one():
            raise ConfigurationError("Outra migração destes registros está em andamento: espere o fim dela.")
        await connection.execute(_SUPERSEDE, {"id": migration.id, "pair": migration.pair_id})
        await connection.execute(_FORGET, {"id": migration.id})
        await connection.execute(_BEGIN, values)


async def end(
    engine: AsyncEngine, migration: Migration, state: str, counts: Counts | None, message: str
) -> None:
    """`counts` of its last run; the refused rows are those of all its runs."""
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        rejected = (await connection.execute(_COUNT, {"id": migration.id})).scalar_one()
        total = {"rejected": rejected}
        if counts is not None:
            total |= {"created": counts.created, "updated": counts.updated, "skipped": counts.skipped}
        values = {"id": migration.id, "state": state, "message": message}
        await connection.execute(_END, values | {"counts": msgspec.json.encode(total).decode()})


async def rejected(engine: AsyncEngine, migration: Migration) -> AsyncIterator[tuple[int, list[Any], str]]:
    """(row number, cells, reason) in the source's order."""
    after = -1
    while True:
        async with tenant_transaction(engine, migration.tenant_id) as connection:
            values = {"id": migration.id, "after": after, "page": PAGE}
            page = (await connection.execute(_REJECTED, values)).all()
        for row in page:
            yield row.number, row.cells, row.reason
            after = row.number
        if len(page) < PAGE:
            return


class Rejections:
    """Refused rows of one migration, written in the transaction of their batch."""

    def __init__(self, migration: Migration) -> None:
        self._migration = migration

    async def note(self, connection: AsyncConnection, issues: Sequence[Issue]) -> None:
        rows = [row for issue in issues for row in _rejections(issue)]
        if not rows:
            return
        values = {
            "tenant": str(self._migration.tenant_id),
            "id": str(self._migration.id),
            "rows": msgspec.json.encode(rows).decode(),
        }
        await connection.execute(_REJECT, values)


def _rejections(issue: Issue) -> list[dict[str, Any]]:
    raw = msgspec.json.decode(issue.payload)
    field = getattr(issue.error, "field", "")
    return [
        {"number": number, "field": field, "reason": issue.error.message, "cells": cells}
        for number, cells in raw["rows"]
    ]


def fingerprint(titles: Sequence[str]) -> str:
    """Of a set of titles, in any order."""
    return hashlib.sha256("\n".join(sorted(titles)).encode()).hexdigest()


def titles_of(columns: Sequence[dict[str, Any]]) -> list[str]:
    return [str(column["title"]) for column in columns]


def _migration(row: Any) -> Migration:
    values = dict(row._mapping)
    values["entity"] = Entity(values["entity"])
    return Migration(**values)
