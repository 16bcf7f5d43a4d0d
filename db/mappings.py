"""Mappings as a person makes, reads, notes, breaks and judges them. Every change leaves an audit row.

A mapping made by hand has no hashes: the next run that sees the record compares the two sides. Functions
take the tenant and find nothing of any other; all raise `DatabaseUnavailable`.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.errors import Absent, Advice, ConfigurationError, ConflictError
from core.ports import VARIANTS
from db import audit, orphans
from db.audit import By
from db.session import tenant_transaction

LABELS = {entity.value: entity.label for entity in Entity} | {VARIANTS: "variações"}
STATES = {"active": "ativo", "orphan": "órfão", "conflict": "em conflito"}
TABLES = {
    Entity.PRODUCTS.value: "erp.product",
    VARIANTS: "erp.product_variant",
    Entity.STOCK.value: "erp.stock_level",
    Entity.CATEGORIES.value: "erp.category",
    Entity.CUSTOMERS.value: "erp.customer",
    Entity.ORDERS.value: 'erp."order"',
    Entity.INVOICES.value: "erp.invoice",
    Entity.SHIPMENTS.value: "erp.shipment",
    Entity.BANK_TRANSACTIONS.value: "erp.bank_transaction",
    Entity.RECEIVABLES.value: "erp.receivable",
}
LONGEST_NOTE = 2000
HISTORY = 50
_LONGEST_ID = 255

_COLUMNS = (
    "m.id, m.integration_id, m.entity, m.external_id, m.parent_external_id, m.internal_id, m.state,"
    " m.orphaned_by, m.missing_at, m.synced_at, m.external_updated_at, m.incomplete, m.notes"
)
_TAKEN = text(
    f"SELECT {_COLUMNS} FROM sync.mapping m WHERE m.integration_id = :integration AND m.entity = :kind"  # noqa: S608
    " AND (m.external_id = :external OR (m.internal_id = :internal AND m.state <> 'orphan'))"
    " ORDER BY m.external_id <> :external LIMIT 1"
)
_INSERT = text(
    "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, parent_external_id,"
    " internal_id, notes, synced_at) VALUES (:id, :tenant, :integration, :kind, :external, :parent,"
    " :internal, :notes, NULL)"
)
_PARENT = text(
    "SELECT m.external_id FROM erp.product_variant v JOIN sync.mapping m ON m.internal_id = v.product_id"
    " AND m.integration_id = :integration AND m.entity = 'products' AND m.state <> 'orphan'"
    " WHERE v.id = :internal"
)
_ONE = text(
    f"SELECT {_COLUMNS}, i.name AS integration FROM sync.mapping m"  # noqa: S608
    " JOIN sync.integration i ON i.id = m.integration_id WHERE m.id = :id"
)
_LOCKED = text(f"SELECT {_COLUMNS} FROM sync.mapping m WHERE m.id = :id FOR UPDATE")  # noqa: S608
_DELETE = text("DELETE FROM sync.mapping WHERE id = ANY(:ids)")
_PARTS = text(
    "SELECT m.id FROM sync.mapping m WHERE m.integration_id = :integration AND ("
    "m.entity = 'variants' AND (m.parent_external_id = :external OR m.internal_id IN"
    " (SELECT v.id FROM erp.product_variant v WHERE v.product_id = :internal))"
    " OR m.entity = 'stock' AND m.internal_id IN"
    " (SELECT s.id FROM erp.stock_level s WHERE s.product_id = :internal)) FOR UPDATE"
)
_FORGET_INTENT = text(
    "DELETE FROM sync.outbox WHERE integration_id = :integration AND entity = :kind"
    " AND internal_id = :internal AND state IN ('intent', 'sent', 'unknown')"
)
# An export reads changed rows alone.
_TOUCH = """
UPDATE {table} SET updated_at = now() WHERE id = ANY(:ids) AND EXISTS (SELECT FROM sync.pair p
  WHERE p.integration_id = :integration AND p.entity = :kind AND p.direction = 'export')
"""
_NOTE = text("UPDATE sync.mapping SET notes = :notes WHERE id = :id")
_AUDITED = text(
    "SELECT at, actor, action, details, reason FROM sync.audit_log WHERE target = :target"
    " ORDER BY at DESC, id DESC LIMIT :limit"
)
_CONFLICTS = text(
    "SELECT id, state, fields, created_at, resolved_at, resolved_by FROM sync.conflict"
    " WHERE mapping_id = :id ORDER BY created_at DESC LIMIT :limit"
)
_ISSUES = text(
    "SELECT id, direction, error_class, field, message, state, created_at, resolved_at, resolved_by"
    " FROM sync.issue WHERE integration_id = :integration AND entity = :kind"
    " AND (external_id = :external OR internal_id = :internal) ORDER BY created_at DESC LIMIT :limit"
)
_HELD = (
    " FROM sync.mapping m WHERE m.integration_id = :integration AND m.entity = :kind"
    " AND m.missing_at IS NOT NULL AND m.state <> 'orphan'"
    " AND (CAST(:ids AS uuid[]) IS NULL OR m.id = ANY(CAST(:ids AS uuid[])))"
)
_HELD_ROWS = text(f"SELECT m.id, m.external_id{_HELD} ORDER BY m.id FOR UPDATE")
_RELEASE = text("UPDATE sync.mapping SET missing_at = NULL WHERE id = ANY(:ids)")

Row = dict[str, Any]


class MappingExists(ConflictError):
    advice = Advice(
        "Mapeamento já existe",
        "Um registro só pode ter um vínculo em cada integração.",
        "Confira o existente em Mapeamentos (`cloudtosys mapping show`); se está errado, exclua-o e crie"
        " outro.",
    )


class RecordUnknown(ConfigurationError):
    advice = Advice(
        "Registro não encontrado no ERP",
        "O ID interno não existe neste tenant, é de outra entidade ou o registro foi excluído.",
        "Copie o ID do registro no ERP e repita.",
    )


class MappingUnknown(Absent):
    advice = Advice(
        "Mapeamento não encontrado",
        "O id não é de um mapeamento deste tenant, ou ele já foi excluído.",
        "Procure-o em Mapeamentos (`cloudtosys mapping list`).",
    )


async def create(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    kind: str,
    *,
    internal_id: UUID,
    external_id: str,
    by: By,
    notes: str = "",
) -> UUID:
    """Link a record of the ERP with one outside; `kind` is an entity or `VARIANTS`. Returns the mapping's id.

    An intent to create the record outside is dropped: a person has said where it is. Raises `MappingExists`,
    `RecordUnknown`, and `ConfigurationError` for what cannot be an external id.
    """
    external_id = external_id.strip()
    if not external_id or len(external_id) > _LONGEST_ID:
        raise ConfigurationError(f"O ID externo é obrigatório e tem até {_LONGEST_ID} caracteres.")
    values = {
        "id": uuid7(),
        "tenant": tenant_id,
        "integration": integration_id,
        "kind": kind,
        "internal": internal_id,
        "external": external_id,
        "notes": _note(notes),
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        await require_free(connection, integration_id, kind, internal_id=internal_id, external_id=external_id)
        parent = await _parent(connection, values) if kind == VARIANTS else None
        try:
            async with connection.begin_nested():
                await connection.execute(_INSERT, values | {"parent": parent})
        except IntegrityError:  # somebody linked one of the two in between
            await _refuse_taken(connection, values)
            raise
        await connection.execute(_FORGET_INTENT, values)
        await touch(connection, integration_id, kind, [internal_id])
        details = {"entity": kind, "internal_id": str(internal_id), "external_id": external_id}
        await audit.record(connection, tenant_id, by, "mapping.create", str(values["id"]), details)
    return UUID(str(values["id"]))


async def delete(engine: AsyncEngine, tenant_id: UUID, mapping_id: UUID, by: By) -> Row:
    """Break the link; both records stay. A product's variants and stock lose theirs with it.

    Snapshot and conflicts go with the mapping, and so does an intent to create the record outside. Returns
    what the mapping was, with `parts`, how many went with it. Raises `MappingUnknown`.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        row = await _locked(connection, mapping_id)
        values = {
            "integration": row["integration_id"],
            "kind": row["entity"],
            "external": row["external_id"],
            "internal": row["internal_id"],
        }
        parts: Sequence[UUID] = []
        if row["entity"] == Entity.PRODUCTS.value:
            parts = (await connection.execute(_PARTS, values)).scalars().all()
        await connection.execute(_DELETE, {"ids": [mapping_id, *parts]})
        await connection.execute(_FORGET_INTENT, values)
        details = {
            "entity": row["entity"],
            "internal_id": str(row["internal_id"]),
            "external_id": row["external_id"],
            "state": row["state"],
            "parts": len(parts),
        }
        await audit.record(connection, tenant_id, by, "mapping.delete", str(mapping_id), details)
    return row | {"parts": len(parts)}


async def annotate(engine: AsyncEngine, tenant_id: UUID, mapping_id: UUID, notes: str, by: By) -> None:
    """Replace the notes; empty ones take them away. Raises `MappingUnknown`, `ConfigurationError`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await _locked(connection, mapping_id)
        await connection.execute(_NOTE, {"id": mapping_id, "notes": _note(notes)})
        await audit.record(connection, tenant_id, by, "mapping.note", str(mapping_id))


async def read(engine: AsyncEngine, tenant_id: UUID, mapping_id: UUID) -> Row:
    """A mapping with `history` (audit), `conflicts` and `issues`, newest first. Raises `MappingUnknown`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_ONE, {"id": mapping_id})).one_or_none()
        if found is None:
            raise MappingUnknown(f"Não há mapeamento {mapping_id}.")
        row = dict(found._mapping)
        asked = {
            "target": str(mapping_id),
            "id": mapping_id,
            "integration": row["integration_id"],
            "kind": row["entity"],
            "external": row["external_id"],
            "internal": row["internal_id"],
            "limit": HISTORY,
        }
        for name, statement in (("history", _AUDITED), ("conflicts", _CONFLICTS), ("issues", _ISSUES)):
            row[name] = [dict(item._mapping) for item in await connection.execute(statement, asked)]
    return row


async def confirm_missing(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    kind: str,
    by: By,
    ids: Sequence[UUID] | None = None,
) -> int:
    """What complete scans did not see, and the deletion gate holds, is gone outside: orphans, all or `ids`.

    The records of the ERP stay. An open conflict has nothing left to decide. Returns how many.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        chosen = [row.id for row in await _held(connection, integration_id, kind, ids)]
        await orphans.orphan(connection, chosen, side="external", actor=by.actor)
        await orphans.calm(connection, integration_id, kind)
        await audit.record_each(connection, tenant_id, by, "mapping.orphan", [str(id_) for id_ in chosen])
    return len(chosen)


async def release_missing(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    kind: str,
    by: By,
    ids: Sequence[UUID] | None = None,
) -> int:
    """What scans did not see is there all the same: mappings go on as they were. Returns how many."""
    async with tenant_transaction(engine, tenant_id) as connection:
        chosen = [row.id for row in await _held(connection, integration_id, kind, ids)]
        await connection.execute(_RELEASE, {"ids": chosen})
        await orphans.calm(connection, integration_id, kind)
        await audit.record_each(connection, tenant_id, by, "mapping.release", [str(id_) for id_ in chosen])
    return len(chosen)


async def touch(
    connection: AsyncConnection, integration_id: UUID, kind: str, internal_ids: Sequence[UUID]
) -> None:
    """Where the ERP is exported, newly linked records count as changed: the next run compares them too."""
    values = {"integration": integration_id, "kind": kind, "ids": list(internal_ids)}
    await connection.execute(text(_TOUCH.format(table=TABLES[kind])), values)


async def require_free(
    connection: AsyncConnection, integration_id: UUID, kind: str, *, internal_id: UUID, external_id: str
) -> None:
    """Raises `RecordUnknown` and `MappingExists` where the two cannot be linked."""
    await _require_alive(connection, kind, internal_id)
    values = {"integration": integration_id, "kind": kind, "internal": internal_id, "external": external_id}
    await _refuse_taken(connection, values)


async def _require_alive(connection: AsyncConnection, kind: str, internal_id: UUID) -> None:
    statement = text(f"SELECT deleted_at IS NULL FROM {TABLES[kind]} WHERE id = :id")  # noqa: S608
    alive = (await connection.execute(statement, {"id": internal_id})).scalar_one_or_none()
    if alive is None:
        raise RecordUnknown(f"O ERP não tem registro {internal_id} em {LABELS[kind]}.")
    if not alive:
        raise RecordUnknown(f"O registro {internal_id} de {LABELS[kind]} foi excluído do ERP.")


async def _parent(connection: AsyncConnection, values: Row) -> str:
    found = (await connection.execute(_PARENT, values)).scalar_one_or_none()
    if found is None:
        raise ConfigurationError("O produto desta variação não tem vínculo: vincule o produto antes.")
    return str(found)


async def _refuse_taken(connection: AsyncConnection, values: Row) -> None:
    row = (await connection.execute(_TAKEN, values)).one_or_none()
    if row is None:
        return
    where = f"(mapeamento {row.id}, {STATES[row.state]})"
    external, internal = f"ID externo {row.external_id}", f"registro {row.internal_id} do ERP"
    if row.external_id == values["external"]:
        raise MappingExists(f"O {external} já está vinculado ao {internal} {where}.")
    raise MappingExists(f"O {internal} já está vinculado ao {external} {where}.")


async def _locked(connection: AsyncConnection, mapping_id: UUID) -> Row:
    found = (await connection.execute(_LOCKED, {"id": mapping_id})).one_or_none()
    if found is None:
        raise MappingUnknown(f"Não há mapeamento {mapping_id}.")
    return dict(found._mapping)


async def _held(
    connection: AsyncConnection, integration_id: UUID, kind: str, ids: Sequence[UUID] | None
) -> Sequence[Any]:
    values = {"integration": integration_id, "kind": kind, "ids": None if ids is None else list(ids)}
    return (await connection.execute(_HELD_ROWS, values)).all()


def _note(notes: str) -> str | None:
    notes = notes.strip()
    if len(notes) > LONGEST_NOTE:
        raise ConfigurationError(f"As notas têm até {LONGEST_NOTE} caracteres; estas têm {len(notes)}.")
    return notes or None
