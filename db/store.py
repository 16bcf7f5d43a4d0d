"""`core.ports.Store` over PostgreSQL: what one run reads and writes, always as its tenant."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.errors import ConflictError, RecordError, SyncError
from core.ports import VARIANTS, Action, Change, Counts, Cursor, Issue, Key, Known, Match, Scan
from core.sides import Noted
from db import ledger, models, orphans, papers, rows
from db.bulk import upsert
from db.exports import PgErp
from db.ledger import Bound
from db.legacy import Rejections
from db.overrides import lapse
from db.session import tenant_transaction
from db.vault import Vault

MAPPING = (
    *("id", "integration_id", "entity", "external_id", "parent_external_id", "internal_id", "state"),
    *("orphaned_by", "external_hash", "internal_hash", "external_updated_at", "synced_at", "incomplete"),
)
_KNOWN = text(
    "SELECT external_id, id, internal_id, external_hash, incomplete,"
    " missing_at IS NOT NULL OR state = 'orphan' AND orphaned_by IS DISTINCT FROM 'erp',"
    " state = 'orphan' AND orphaned_by IS NOT DISTINCT FROM 'erp' FROM sync.mapping"
    " WHERE integration_id = :integration AND entity = :kind AND external_id = ANY(:ids)"
)
_RECORDED = text(
    "SELECT m.external_id, s.record::text FROM sync.mapping m"
    " JOIN sync.mapping_snapshot s ON s.mapping_id = m.id"
    " WHERE m.integration_id = :integration AND m.entity = :kind AND m.external_id = ANY(:ids)"
)
_RESOLVE = text(
    "SELECT external_id, internal_id FROM sync.mapping WHERE integration_id = :integration"
    " AND entity = :kind AND external_id = ANY(:ids) AND (state <> 'orphan' OR orphaned_by = 'external')"
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
    Entity.INVOICES.value: ("t.access_key", "invoice", "t.access_key = ANY(:values)"),
    Entity.SHIPMENTS.value: ("t.tracking_code", "shipment", "t.tracking_code = ANY(:values)"),
    Entity.BANK_TRANSACTIONS.value: ("t.reference", "bank_transaction", "t.reference = ANY(:values)"),
    Entity.RECEIVABLES.value: ("t.document_number", "receivable", "t.document_number = ANY(:values)"),
    Entity.STOCK.value: (
        "coalesce(t.variant_id, t.product_id)::text",
        "stock_level",
        "t.branch_id = :branch AND coalesce(t.variant_id, t.product_id) = ANY(CAST(:values AS uuid[]))",
    ),
}
# Held until the transaction ends, so that no link is broken between this and the write.
_ALIVE = text("SELECT id FROM sync.mapping WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
BROKEN = ConflictError("O vínculo deste registro foi excluído durante a execução; a seguinte decide de novo.")
_GONE_VARIANTS = text(
    "WITH gone AS (UPDATE erp.product_variant SET deleted_at = now() WHERE product_id = ANY(:products)"
    " AND deleted_at IS NULL AND id <> ALL(:kept) RETURNING id)"
    " UPDATE sync.mapping SET state = 'orphan', orphaned_by = 'external'"
    " WHERE integration_id = :integration AND entity = 'variants'"
    " AND internal_id IN (SELECT id FROM gone)"
)


class PgStore:
    """`erp` serves a two-way pair, `rejections` a legacy migration: what they note goes into the same
    transaction."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        bound: Bound,
        erp: PgErp | None = None,
        rejections: Rejections | None = None,
    ) -> None:
        self._erp = erp
        self._rejections = rejections
        self._engine = engine
        self._vault = vault
        self._bound = bound
        self._tenant = str(bound.tenant_id)

    async def known(self, kind: str, external_ids: Sequence[str]) -> dict[str, Known]:
        found = await self._read(_KNOWN, kind=kind, ids=list(external_ids))
        return {row[0]: Known(*row[1:]) for row in found}

    async def recorded(self, kind: str, external_ids: Sequence[str]) -> dict[str, bytes]:
        found = await self._read(_RECORDED, kind=kind, ids=list(external_ids))
        return {row[0]: row[1].encode() for row in found}

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

    async def identify(self, kind: str, internal_ids: Sequence[UUID]) -> dict[UUID, Match]:
        where = "t.id = ANY(:values)"
        statement = text(_MATCH.format(value="t.id", table=_MATCHES[kind][1], where=where))
        found = await self._read(statement, kind=kind, values=list(internal_ids))
        return {row[0]: Match(row[1], row[2]) for row in found}

    async def commit(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        *,
        skipped: int,
        cursor: Cursor,
        total: int | None,
        noted: Noted | None = None,
        scan: Scan | None = None,
        returned: Sequence[UUID] = (),
        unchanged: Sequence[str] = (),
        gone: Sequence[str] = (),
        lapsed: Sequence[UUID] = (),
    ) -> Counts:
        bound = self._bound
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
            async with ledger.undone_if_dry(connection, bound):
                if self._erp is not None:
                    await self._erp.check(connection, changes)
                refused = await self._write(connection, changes)
                lost = {id(change) for change, _ in refused}
                written = [change for change in changes if id(change) not in lost]
                failed = [*issues, *(_as_issue(change, error) for change, error in refused)]
                if self._erp is not None:
                    linked = [change.internal_id for change in written if change.action is Action.LINK]
                    await self._erp.confirm(connection, linked)
                created = sum(change.action is Action.CREATE for change in written)
                counts = Counts(created, len(written) - created, skipped, len(failed))
                if noted is not None and self._erp is not None:
                    counts += await self._erp.note(connection, noted)
                await orphans.welcome(connection, bound, returned)
                if gone:
                    await orphans.settle(connection, bound, gone=gone, found=())
                if scan is not None:
                    await orphans.note(connection, bound, scan)
                in_step = [*(change.record.external_id for change in written), *unchanged, *gone]
                await ledger.resolve(connection, bound, external_ids=in_step)
                await ledger.record_issues(connection, self._vault, bound, failed)
                await lapse(connection, lapsed)
            if self._rejections is not None:
                await self._rejections.note(connection, failed)
            await ledger.advance(connection, bound, cursor, counts, total)
        return counts

    async def suspect(self, external_id: str) -> None:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            await ledger.hold(connection, self._bound)
            await ledger.suspect(connection, self._bound, external_id)

    async def missed(self) -> Sequence[str]:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            return await orphans.missed(connection, self._bound)

    async def settle(self, *, gone: Sequence[str], found: Sequence[str]) -> None:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            await ledger.hold(connection, self._bound)
            await orphans.settle(connection, self._bound, gone=gone, found=found)

    async def _read(self, statement: Any, **parameters: Any) -> Sequence[Any]:
        parameters["integration"] = self._bound.integration_id
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            return (await connection.execute(statement, parameters)).all()

    async def _write(
        self, connection: AsyncConnection, changes: Sequence[Change]
    ) -> list[tuple[Change, SyncError]]:
        """All changes together; where the database refuses, one by one, to find the ones it refuses.

        A link that a person broke since it was read is not made again.
        """
        broken = await self._broken(connection, changes)
        refused: list[tuple[Change, SyncError]] = [(change, BROKEN) for change in broken]
        if self._bound.entity is Entity.SHIPMENTS:
            refused += [
                (change, papers.NO_ORDER) for change in await papers.place_orders(connection, changes)
            ]
        gone = {change.mapping_id for change, _ in refused}
        changes = [change for change in changes if change.mapping_id not in gone] if gone else changes
        if not changes or await self._try(connection, changes) is None:
            return refused
        for change in changes:
            error = await self._try(connection, [change])
            refused += [(change, error)] if error is not None else []
        return refused

    async def _broken(self, connection: AsyncConnection, changes: Sequence[Change]) -> list[Change]:
        updates = [change for change in changes if change.action is Action.UPDATE]
        if not updates:
            return []
        values = {"ids": [change.mapping_id for change in updates]}
        alive = set((await connection.execute(_ALIVE, values)).scalars())
        return [change for change in updates if change.mapping_id not in alive]

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
        for write in rows.writes(bound.entity, changes, bound.branch_id, bound.channel, bound.fields):
            if write.replaces and old:
                table = f'{write.table.schema}."{write.table.name}"'
                statement = text(f"DELETE FROM {table} WHERE {write.replaces} = ANY(:ids)")  # noqa: S608
                await connection.execute(statement, {"ids": old})
            await upsert(connection, write.table, write.columns, write.rows, self._tenant)
        if bound.entity is Entity.PRODUCTS and bound.knows("variants"):
            await self._put_variant_mappings(connection, changes, old)
        mappings = [self._mapping(change) for change in changes]
        await upsert(connection, models.mapping, MAPPING, mappings, self._tenant)
        await upsert(
            connection,
            models.mapping_snapshot,
            ("mapping_id", "record", "erp"),
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
            kept += [internal_id for change in changes for internal_id in change.kept]
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
                "internal_hash": None,
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
            "orphaned_by": None,
            "external_hash": f"\\x{change.hash.hex()}",
            "internal_hash": f"\\x{change.base_hash.hex()}" if change.base_hash else None,
            "external_updated_at": change.record.updated_at,
            "synced_at": "now",
            "incomplete": change.incomplete,
        }


def _snapshots(changes: Iterable[Change]) -> bytes:
    """Spliced by hand: the records are JSON already."""
    parts = [
        b'{"mapping_id":"%s","record":%s,"erp":%s}'
        % (str(c.mapping_id).encode(), c.canonical, c.base or b"null")
        for c in changes
    ]
    return b"[" + b",".join(parts) + b"]"


def _as_issue(change: Change, error: SyncError) -> Issue:
    return Issue(change.record.external_id, error, change.payload or change.canonical)
