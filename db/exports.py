"""`core.erp.Erp` over PostgreSQL: what an export reads of the ERP and leaves behind, always as its tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.erp import Done, Doubt, Intent
from core.ports import VARIANTS, Change, Counts, Cursor, Moved
from core.sides import Clash, Linked, Lost, Noted, Projected, Synced
from db import ledger, models, orphans
from db.bulk import upsert
from db.ledger import Bound
from db.overrides import lapse
from db.projection import View, project
from db.session import tenant_transaction
from db.vault import Vault

MAPPING = (
    *("id", "integration_id", "entity", "external_id", "parent_external_id", "internal_id", "state"),
    *("external_hash", "internal_hash", "external_updated_at", "synced_at", "incomplete", "version"),
    *("orphaned_by", "missing_at"),
)
OUTBOX = (
    *("id", "integration_id", "pair_id", "entity", "internal_id", "idempotency_key", "state", "sync_log_id"),
    "sent",
)
FIRST = UUID(int=0)

_PARTS: dict[Entity, tuple[tuple[str, str], ...]] = {
    Entity.PRODUCTS: (("product", "id"), ("product_variant", "product_id")),
    Entity.CATEGORIES: (("category", "id"),),
    Entity.CUSTOMERS: (("customer", "id"), ("address", "customer_id")),
    Entity.ORDERS: (("order", "id"), ("order_item", "order_id"), ("address", "order_id")),
    Entity.STOCK: (("stock_level", "id"),),
    Entity.INVOICES: (("invoice", "id"),),
    Entity.SHIPMENTS: (("shipment", "id"),),
    Entity.RECEIVABLES: (("receivable", "id"),),
}
"""Tables whose rows make up a record, and the column with the record's id."""
_LINKED = text(
    "SELECT m.id, m.internal_id, m.external_id, m.state, m.orphaned_by, m.external_hash, m.internal_hash,"
    " m.version, CASE WHEN m.internal_hash IS DISTINCT FROM w.hash THEN s.record::text END AS external,"
    " CASE WHEN m.internal_hash IS DISTINCT FROM w.hash THEN s.erp::text END AS erp, m.incomplete"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[])) w (id, hash)"
    " JOIN sync.mapping m ON m.integration_id = :integration AND m.entity = :entity AND m.internal_id = w.id"
    " LEFT JOIN sync.mapping_snapshot s ON s.mapping_id = m.id"
    # A record that was unlinked and linked again may leave an orphan behind; the living mapping counts.
    " ORDER BY m.state = 'orphan' DESC, m.id"
)
_SPEAKERS = text(
    "SELECT DISTINCT (SELECT o.id FROM erp.stock_level o LEFT JOIN sync.mapping m ON m.internal_id = o.id"
    " AND m.integration_id = :integration AND m.entity = :entity AND m.state <> 'orphan'"
    " WHERE o.product_id = t.product_id AND o.variant_id IS NOT DISTINCT FROM t.variant_id"
    " ORDER BY m.id IS NULL, o.deleted_at IS NOT NULL, o.id LIMIT 1) FROM erp.stock_level t"
    " WHERE t.id = ANY(:ids)"
)
"""Where the stock of all branches is published as one, one level of an item speaks for all of them."""
_TAKEN = text(
    "SELECT external_id FROM sync.mapping WHERE integration_id = :integration AND entity = :entity"
    " AND external_id = ANY(:ids)"
)
_DUE = text(
    "SELECT internal_id FROM sync.issue WHERE pair_id = :pair AND direction = 'export' AND state = 'open'"
    " AND next_attempt_at <= now() AND internal_id IS NOT NULL"
    " UNION SELECT internal_id FROM sync.mapping WHERE integration_id = :integration AND entity = :entity"
    " AND incomplete AND state = 'active' AND internal_hash IS NOT NULL"
)
_WITHDRAW = text("DELETE FROM sync.outbox WHERE id = ANY(:ids)")
_DOUBT = text(
    "UPDATE sync.outbox SET state = 'unknown', looks = looks + 1, updated_at = now(),"
    " next_attempt_at = now() + make_interval(secs => :wait) WHERE id = ANY(:ids)"
)
_DOUBTS = text(
    "SELECT id, internal_id, looks, coalesce(next_attempt_at, updated_at + make_interval(secs => :first))"
    " <= now() AS due, sent::text FROM sync.outbox WHERE pair_id = :pair AND state IN ('sent', 'unknown')"
)
_CONFIRMED = text(
    "DELETE FROM sync.outbox WHERE integration_id = :integration AND entity = :entity"
    " AND internal_id = ANY(:ids)"
)
_KNOWN_VARIANTS = text(
    "SELECT external_id, id FROM sync.mapping WHERE integration_id = :integration"
    f" AND entity = '{VARIANTS}' AND external_id = ANY(:ids)"
)
_FREE_VARIANTS = text(
    f"DELETE FROM sync.mapping WHERE integration_id = :integration AND entity = '{VARIANTS}'"
    " AND internal_id = ANY(:internal) AND external_id <> ALL(:ids)"
)
_CLASH = text(
    "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, base, erp, external, fields)"
    " VALUES (:tenant, :integration, :mapping, CAST(:base AS json), CAST(:erp AS json),"
    " CAST(:external AS json), CAST(:fields AS jsonb)) ON CONFLICT (mapping_id) WHERE state = 'open'"
    " DO UPDATE SET base = excluded.base, erp = excluded.erp, external = excluded.external,"
    " fields = excluded.fields"
)
_CONFLICT = text("UPDATE sync.mapping SET state = 'conflict' WHERE id = ANY(:ids)")
_AGREED = text(
    "UPDATE sync.conflict SET state = 'resolved', resolved_at = now(), resolved_by = 'sync'"
    " WHERE mapping_id = ANY(:ids) AND state = 'open'"
)


class PgErp:
    """`first_look`: seconds that a create of a run that died may still be under way."""

    def __init__(
        self, engine: AsyncEngine, vault: Vault, bound: Bound, view: View, *, first_look: float
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._bound = bound
        self._view = view
        self._first_look = first_look
        self._changes = _changes(bound.entity)

    async def changed(self, cursor: Cursor, limit: int) -> tuple[list[Projected], Cursor]:
        values: dict[str, Any] = {
            "seq": cursor.change_seq,
            "after": cursor.change_id or FIRST,
            "limit": limit,
        }
        if self._bound.entity is Entity.STOCK:
            values["branch"] = self._view.branch_id
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            found = (await connection.execute(self._changes, values)).all()
            ids = list(dict.fromkeys(row.id for row in found))
            if self._bound.entity is Entity.STOCK and self._view.branch_id is None:
                ids = await self._speakers(connection, ids)
            records = await project(connection, self._view, self._bound.entity, ids)
        if found:
            cursor = replace(cursor, change_seq=found[-1].change_seq, change_id=found[-1].id)
        return records, cursor

    async def _speakers(self, connection: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
        scope = {"integration": self._bound.integration_id, "entity": self._bound.entity.value}
        return [row[0] for row in await connection.execute(_SPEAKERS, scope | {"ids": ids})]

    async def select(self, internal_ids: Sequence[UUID]) -> list[Projected]:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            return await project(connection, self._view, self._bound.entity, internal_ids)

    async def due(self) -> list[UUID]:
        return [row[0] for row in await self._read(_DUE, pair=self._bound.pair_id)]

    async def linked(self, hashes: Mapping[UUID, bytes]) -> dict[UUID, Linked]:
        ids, known = list(hashes), list(hashes.values())
        return {row[1]: _linked(row) for row in await self._read(_LINKED, ids=ids, hashes=known)}

    async def taken(self, external_ids: Sequence[str]) -> set[str]:
        return {row[0] for row in await self._read(_TAKEN, ids=list(external_ids))}

    async def intend(self, intents: Sequence[Intent]) -> None:
        bound = self._bound
        rows = [
            {
                "id": intent.id,
                "integration_id": bound.integration_id,
                "pair_id": bound.pair_id,
                "entity": bound.entity.value,
                "internal_id": intent.internal_id,
                "idempotency_key": str(intent.id),
                "state": "sent",
                "sync_log_id": bound.log_id,
                "sent": msgspec.Raw(intent.sent),
            }
            for intent in intents
        ]
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
            await upsert(connection, models.outbox, OUTBOX, rows, str(bound.tenant_id))

    async def withdraw(self, ids: Sequence[UUID]) -> None:
        await self._write(_WITHDRAW, ids=list(ids))

    async def doubt(self, ids: Sequence[UUID], wait: float) -> None:
        await self._write(_DOUBT, ids=list(ids), wait=wait)

    async def doubts(self) -> list[Doubt]:
        bound = self._bound
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            values = {"pair": bound.pair_id, "first": self._first_look}
            rows = (await connection.execute(_DOUBTS, values)).all()
        return [
            Doubt(row.id, row.internal_id, row.looks, row.due, row.sent.encode() if row.sent else None)
            for row in rows
        ]

    async def commit(self, done: Done) -> Counts:
        bound = self._bound
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
            async with ledger.undone_if_dry(connection, bound):
                counts = await self.note(connection, done)
                await ledger.resolve(connection, bound, internal_ids=done.unchanged)
                await ledger.record_issues(connection, self._vault, bound, done.issues)
                await lapse(connection, done.lapsed)
            counts += done.unsent + Counts(skipped=done.skipped, errors=len(done.issues))
            await ledger.advance(connection, bound, done.cursor, counts, None)
        return counts

    async def check(self, connection: AsyncConnection, changes: Sequence[Change]) -> None:
        """Lock the records about to be written. Raises `Moved` where one is not as it was when compared."""
        seen = {change.internal_id: change.seen for change in changes if change.seen is not None}
        if not seen:
            return
        ids = sorted(seen)
        for table, column in _PARTS[self._bound.entity]:
            lock = f'SELECT id FROM erp."{table}" WHERE {column} = ANY(:ids) ORDER BY id FOR UPDATE'
            await connection.execute(text(lock), {"ids": ids})
        now = {row.internal_id: row for row in await project(connection, self._view, self._bound.entity, ids)}
        for id_, before in seen.items():
            row = now.get(id_)
            if row is None or _content(row) != _content(before):
                raise Moved

    async def note(self, connection: AsyncConnection, noted: Noted) -> Counts:
        """Inside the caller's transaction."""
        await self._put(connection, noted.synced)
        await self._put_clashes(connection, noted.clashes)
        sides: tuple[Lost, ...] = ("erp", "external")
        for by in sides:
            if ids := [id_ for id_, side in noted.orphans if side == by]:
                await orphans.orphan(connection, ids, side=by, actor="sync")
        return _counts(noted)

    async def confirm(self, connection: AsyncConnection, internal_ids: Sequence[UUID]) -> None:
        """Where these are outside is known now."""
        scope = {"integration": self._bound.integration_id, "entity": self._bound.entity.value}
        await connection.execute(_CONFIRMED, scope | {"ids": list(internal_ids)})

    async def _read(self, statement: TextClause, **values: Any) -> Sequence[Any]:
        bound = self._bound
        values |= {"integration": bound.integration_id}
        if ":entity" in statement.text:
            values["entity"] = bound.entity.value
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            return (await connection.execute(statement, values)).all()

    async def _write(self, statement: TextClause, **values: Any) -> None:
        async with tenant_transaction(self._engine, self._bound.tenant_id) as connection:
            await ledger.hold(connection, self._bound)
            await connection.execute(statement, values)

    async def _put(self, connection: AsyncConnection, synced: Sequence[Synced]) -> None:
        if not synced:
            return
        bound, tenant = self._bound, str(self._bound.tenant_id)
        ids = [record.internal_id for record in synced]
        mappings = [self._mapping(record) for record in synced]
        await self._put_variants(connection, synced)
        await upsert(connection, models.mapping, MAPPING, mappings, tenant)
        snapshots = b"[" + b",".join(_snapshot(record) for record in synced) + b"]"
        columns = ("mapping_id", "record", "erp")
        await upsert(connection, models.mapping_snapshot, columns, snapshots, tenant, key="mapping_id")
        await connection.execute(_AGREED, {"ids": [record.mapping_id for record in synced]})
        await self.confirm(connection, ids)
        await ledger.resolve(
            connection, bound, internal_ids=ids, external_ids=[record.external_id for record in synced]
        )

    async def _put_variants(self, connection: AsyncConnection, synced: Sequence[Synced]) -> None:
        variants = [(record, *variant) for record in synced for variant in record.variants]
        if not variants:
            return
        scope = {"integration": self._bound.integration_id, "ids": [external for _, external, _ in variants]}
        internal = [internal_id for _, _, internal_id in variants]
        await connection.execute(_FREE_VARIANTS, scope | {"internal": internal})
        known = {row[0]: row[1] for row in await connection.execute(_KNOWN_VARIANTS, scope)}
        rows = [
            self._mapping(record)
            | {
                "id": known.get(external_id) or uuid7(),
                "entity": VARIANTS,
                "external_id": external_id,
                "parent_external_id": record.external_id,
                "internal_id": internal_id,
                "external_hash": None,
                "internal_hash": None,
                "version": None,
                "incomplete": False,
            }
            for record, external_id, internal_id in variants
        ]
        await upsert(connection, models.mapping, MAPPING, rows, str(self._bound.tenant_id))

    def _mapping(self, record: Synced) -> dict[str, Any]:
        return {
            "id": record.mapping_id,
            "integration_id": self._bound.integration_id,
            "entity": self._bound.entity.value,
            "external_id": record.external_id,
            "parent_external_id": None,
            "internal_id": record.internal_id,
            "state": "active",
            "external_hash": _hex(record.external_hash),
            "internal_hash": _hex(record.internal_hash),
            "external_updated_at": record.updated_at,
            "synced_at": "now",
            "incomplete": record.incomplete,
            "version": record.version,
            "orphaned_by": None,
            "missing_at": None,
        }

    async def _put_clashes(self, connection: AsyncConnection, clashes: Sequence[Clash]) -> None:
        if not clashes:
            return
        bound = self._bound
        new = [clash for clash in clashes if clash.new]
        if new:
            rows = [
                {
                    "id": clash.mapping_id,
                    "integration_id": bound.integration_id,
                    "entity": bound.entity.value,
                    "external_id": clash.external_id,
                    "internal_id": clash.internal_id,
                    "state": "conflict",
                }
                for clash in new
            ]
            columns = ("id", "integration_id", "entity", "external_id", "internal_id", "state")
            await upsert(connection, models.mapping, columns, rows, str(bound.tenant_id))
        await connection.execute(_CONFLICT, {"ids": [clash.mapping_id for clash in clashes]})
        scope = {"tenant": bound.tenant_id, "integration": bound.integration_id}
        await connection.execute(_CLASH, [scope | _clash(clash) for clash in clashes])
        ids = [clash.internal_id for clash in clashes]
        await self.confirm(connection, ids)


def _content(row: Projected) -> tuple[Any, ...]:
    return row.record, row.deleted, row.held


def _changes(entity: Entity) -> TextClause:
    """Changes since a place, each part of a record counting as a change of it; oldest first."""
    mine = " AND (CAST(:branch AS uuid) IS NULL OR t.branch_id = :branch)" if entity is Entity.STOCK else ""
    parts = [
        f'(SELECT t.{column} AS id, t.change_seq FROM erp."{table}" t WHERE t.{column} IS NOT NULL'
        f" AND (t.change_seq, t.{column}) > (:seq, CAST(:after AS uuid))"
        f" AND t.change_seq < (SELECT erp.change_horizon()){mine}"
        f" ORDER BY t.change_seq, t.{column} LIMIT :limit)"
        for table, column in _PARTS[entity]
    ]
    return text(
        f"SELECT id, change_seq FROM ({' UNION '.join(parts)}) c ORDER BY change_seq, id LIMIT :limit"
    )


def _linked(row: Any) -> Linked:
    values = list(row)
    for place in (5, 6):
        values[place] = bytes(values[place]) if values[place] is not None else None
    for place in (8, 9):
        values[place] = values[place].encode() if values[place] is not None else None
    return Linked(*values)


def _counts(noted: Noted) -> Counts:
    counted = [record.counted for record in noted.synced]
    skipped = counted.count("skipped") + len(noted.clashes) + len(noted.orphans)
    return Counts(counted.count("created"), counted.count("updated"), skipped)


def _snapshot(record: Synced) -> bytes:
    """Spliced by hand: both sides are JSON already."""
    id_ = str(record.mapping_id).encode()
    return b'{"mapping_id":"%s","record":%s,"erp":%s}' % (id_, record.external, record.erp)


def _clash(clash: Clash) -> dict[str, Any]:
    base = b'{"erp":%s,"external":%s}' % (clash.base_erp or b"null", clash.base_external or b"null")
    return {
        "mapping": clash.mapping_id,
        "base": base.decode(),
        "erp": clash.erp.decode(),
        "external": clash.external.decode(),
        "fields": ledger.encode(clash.paths).decode(),
    }


def _hex(value: bytes | None) -> str | None:
    return None if value is None else f"\\x{value.hex()}"
