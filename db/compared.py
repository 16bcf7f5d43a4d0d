"""A linked record on both sides: the ERP's as it is, the external one as it was last seen."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, Entity
from core.ports import VARIANTS
from core.records import RECORDS, Record
from core.trees import OUTSIDE, Tree, tree
from db import mappings
from db.naming import Named, names
from db.projection import View, project
from db.session import tenant_transaction

_MORE = text(
    "SELECT i.provider, s.record::text AS record, p.id AS pair_id, p.direction,"
    " coalesce(i.branch_id, (SELECT b.id FROM erp.branch b WHERE b.is_default LIMIT 1)) AS branch_id"
    " FROM sync.mapping m JOIN sync.integration i ON i.id = m.integration_id"
    " LEFT JOIN sync.pair p ON p.integration_id = m.integration_id AND p.entity = m.entity"
    " LEFT JOIN sync.mapping_snapshot s ON s.mapping_id = m.id WHERE m.id = :id"
)
_PARENT = text(
    "SELECT o.id FROM sync.mapping m JOIN sync.mapping o ON o.integration_id = m.integration_id"
    " AND o.entity = 'products' AND o.external_id = m.parent_external_id WHERE m.id = :id"
)


@dataclass(frozen=True, slots=True)
class Compared:
    """`row` as `db.mappings.read` gives it. `erp` is None for variants and where the record is gone for good;
    `external` where nothing was put on record yet. `direction` is the pair's, None where there is none;
    `parent_id` a variant's product's mapping."""

    row: mappings.Row
    record: Named | None
    erp: Tree | None
    external: Tree | None
    provider: str
    direction: Direction | None
    parent_id: UUID | None


async def compare(engine: AsyncEngine, tenant_id: UUID, mapping_id: UUID, *, whole: bool) -> Compared:
    """`whole`: for a person who may see customers' names. Raises `MappingUnknown`, `DatabaseUnavailable`."""
    row = await mappings.read(engine, tenant_id, mapping_id)
    async with tenant_transaction(engine, tenant_id) as connection:
        more = (await connection.execute(_MORE, {"id": mapping_id})).one_or_none()
        if more is None:
            raise mappings.MappingUnknown(f"Não há mapeamento {mapping_id}.")
        named = await names(connection, {row["entity"]: [row["internal_id"]]}, whole=whole)
        erp, parent = None, None
        if row["entity"] == VARIANTS:
            parent = (await connection.execute(_PARENT, {"id": mapping_id})).scalar_one_or_none()
        elif row["entity"] != Entity.BANK_TRANSACTIONS:
            view, entity = View(row["integration_id"], more.branch_id), Entity(row["entity"])
            found = await project(connection, view, entity, [row["internal_id"]])
            erp = _tree(found[0].record) if found else None
    return Compared(
        row=row,
        record=named.get(row["internal_id"]),
        erp=erp,
        external=_seen(row["entity"], more.record),
        provider=more.provider,
        direction=Direction(more.direction) if more.direction else None,
        parent_id=parent,
    )


def _seen(kind: str, record: str | None) -> Tree | None:
    if record is None or kind == VARIANTS:
        return None
    try:
        return _tree(msgspec.json.decode(record, type=RECORDS[Entity(kind)]))
    except msgspec.ValidationError:  # of a mapping's older version
        found: Any = msgspec.json.decode(record)
        return {name: value for name, value in found.items() if name not in OUTSIDE}


def _tree(record: Record) -> Tree:
    return tree(record, frozenset(type(record).__struct_fields__) - OUTSIDE)
