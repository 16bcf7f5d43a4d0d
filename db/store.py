"""`core.ports.Store` over PostgreSQL: what one run reads and writes, always as its tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.errors import ConflictError, LeaseLost, RecordError, SyncError
from core.ports import VARIANTS, Action, Change, Counts, Cursor, Issue, Key, Known, Match
from db import models, rows
from db.bulk import upsert
from db.session import tenant_transaction
from db.vault import Vault

MAPPING = (
    *("id", "integration_id", "entity", "external_id", "parent_external_id", "internal_id", "state"),
    *("external_hash", "external_updated_at", "synced_at", "incomplete"),
)
ISSUE = (
    *("id", "sync_log_id", "integration_id", "pair_id", "entity", "direction", "external_id"),
    *("error_class", "field", "message", "cause", "remedy", "fault", "provider_code", "provider_message"),
    *("payload", "key_id", "attempt"),
)

_KNOWN = text(
    "SELECT external_id, id, internal_id, external_hash, incomplete FROM sync.mapping"
    " WHERE integration_id = :integration AND entity = :kind AND external_id = ANY(:ids)"
)
_RESOLVE = text(
    "SELECT external_id, internal_id FROM sync.mapping WHERE integration_id = :integration"
    " AND entity = :kind AND external_id = ANY(:ids) AND state <> 'orphan'"
)
_MATCH = """
SELECT {value} AS value, t.id, m.external_id FROM erp.{table} t
LEFT JOIN sync.mapping m ON m.integration_id = :integration AND m.entity = :kind AND m.internal_id = t.id
  AND m.state <> 'orphan'
WHERE t.deleted_at IS NULL AND {where}
"""
_MATCHES = {
    Entity.PRODUCTS.value: ("t.sku", "product", "t.sku = ANY(:values)"),
    VARIANTS: ("t.sku", "product_variant", "t.sku = ANY(:values)"),
    Entity.CATEGORIES.value: ("t.slug", "category", "t.slug = ANY(:values)"),
    Entity.CUSTOMERS.value: ("t.document", "customer", "t.document = ANY(:values)"),
    Entity.ORDERS.value: ("t.number", '"order"', "t.channel = :channel AND t.number = ANY(:values)"),
    Entity.STOCK.value: (
        "coalesce(t.variant_id, t.product_id)::text",
        "stock_level",
        "t.branch_id = :branch AND coalesce(t.variant_id, t.product_id) = ANY(CAST(:values AS uuid[]))",
    ),
}
_LEASE = text(
    "UPDATE sync.pair SET lease_expires_at = now() + make_interval(secs => :seconds)"
    " WHERE id = :pair AND lease_token = :token AND lease_log_id = :log"
)
_CURSOR = text(
    "INSERT INTO sync.cursor"
    " (pair_id, tenant_id, watermark, scanning, full_scan, since, place, signpost, high)"
    " VALUES (:pair, :tenant, :watermark, :scanning, :full, :since, :place, :signpost, :high)"
    " ON CONFLICT (pair_id) DO UPDATE SET watermark = excluded.watermark, scanning = excluded.scanning,"
    " full_scan = excluded.full_scan, since = excluded.since, place = excluded.place,"
    " signpost = excluded.signpost, high = excluded.high, updated_at = now()"
)
_COUNT = text(
    "UPDATE sync.sync_log SET created = created + :created, updated = updated + :updated,"
    " success = success + :created + :updated, skipped = skipped + :skipped, errors = errors + :errors,"
    " processed = processed + :created + :updated + :skipped + :errors, total = coalesce(:total, total)"
    " WHERE id = :log AND status = 'running'"
)
_FULL_SCAN_DONE = text("UPDATE sync.pair SET last_full_at = now() WHERE id = :pair")
_ATTEMPTS = text(
    "SELECT external_id, max(attempt) FROM sync.issue WHERE integration_id = :integration"
    " AND entity = :entity AND external_id = ANY(:ids) AND state = 'open' GROUP BY external_id"
)
_RESOLVE_ISSUES = text(
    "UPDATE sync.issue SET state = 'resolved', resolved_at = now(), resolved_by = 'sync'"
    " WHERE integration_id = :integration AND entity = :entity AND external_id = ANY(:ids)"
    " AND state = 'open'"
)
_GONE_VARIANTS = text(
    "WITH gone AS (UPDATE erp.product_variant SET deleted_at = now() WHERE product_id = ANY(:products)"
    " AND deleted_at IS NULL AND id <> ALL(:kept) RETURNING id)"
    " UPDATE sync.mapping SET state = 'orphan' WHERE integration_id = :integration AND entity = 'variants'"
    " AND internal_id IN (SELECT id FROM gone)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The run that a store serves. `branch_id` receives stock; `channel` marks orders."""

    tenant_id: UUID
    integration_id: UUID
    pair_id: UUID
    log_id: UUID
    entity: Entity
    lease_token: int
    lease_seconds: float
    branch_id: UUID
    channel: str


class PgStore:
    def __init__(self, engine: AsyncEngine, vault: Vault, bound: Bound) -> None:
        self._engine = engine
        self._vault = vault
        self._bound = bound
        self._tenant = str(bound.tenant_id)

    async def known(self, kind: str, external_ids: Sequence[str]) -> dict[str, Known]:
        found = await self._read(_KNOWN, kind=kind, ids=list(external_ids))
        return {row[0]: Known(row[1], row[2], row[3], row[4]) for row in found}

    async def resolve(self, keys: Sequence[Key]) -> dict[Key, UUID]:
        wanted: dict[str, list[str]] = {}
        for kind, external_id in keys:
            wanted.setdefault(kind, []).append(external_id)
        return {
            (kind, external_id): internal_id
            for kind, ids in wanted.items()
            for external_id, internal_id in await self._read(_RESOLVE, kind=kind, ids=ids)
        }

    async def match(self, kind: str, values: Sequence[str]) -> dict[str, list[Match]]:
        value, table, where = _MATCHES[kind]
        statement = text(_MATCH.format(value=value, table=table, where=where))
        options = {"channel": self._bound.channel, "branch": self._bound.branch_id}
        used = {name: option for name, option in options.items() if f":{name}" in where}
        found: dict[str, list[Match]] = {}
        for row in await self._read(statement, kind=kind, values=list(values), **used):
            found.setdefault(row[0], []).append(Match(row[1], row[2]))
        return found

    async def commit(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        *,
        skipped: int,
        cursor: Cursor,
        total: int | None,
    ) -> Counts:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            await self._hold(connection)
            refused = await self._write(connection, changes)
            gone = {id(change) for change, _ in refused}
            written = [change for change in changes if id(change) not in gone]
            failed = [*issues, *(_as_issue(change, error) for change, error in refused)]
            await self._record_issues(connection, failed, written)
            created = sum(change.action is Action.CREATE for change in written)
            counts = Counts(created, len(written) - created, skipped, len(failed))
            await self._advance(connection, cursor, counts, total)
        return counts

    async def _read(self, statement: Any, **parameters: Any) -> Sequence[Any]:
        parameters["integration"] = self._bound.integration_id
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            return (await connection.execute(statement, parameters)).all()

    async def _hold(self, connection: AsyncConnection) -> None:
        """Every write is fenced: a run that lost its lease writes nothing."""
        bound = self._bound
        held = await connection.execute(
            _LEASE,
            {
                "pair": bound.pair_id,
                "token": bound.lease_token,
                "log": bound.log_id,
                "seconds": bound.lease_seconds,
            },
        )
        if held.rowcount != 1:
            raise LeaseLost("Outra execução assumiu este par; nada foi gravado por esta.")

    async def _write(
        self, connection: AsyncConnection, changes: Sequence[Change]
    ) -> list[tuple[Change, SyncError]]:
        """All changes together; where the database refuses, one by one, to find the ones it refuses."""
        if not changes:
            return []
        if await self._try(connection, changes) is None:
            return []
        return [
            (change, error)
            for change in changes
            if (error := await self._try(connection, [change])) is not None
        ]

    async def _try(self, connection: AsyncConnection, changes: Sequence[Change]) -> SyncError | None:
        try:
            async with connection.begin_nested():
                await self._put(connection, changes)
        except IntegrityError as error:
            constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", "") or ""
            return ConflictError(
                f"Já existe no ERP um registro com o mesmo valor único ({constraint}).",
                provider_code=constraint,
            )
        except DataError:
            return RecordError("Um valor não cabe no campo correspondente do ERP.", field="")
        return None

    async def _put(self, connection: AsyncConnection, changes: Sequence[Change]) -> None:
        bound = self._bound
        old = rows.replaced(changes)
        for write in rows.writes(bound.entity, changes, bound.branch_id, bound.channel):
            if write.replaces and old:
                table = f'{write.table.schema}."{write.table.name}"'
                statement = text(f"DELETE FROM {table} WHERE {write.replaces} = ANY(:ids)")  # noqa: S608
                await connection.execute(statement, {"ids": old})
            await upsert(connection, write.table, write.columns, write.rows, self._tenant)
        if bound.entity is Entity.PRODUCTS:
            await self._put_variant_mappings(connection, changes, old)
        mappings = [self._mapping(change) for change in changes]
        await upsert(connection, models.mapping, MAPPING, mappings, self._tenant)
        await upsert(
            connection,
            models.mapping_snapshot,
            ("mapping_id", "record"),
            _snapshots(changes),
            self._tenant,
            key="mapping_id",
        )

    async def _put_variant_mappings(
        self, connection: AsyncConnection, changes: Sequence[Change], old: Sequence[UUID]
    ) -> None:
        variants = list(rows.variant_mappings(changes))
        if old:
            kept = [internal_id for _, _, internal_id in variants]
            parameters = {"products": old, "kept": kept, "integration": self._bound.integration_id}
            await connection.execute(_GONE_VARIANTS, parameters)
        if not variants:
            return
        known = {
            row[0]: row[1]
            for row in await connection.execute(
                _KNOWN,
                {
                    "integration": self._bound.integration_id,
                    "kind": VARIANTS,
                    "ids": [external_id for _, external_id, _ in variants],
                },
            )
        }
        mappings = [
            self._mapping(change)
            | {
                "id": known.get(external_id) or uuid7(),
                "entity": VARIANTS,
                "external_id": external_id,
                "parent_external_id": change.record.external_id,
                "internal_id": internal_id,
                "external_hash": None,
                "incomplete": False,
            }
            for change, external_id, internal_id in variants
        ]
        await upsert(connection, models.mapping, MAPPING, mappings, self._tenant)

    def _mapping(self, change: Change) -> rows.Row:
        return {
            "id": change.mapping_id,
            "integration_id": self._bound.integration_id,
            "entity": self._bound.entity.value,
            "external_id": change.record.external_id,
            "parent_external_id": None,
            "internal_id": change.internal_id,
            "state": "active",
            "external_hash": f"\\x{change.hash.hex()}",
            "external_updated_at": change.record.updated_at,
            "synced_at": "now",
            "incomplete": change.incomplete,
        }

    async def _record_issues(
        self, connection: AsyncConnection, issues: Sequence[Issue], written: Sequence[Change]
    ) -> None:
        bound = self._bound
        scope = {"integration": bound.integration_id, "entity": bound.entity.value}
        if written:
            ids = [change.record.external_id for change in written]
            await connection.execute(_RESOLVE_ISSUES, {**scope, "ids": ids})
        if not issues:
            return
        found = await connection.execute(_ATTEMPTS, {**scope, "ids": [i.external_id for i in issues]})
        attempts = {row[0]: row[1] for row in found}
        data = [self._issue(issue, attempts.get(issue.external_id, 0) + 1) for issue in issues]
        await upsert(connection, models.issue, ISSUE, data, self._tenant)

    def _issue(self, issue: Issue, attempt: int) -> rows.Row:
        bound, error = self._bound, issue.error
        sealed = self._vault.seal_payload(issue.payload)
        return {
            "id": uuid7(),
            "sync_log_id": bound.log_id,
            "integration_id": bound.integration_id,
            "pair_id": bound.pair_id,
            "entity": bound.entity.value,
            "direction": "import",
            "external_id": issue.external_id,
            "error_class": type(error).__name__,
            "field": error.field if isinstance(error, RecordError) else "",
            "message": error.message,
            "cause": error.advice.cause,
            "remedy": error.advice.remedy,
            "fault": error.fault.value,
            "provider_code": error.provider_code,
            "provider_message": error.provider_message,
            "payload": f"\\x{sealed.ciphertext.hex()}",
            "key_id": sealed.key_id,
            "attempt": attempt,
        }

    async def _advance(
        self, connection: AsyncConnection, cursor: Cursor, counts: Counts, total: int | None
    ) -> None:
        bound = self._bound
        await connection.execute(
            _CURSOR,
            {
                "pair": bound.pair_id,
                "tenant": bound.tenant_id,
                "watermark": cursor.watermark,
                "scanning": cursor.scanning,
                "full": cursor.full,
                "since": cursor.since,
                "place": cursor.place,
                "signpost": cursor.signpost,
                "high": cursor.high,
            },
        )
        await connection.execute(
            _COUNT,
            {
                "log": bound.log_id,
                "created": counts.created,
                "updated": counts.updated,
                "skipped": counts.skipped,
                "errors": counts.errors,
                "total": total,
            },
        )
        if cursor.full and not cursor.scanning:
            await connection.execute(_FULL_SCAN_DONE, {"pair": bound.pair_id})


def _snapshots(changes: Iterable[Change]) -> bytes:
    """Spliced by hand: the records are JSON already."""
    parts = [b'{"mapping_id":"%s","record":%s}' % (str(c.mapping_id).encode(), c.canonical) for c in changes]
    return b"[" + b",".join(parts) + b"]"


def _as_issue(change: Change, error: SyncError) -> Issue:
    return Issue(change.record.external_id, error, msgspec.json.encode(change.record))
