"""Conflicts as a person sees and resolves them. Every resolution leaves an audit row.

The ERP's fields are written in the transaction that closes the conflict; what the external side is to get
differs from its base from then on, and the next run of the pair writes it. Functions take the tenant and
raise `DatabaseUnavailable`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Entity
from core.errors import Absent, Advice, ConfigurationError, SyncError
from core.hashing import canonical
from core.merging import Side
from core.records import Record
from core.resolving import Choice, Decision, Resolution, Sides, Typed, resolve, settled
from core.sides import Projected
from core.trees import Tree, differing, encoded, rebuilt, tree
from db import audit
from db.audit import By
from db.naming import Named, names
from db.patching import patch
from db.projection import View, project
from db.session import tenant_transaction

_LIST = text(
    "SELECT c.id, c.mapping_id, c.integration_id, i.name AS integration, m.entity, m.internal_id,"
    " m.external_id, c.fields, c.state, c.created_at, c.resolved_at, c.resolved_by, c.resolution"
    " FROM sync.conflict c JOIN sync.mapping m ON m.id = c.mapping_id"
    " JOIN sync.integration i ON i.id = c.integration_id"
    " WHERE (CAST(:integration AS uuid) IS NULL OR c.integration_id = :integration)"
    " AND (CAST(:entity AS text) IS NULL OR m.entity = :entity)"
    " AND (CAST(:state AS text) IS NULL OR c.state = :state)"
    " AND c.id > :after ORDER BY c.id LIMIT :limit"
)
_ONE = (
    "SELECT c.id, c.mapping_id, c.integration_id, i.name AS integration, c.fields, c.base, c.erp, c.external,"
    " c.state, c.created_at, c.resolved_at, c.resolved_by, c.resolution, m.entity,"
    " m.internal_id, m.external_id, s.record::text AS record,"
    " coalesce(i.branch_id, (SELECT b.id FROM erp.branch b WHERE b.is_default LIMIT 1)) AS branch_id,"
    " (SELECT p.id FROM sync.pair p WHERE p.integration_id = m.integration_id AND p.entity = m.entity"
    " LIMIT 1) AS pair_id FROM sync.conflict c JOIN sync.mapping m ON m.id = c.mapping_id"
    " JOIN sync.integration i ON i.id = c.integration_id"
    " LEFT JOIN sync.mapping_snapshot s ON s.mapping_id = m.id WHERE c.id = :id"
)
_READ, _LOCK = text(_ONE), text(f"{_ONE} FOR UPDATE OF c, m")
_NEXT = text("SELECT id FROM sync.conflict WHERE state = 'open' AND id <> :id ORDER BY id < :id, id LIMIT 1")
_OPEN = text(
    "SELECT count(*) FROM sync.conflict c JOIN sync.mapping m ON m.id = c.mapping_id"
    " WHERE c.state = 'open' AND c.integration_id = :integration"
    " AND (CAST(:entity AS text) IS NULL OR m.entity = :entity)"
)
_CLOSE = text(
    "UPDATE sync.conflict SET state = 'resolved', resolved_at = now(), resolved_by = :by,"
    " resolution = CAST(:resolution AS jsonb) WHERE id = :id"
)
# Without hashes both directions compare the record the next time they see it.
_ACTIVE = text(
    "UPDATE sync.mapping SET state = 'active', external_hash = NULL, internal_hash = NULL WHERE id = :id"
)
_SNAPSHOT = text(
    "INSERT INTO sync.mapping_snapshot (mapping_id, tenant_id, record, erp)"
    " VALUES (:id, :tenant, CAST(:record AS json), CAST(:erp AS json))"
    " ON CONFLICT (mapping_id) DO UPDATE SET record = excluded.record, erp = excluded.erp"
)

Row = dict[str, Any]
_FIRST = UUID(int=0)
_PAGE = 500


class ConflictUnknown(Absent):
    advice = Advice(
        "Conflito não encontrado",
        "O id não é de um conflito deste tenant, ou ele já foi resolvido.",
        "Confira em Conflitos (`cloudtosys conflict list`).",
    )


class RecordGone(ConfigurationError):
    advice = Advice(
        "Registro excluído",
        "O registro do ERP foi excluído depois do conflito: não há o que resolver.",
        "Exclua o mapeamento, ou recupere o registro no ERP.",
    )


@dataclass(frozen=True, slots=True)
class Faced:
    """A conflict with both sides whole, and their `base` (None: never in step). While it is open the ERP's
    side is as it is now, and `decisions` are what its fields hold; `gone` where the record is deleted."""

    row: Any
    base: Tree | None
    erp: Tree
    external: Tree
    decisions: Sequence[Decision]
    record: Named | None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """`pair_id` is the pair to be run now, None where the integration has none for the entity any more.

    `behind`: the external side changed fields that were not in conflict, too; they come with its next read.
    """

    pair_id: UUID | None
    integration_id: UUID
    entity: str
    external_id: str
    behind: bool
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class Many:
    """`failed` are conflicts with the reason why they stay."""

    resolved: Sequence[Resolved]
    failed: Mapping[UUID, str]


async def conflicts(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    integration_id: UUID | None = None,
    entity: str | None = None,
    state: str | None = "open",
    after: UUID | None = None,
    limit: int = 50,
    named: bool = False,
) -> list[Row]:
    """Conflicts by id with the paths that differ, no values; `after` is the last id of the page before.

    `named` ones have the ERP `record` as people know it.
    """
    values = {
        "integration": integration_id,
        "entity": entity,
        "state": state,
        "after": after or _FIRST,
        "limit": limit,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = [dict(row._mapping) for row in await connection.execute(_LIST, values)]
        if named:
            ids: dict[str, list[UUID]] = {}
            for row in rows:
                ids.setdefault(row["entity"], []).append(row["internal_id"])
            known = await names(connection, ids)
            rows = [row | {"record": known.get(row["internal_id"])} for row in rows]
    return rows


async def face(engine: AsyncEngine, tenant_id: UUID, conflict_id: UUID) -> Faced:
    """An open conflict or a resolved one. Raises `ConflictUnknown`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_READ, {"id": conflict_id})).one_or_none()
        if found is None:
            raise ConflictUnknown(f"Não há conflito {conflict_id}.")
        base = (found.base or {}).get("external")
        named = (await names(connection, {found.entity: [found.internal_id]})).get(found.internal_id)
        if found.state != "open":
            return Faced(found, base, found.erp, found.external, (), named)
        try:
            row = await _projected(connection, found)
        except RecordGone:
            return Faced(found, base, found.erp, found.external, (), named, gone=True)
    decisions = _resolution(found, row, {}, "erp").decisions
    return Faced(found, base, _tree(found, row), found.external, decisions, named)


async def next_open(engine: AsyncEngine, tenant_id: UUID, conflict_id: UUID) -> UUID | None:
    """The open conflict that follows one; after the last comes the first."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_NEXT, {"id": conflict_id})).scalar_one_or_none()
    return UUID(str(found)) if found else None


async def count_open(
    engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: str | None = None
) -> int:
    values = {"integration": integration_id, "entity": entity}
    async with tenant_transaction(engine, tenant_id) as connection:
        return int((await connection.execute(_OPEN, values)).scalar_one())


async def preview(
    engine: AsyncEngine,
    tenant_id: UUID,
    conflict_id: UUID,
    choices: Mapping[str, Choice],
    default: Side | None,
) -> Sequence[Decision]:
    """What a resolution would write on each side, by the ERP as it is now. Raises what `settle` does."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = await _found(connection, _READ, conflict_id)
        row = await _projected(connection, found)
    return _resolution(found, row, choices, default).decisions


async def settle(
    engine: AsyncEngine,
    tenant_id: UUID,
    conflict_id: UUID,
    choices: Mapping[str, Choice],
    default: Side | None,
    by: By,
) -> Resolved:
    """Resolve a conflict: `choices` by path, `default` for the rest.

    Raises `ConflictUnknown`, `RecordGone`, `ConfigurationError` for a choice that cannot be, `ConflictError`
    where the ERP has the value already.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        found = await _found(connection, _LOCK, conflict_id)
        row = await _projected(connection, found)
        resolution = _resolution(found, row, choices, default)
        entity = Entity(found.entity)
        old = _tree(found, row)
        fields = {name: resolution.erp[name] for name in differing(resolution.erp, old)}
        await patch(connection, found.integration_id, tenant_id, entity, row, fields)
        after = _tree(found, await _projected(connection, found))
        record = rebuilt(_last_seen(found, row), resolution.base_external)
        snapshot = {
            "id": found.mapping_id,
            "tenant": tenant_id,
            "record": canonical(record).decode(),
            "erp": encoded(settled(resolution, after)).decode(),
        }
        await connection.execute(_SNAPSHOT, snapshot)
        await connection.execute(_ACTIVE, {"id": found.mapping_id})
        chosen = {decision.path: _name(decision.choice) for decision in resolution.decisions}
        encoded_choice = msgspec.json.encode({"fields": chosen}).decode()
        await connection.execute(_CLOSE, {"id": conflict_id, "by": by.actor, "resolution": encoded_choice})
        details = {"conflict": str(conflict_id), "fields": chosen}
        await audit.record(connection, tenant_id, by, "conflict.resolve", str(found.mapping_id), details)
    return Resolved(
        pair_id=found.pair_id,
        integration_id=found.integration_id,
        entity=found.entity,
        external_id=found.external_id,
        behind=bool(differing(found.external, resolution.base_external)),
        decisions=resolution.decisions,
    )


async def settle_all(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    side: Side,
    by: By,
    *,
    entity: str | None = None,
) -> Many:
    """Resolve every open conflict of an integration in favour of one side, each by itself."""
    done, failed = list[Resolved](), dict[UUID, str]()
    after: UUID | None = None
    while page := await conflicts(
        engine, tenant_id, integration_id=integration_id, entity=entity, after=after, limit=_PAGE
    ):
        after = page[-1]["id"]
        for row in page:
            try:
                done.append(await settle(engine, tenant_id, row["id"], {}, side, by))
            except ConflictUnknown:
                continue
            except SyncError as error:
                if error.retryable:
                    raise
                failed[row["id"]] = error.message
    return Many(done, failed)


async def _found(connection: AsyncConnection, statement: Any, conflict_id: UUID) -> Any:
    row = (await connection.execute(statement, {"id": conflict_id})).one_or_none()
    if row is None:
        raise ConflictUnknown(f"Não há conflito {conflict_id}.")
    if row.state != "open":
        raise ConflictUnknown(f"O conflito {conflict_id} já foi resolvido.")
    return row


async def _projected(connection: AsyncConnection, found: Any) -> Projected:
    view = View(found.integration_id, found.branch_id)
    rows = await project(connection, view, Entity(found.entity), [found.internal_id])
    if not rows or rows[0].deleted:
        raise RecordGone("O registro do ERP deste conflito foi excluído.")
    return rows[0]


def _resolution(
    found: Any, row: Projected, choices: Mapping[str, Choice], default: Side | None
) -> Resolution:
    base = found.base or {}
    sides = Sides(
        base_erp=base.get("erp"),
        base_external=base.get("external"),
        erp=_tree(found, row),
        external=found.external,
    )
    return resolve(sides, found.fields, choices, default)


def _tree(found: Any, row: Projected) -> Tree:
    """The ERP's side as JSON holds it, so that it compares with what was stored."""
    held: Tree = msgspec.json.decode(encoded(tree(row.record, frozenset(found.external))))
    return held


def _last_seen(found: Any, row: Projected) -> Record:
    """The external record that the decided fields are put into."""
    if found.record is not None:
        return msgspec.json.decode(found.record, type=type(row.record))
    return msgspec.structs.replace(row.record, external_id=found.external_id)


def _name(choice: Choice) -> str:
    return "value" if isinstance(choice, Typed) else choice
