"""Single fields of an ERP record written, as a person decided; what they did not decide stays as it is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.errors import ConfigurationError, ConflictError
from core.ports import Action, Change, Key
from core.records import Order, Product, Record, StockLevel
from core.references import references
from core.sides import Projected
from core.trees import Tree, keyed, part_key, rebuilt
from db import models, rows

TABLES = {
    Entity.PRODUCTS: models.product,
    Entity.CATEGORIES: models.category,
    Entity.CUSTOMERS: models.customer,
    Entity.ORDERS: models.order,
    Entity.STOCK: models.stock_level,
    Entity.INVOICES: models.invoice,
    Entity.SHIPMENTS: models.shipment,
    Entity.RECEIVABLES: models.receivable,
}
_REFS = text(
    "SELECT entity, external_id, internal_id FROM sync.mapping WHERE integration_id = :integration"
    " AND state <> 'orphan' AND (entity, external_id) IN (SELECT * FROM unnest(CAST(:kinds AS text[]),"
    " CAST(:ids AS text[])))"
)
_OTHER_CATEGORIES = text(
    "SELECT c FROM erp.product p, unnest(p.category_ids) c WHERE p.id = :id AND NOT EXISTS"
    " (SELECT FROM sync.mapping m WHERE m.integration_id = :integration AND m.entity = 'categories'"
    " AND m.internal_id = c AND m.state <> 'orphan')"
)


async def patch(
    connection: AsyncConnection,
    integration_id: UUID,
    tenant_id: UUID,
    entity: Entity,
    row: Projected,
    fields: Tree,
) -> None:
    """Write `fields` of the record, and count it as changed also where nothing is.

    Raises `ConfigurationError` for a value that its field does not take, `ConflictError` for one that has
    to be unique and is not.
    """
    try:
        record = rebuilt(row.record, fields)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ConfigurationError(f"Valor não aceito: {str(error)[:200]}.") from None
    table = TABLES[entity]
    try:
        async with connection.begin_nested():
            values = await _columns(connection, integration_id, entity, row, record, fields)
            values["updated_at"] = text("now()")
            await connection.execute(table.update().where(table.c.id == row.internal_id).values(values))
            if isinstance(record, Product) and "variants" in fields:
                await _put_variants(connection, tenant_id, row, record)
            if "addresses" in fields:
                await _put_addresses(connection, tenant_id, entity, row, fields["addresses"])
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", "") or ""
        raise ConflictError(
            f"Já existe no ERP um registro com o mesmo valor único ({constraint}).", provider_code=constraint
        ) from None
    except DataError:
        raise ConfigurationError("Um valor não cabe no campo correspondente do ERP.") from None


async def _columns(
    connection: AsyncConnection,
    integration_id: UUID,
    entity: Entity,
    row: Projected,
    record: Record,
    fields: Tree,
) -> dict[str, Any]:
    """The record's own columns among the fields."""
    if isinstance(record, StockLevel):  # what is not for sale is on hand too
        return {"on_hand": record.on_hand + (row.held or 0)} if "on_hand" in fields else {}
    if isinstance(record, Product):
        record = msgspec.structs.replace(record, variants=())
    if isinstance(record, Order) and "items" in fields:
        raise ConfigurationError("Itens de pedido não se resolvem por aqui: corrija o pedido na origem.")
    refs = await _refs(connection, integration_id, record)
    change = Change(Action.UPDATE, record, b"", b"", row.internal_id, row.internal_id, refs=refs)
    main = next(rows.writes(entity, [change], row.internal_id, ""))
    values = {name: _listed(main.rows[0][name]) for name in main.columns if name in fields}
    if "category_ids" in values:
        asked = {"id": row.internal_id, "integration": integration_id}
        values["category_ids"] += (await connection.execute(_OTHER_CATEGORIES, asked)).scalars().all()
    return values


async def _refs(connection: AsyncConnection, integration_id: UUID, record: Record) -> Mapping[Key, UUID]:
    keys = references(record)
    values = {"kinds": [kind for kind, _ in keys], "ids": [id_ for _, id_ in keys]}
    found = await connection.execute(_REFS, values | {"integration": integration_id})
    return {(item.entity, item.external_id): item.internal_id for item in found}


async def _put_variants(
    connection: AsyncConnection, tenant_id: UUID, row: Projected, record: Product
) -> None:
    table = models.product_variant
    assert isinstance(row.record, Product)  # noqa: S101
    old = {part_key(msgspec.to_builtins(variant)): variant for variant in row.record.variants}
    new = {part_key(msgspec.to_builtins(variant)): variant for variant in record.variants}
    names = [name for name in rows.VARIANT if name not in ("id", "product_id")]
    for key, variant in new.items():
        values = {name: getattr(variant, name) for name in names}
        if key not in old:
            more = {"id": uuid7(), "tenant_id": tenant_id, "product_id": row.internal_id}
            await connection.execute(table.insert().values(**values, **more))
        elif variant != old[key]:
            await _update(connection, table, row.variants[key], values)
    for key in old.keys() - new.keys():
        await _update(connection, table, row.variants[key], {"deleted_at": text("now()")})


async def _put_addresses(
    connection: AsyncConnection, tenant_id: UUID, entity: Entity, row: Projected, parts: Tree
) -> None:
    """Told apart as in their tree: by kind, and a second one of a kind by its number."""
    table = models.address
    owner = "customer_id" if entity is Entity.CUSTOMERS else "order_id"
    mine = table.c[owner] == row.internal_id
    alive = table.select().where(mine, table.c.deleted_at.is_(None)).order_by(table.c.position)
    old = keyed([dict(address) for address in (await connection.execute(alive)).mappings()])
    for position, (key, part) in enumerate(parts.items(), len(old)):
        if key in old:
            await _update(connection, table, old[key]["id"], part)
        else:
            place = {owner: row.internal_id, "tenant_id": tenant_id, "position": position}
            await connection.execute(table.insert().values(**part, **place))
    for key in old.keys() - parts.keys():
        await connection.execute(table.delete().where(table.c.id == old[key]["id"]))


async def _update(connection: AsyncConnection, table: Table, id_: UUID, values: dict[str, Any]) -> None:
    await connection.execute(table.update().where(table.c.id == id_).values(values))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
