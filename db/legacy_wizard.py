"""The wizard's side of legacy migrations: what a person sees and changes before and after the runs.

Every function raises `DatabaseUnavailable`; those of one migration `Absent` for one of another tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Direction
from core.errors import Absent, ConfigurationError
from db import admin, audit, legacy
from db.legacy import Migration
from db.session import tenant_transaction
from db.vault import Vault

BY_FILE, BY_DATABASE = "legacy-excel", "legacy-sql"
SHEETS = "Planilhas do ERP legado"
NOTHING = "Não há migração com este id."
BUSY = "Uma migração destes registros está em andamento: espere o fim dela, ou cancele a execução em Logs."
QUEUED_FOR = "10 minutes"
"""After so long without a run, what was asked for is held to be lost: it may be asked for again."""

_LISTING = text(
    "SELECT m.id, m.entity, m.state, m.dry_run, m.counts, m.message, m.requested_by, m.created_at,"
    " m.ended_at, m.applied_at, m.options, f.name AS file, i.name AS integration FROM sync.migration m"
    " JOIN sync.integration i ON i.id = m.integration_id LEFT JOIN sync.legacy_file f ON f.id = m.file_id"
    " WHERE CAST(:before AS uuid) IS NULL OR (m.created_at, m.id) <"
    " ((SELECT b.created_at FROM sync.migration b WHERE b.id = :before), CAST(:before AS uuid))"
    " ORDER BY m.created_at DESC, m.id DESC LIMIT :limit"
)
_KNOWN = text("SELECT EXISTS (SELECT FROM sync.migration WHERE id = :id)")
_SEEN = text(
    "SELECT m.sample, m.others, m.total, m.asked_at, f.name AS file, i.name AS integration, i.provider,"
    " m.asked_at > now() - CAST(:patience AS interval) AND NOT EXISTS"
    " (SELECT FROM sync.sync_log l WHERE l.flow_run_id = m.asked_run) AS queued"
    " FROM sync.migration m JOIN sync.integration i ON i.id = m.integration_id"
    " LEFT JOIN sync.legacy_file f ON f.id = m.file_id WHERE m.id = :id"
)
# Of all runs since it was begun: one that was broken off goes on in the next.
_PROGRESS = text(
    "SELECT sum(l.processed)::bigint AS processed, sum(l.created)::bigint AS created,"
    " sum(l.updated)::bigint AS updated, sum(l.skipped)::bigint AS skipped, sum(l.errors)::bigint AS errors,"
    " (array_agg(l.status ORDER BY l.started_at DESC))[1] AS status,"
    " (array_agg(l.id ORDER BY l.started_at DESC))[1] AS log_id,"
    " (array_agg(l.message ORDER BY l.started_at DESC))[1] AS message,"
    " (array_agg(l.remedy ORDER BY l.started_at DESC))[1] AS remedy, min(l.started_at) AS started_at,"
    " max(l.ended_at) AS ended_at FROM sync.sync_log l JOIN sync.migration m ON m.pair_id = l.pair_id"
    " WHERE m.id = :id AND l.started_at >= m.started_at AND (m.ended_at IS NULL OR l.started_at < m.ended_at)"
    " HAVING count(*) > 0"
)
_BUSY = text(
    "SELECT p.lease_log_id IS NOT NULL AND p.lease_expires_at > now() FROM sync.pair p"
    " JOIN sync.migration m ON m.pair_id = p.id WHERE m.id = :id FOR UPDATE OF p"
)
_LOOKED = text(
    "UPDATE sync.migration SET sample = CAST(:sample AS jsonb), others = CAST(:others AS jsonb),"
    " total = :total WHERE id = :id"
)
_MAP = text(
    "UPDATE sync.migration SET columns = CAST(:columns AS jsonb), options = CAST(:options AS jsonb),"
    " fingerprint = :fingerprint, state = 'ready', counts = '{}', message = '', ended_at = NULL,"
    " asked_at = NULL WHERE id = :id"
)
_FORGET = text("DELETE FROM sync.migration_rejection WHERE migration_id = :id")
_ASKED = text("UPDATE sync.migration SET asked_run = :run, asked_at = now() WHERE id = :id")
_DELETE = text("DELETE FROM sync.migration WHERE id = :id")
# Reasons are alike but for the rows that they name.
_REASONS = text(
    "SELECT regexp_replace(regexp_replace(reason, '^Linha [0-9]+(, |: )', ''), 'linha [0-9]+',"
    " 'outra linha', 'g') AS reason, count(*) AS rows, min(number) AS first FROM sync.migration_rejection"
    " WHERE migration_id = :id GROUP BY 1 ORDER BY 2 DESC, 3 LIMIT :most"
)
MOST_REASONS = 50

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the wizard keeps beside a migration. `sample`: [row number, cells] of the first rows; `queued`:
    a run was asked for that has not begun."""

    sample: list[tuple[int, list[Any]]]
    others: list[str]
    total: int | None
    asked_at: datetime | None
    file: str | None
    integration: str
    provider: str
    queued: bool


async def sheets_integration(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, by: audit.By
) -> admin.IntegrationRow:
    """The one that all files belong to where nobody says another, made on first use."""
    found = await _sheets(engine, tenant_id)
    if found is not None:
        return found
    draft = admin.Draft(
        tenant_id=tenant_id,
        provider=BY_FILE,
        name=SHEETS,
        base_url=None,
        settings={},
        secrets={},
        direction=Direction.IMPORT,
        pairs={},
    )
    await admin.create_integration(engine, vault, draft, by=by)
    made = await _sheets(engine, tenant_id)
    if made is None:
        raise Absent(NOTHING)
    return made


async def _sheets(engine: AsyncEngine, tenant_id: UUID) -> admin.IntegrationRow | None:
    rows = await admin.integrations(engine, tenant_id)
    return next((row for row in rows if row.provider == BY_FILE), None)


async def listing(engine: AsyncEngine, tenant_id: UUID, *, before: UUID | None, limit: int) -> list[Row]:
    """The newest first; `before` is the last id of the page before."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_LISTING, {"before": before, "limit": limit})).all()
    return [dict(row._mapping) for row in rows]


async def read(engine: AsyncEngine, tenant_id: UUID, id_: UUID) -> tuple[Migration, Seen, Row | None]:
    """The migration, what is kept beside it, and its runs since it was begun, as one."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await _known(connection, id_)
        found = (await connection.execute(_SEEN, {"id": id_, "patience": QUEUED_FOR})).one()
        progress = (await connection.execute(_PROGRESS, {"id": id_})).one_or_none()
    values = dict(found._mapping) | {"queued": bool(found.queued)}
    values["sample"] = [(number, cells) for number, cells in found.sample]
    runs = dict(progress._mapping) if progress is not None else None
    return await legacy.read(engine, id_), Seen(**values), runs


async def looked(
    engine: AsyncEngine,
    tenant_id: UUID,
    id_: UUID,
    *,
    sample: bytes,
    others: Sequence[str],
    total: int | None,
) -> None:
    """Keep what a person is shown; `sample` is JSON."""
    values = {"id": id_, "sample": sample.decode(), "total": total}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_LOOKED, values | {"others": msgspec.json.encode(list(others)).decode()})


async def map_(
    engine: AsyncEngine, migration: Migration, columns: Sequence[Row], options: Row, by: audit.By
) -> None:
    """Another mapping: what a run of the old one said is forgotten. Raises `ConfigurationError` while a run
    is under way."""
    values = {
        "id": migration.id,
        "columns": msgspec.json.encode(list(columns)).decode(),
        "options": msgspec.json.encode(options).decode(),
        "fingerprint": legacy.fingerprint(legacy.titles_of(columns)),
    }
    fields = sorted(str(column["field"]) for column in columns if column["field"])
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        await _at_rest(connection, migration.id)
        await connection.execute(_FORGET, {"id": migration.id})
        await connection.execute(_MAP, values)
        details = {"fields": fields}
        await audit.record(connection, migration.tenant_id, by, "migration.map", str(migration.id), details)


async def check_free(engine: AsyncEngine, migration: Migration) -> None:
    """Raises `ConfigurationError` while a run of the same records is under way."""
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        await _at_rest(connection, migration.id)


async def asked(
    engine: AsyncEngine, migration: Migration, flow_run_id: UUID, *, apply: bool, by: audit.By
) -> None:
    """A run was asked for."""
    action = "migration.apply" if apply else "migration.simulate"
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        await connection.execute(_ASKED, {"id": migration.id, "run": flow_run_id})
        await audit.record(connection, migration.tenant_id, by, action, str(migration.id))


async def delete(engine: AsyncEngine, migration: Migration, by: audit.By) -> None:
    """The file goes with the next sweep, where nothing else uses it. Raises `ConfigurationError` while a run
    is under way."""
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        await _at_rest(connection, migration.id)
        await connection.execute(_DELETE, {"id": migration.id})
        await audit.record(connection, migration.tenant_id, by, "migration.delete", str(migration.id))


async def reasons(engine: AsyncEngine, migration: Migration) -> list[Row]:
    """Why rows were refused, the most frequent first: {"reason", "rows", "first"}."""
    async with tenant_transaction(engine, migration.tenant_id) as connection:
        rows = (await connection.execute(_REASONS, {"id": migration.id, "most": MOST_REASONS})).all()
    return [dict(row._mapping) for row in rows]


async def _known(connection: AsyncConnection, id_: UUID) -> None:
    if not (await connection.execute(_KNOWN, {"id": id_})).scalar_one():
        raise Absent(NOTHING)


async def _at_rest(connection: AsyncConnection, id_: UUID) -> None:
    if (await connection.execute(_BUSY, {"id": id_})).scalar():
        raise ConfigurationError(BUSY)
