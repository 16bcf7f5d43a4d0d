"""ERP rows as canonical records: what an external system would be told. The inverse of `db.rows`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.entities import Entity
from core.hashing import money, quantity
from core.ports import VARIANTS
from core.records import (
    Address,
    Category,
    Customer,
    Order,
    OrderItem,
    Product,
    Record,
    StockLevel,
    Variant,
)
from core.sides import Projected
from db import papers

_LINK = (
    "SELECT m.external_id FROM sync.mapping m WHERE m.integration_id = :integration AND m.state <> 'orphan'"
    " AND m.entity = '{kind}' AND m.internal_id = {id}"
)


def _link(kind: str, id_: str) -> str:
    """The external id of a record, as a subquery."""
    return f"({_LINK.format(kind=kind, id=id_)})"


_ROWS = {
    Entity.PRODUCTS: text(
        f"SELECT t.*, {_link('products', 't.id')} AS external_id,"
        " ARRAY(SELECT m.external_id FROM unnest(t.category_ids) WITH ORDINALITY c (id, n)"
        " JOIN sync.mapping m ON m.integration_id = :integration AND m.entity = 'categories'"
        " AND m.state <> 'orphan' AND m.internal_id = c.id ORDER BY c.n) AS categories,"
        " ARRAY(SELECT c.id FROM unnest(t.category_ids) c (id) WHERE NOT EXISTS (SELECT FROM sync.mapping m"
        " WHERE m.integration_id = :integration AND m.entity = 'categories' AND m.state <> 'orphan'"
        " AND m.internal_id = c.id)) AS unlinked"
        " FROM erp.product t WHERE t.id = ANY(:ids)"
    ),
    Entity.CATEGORIES: text(
        f"SELECT t.*, {_link('categories', 't.id')} AS external_id,"
        f" {_link('categories', 't.parent_id')} AS parent FROM erp.category t WHERE t.id = ANY(:ids)"
    ),
    Entity.CUSTOMERS: text(
        f"SELECT t.*, {_link('customers', 't.id')} AS external_id FROM erp.customer t WHERE t.id = ANY(:ids)"
    ),
    Entity.ORDERS: text(
        f"SELECT t.*, {_link('orders', 't.id')} AS external_id, {_link('customers', 't.customer_id')}"
        ' AS customer FROM erp."order" t WHERE t.id = ANY(:ids)'
    ),
    Entity.STOCK: text(
        f"SELECT t.*, {_link('products', 't.product_id')} AS product,"
        f" {_link(VARIANTS, 't.variant_id')} AS variant, coalesce(v.sku, p.sku) AS sku,"
        " s.published, s.held, s.living"
        " FROM erp.stock_level t JOIN erp.product p ON p.id = t.product_id"
        " LEFT JOIN erp.product_variant v ON v.id = t.variant_id, LATERAL ("
        " SELECT sum(greatest(b.on_hand - b.reserved - b.safety, 0)) AS published,"
        " sum(b.reserved + b.safety) AS held, count(*) AS living FROM erp.stock_level b"
        " WHERE b.product_id = t.product_id AND b.variant_id IS NOT DISTINCT FROM t.variant_id"
        " AND b.deleted_at IS NULL AND (CAST(:branch AS uuid) IS NULL OR b.branch_id = :branch)) s"
        " WHERE t.id = ANY(:ids)"
    ),
}
_PLACES = {
    "invoice": _link("invoices", "t.id"),
    "order": _link("orders", "t.order_id"),
    "shipment": _link("shipments", "t.id"),
    "receivable": _link("receivables", "t.id"),
    "customer": _link("customers", "t.customer_id"),
}
_ROWS |= {entity: text(rows.format(**_PLACES)) for entity, rows in papers.ROWS.items()}
_VARIANTS = text(
    f"SELECT v.*, {_link(VARIANTS, 'v.id')} AS external_id FROM erp.product_variant v"
    " WHERE v.product_id = ANY(:ids) AND v.deleted_at IS NULL ORDER BY v.id"
)
_ADDRESSES = {
    Entity.CUSTOMERS: text(
        "SELECT a.*, a.customer_id AS owner FROM erp.address a WHERE a.customer_id = ANY(:ids)"
        " AND a.deleted_at IS NULL ORDER BY a.position"
    ),
    Entity.ORDERS: text(
        "SELECT a.*, a.order_id AS owner FROM erp.address a WHERE a.order_id = ANY(:ids)"
        " AND a.deleted_at IS NULL ORDER BY a.position"
    ),
}
_ITEMS = text(
    f"SELECT i.*, {_link('products', 'i.product_id')} AS product,"
    f" {_link(VARIANTS, 'i.variant_id')} AS variant"
    " FROM erp.order_item i WHERE i.order_id = ANY(:ids) AND i.deleted_at IS NULL ORDER BY i.position"
)
_PLAIN_ADDRESS = tuple(Address.__struct_fields__)

Row = Mapping[str, Any]
Parts = Mapping[UUID, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class View:
    """Through whose eyes: the external ids are this integration's, stock is this branch's (None: all)."""

    integration_id: UUID
    branch_id: UUID | None


async def project(
    connection: AsyncConnection, view: View, entity: Entity, internal_ids: Sequence[UUID]
) -> list[Projected]:
    """The records in the order of their ids; those that do not exist any more are left out."""
    ids = list(internal_ids)
    values: dict[str, Any] = {"integration": view.integration_id, "ids": ids}
    if entity is Entity.STOCK:
        values["branch"] = view.branch_id
    found = (await connection.execute(_ROWS[entity], values)).mappings()
    rows: dict[UUID, Row] = {row["id"]: dict(row) for row in found}
    build = _BUILDERS[entity]
    parts = await _parts(connection, view, entity, ids)
    records = ((rows[id_], [part.get(id_, ()) for part in parts]) for id_ in ids if id_ in rows)
    return [build(_dated(row, of_it), *of_it) for row, of_it in records]


def _dated(row: Row, parts: Sequence[Sequence[Row]]) -> Row:
    """A record is as new as its newest part."""
    moments = [part["updated_at"] for group in parts for part in group if "updated_at" in part]
    return {**row, "updated_at": max([row["updated_at"], *moments])} if moments else row


async def _parts(
    connection: AsyncConnection, view: View, entity: Entity, ids: Sequence[UUID]
) -> tuple[Parts, ...]:
    async def by(column: str, statement: Any, **values: Any) -> Parts:
        grouped: dict[UUID, list[Row]] = defaultdict(list)
        for row in (await connection.execute(statement, {"ids": ids, **values})).mappings():
            grouped[row[column]].append(dict(row))
        return grouped

    match entity:
        case Entity.PRODUCTS:
            return (await by("product_id", _VARIANTS, integration=view.integration_id),)
        case Entity.CUSTOMERS:
            return (await by("owner", _ADDRESSES[entity]),)
        case Entity.ORDERS:
            items = await by("order_id", _ITEMS, integration=view.integration_id)
            return items, await by("owner", _ADDRESSES[entity])
        case Entity.SHIPMENTS:
            return await by("owner", papers.CONTENTS), await by("owner", papers.DESTINATIONS)
        case Entity.RECEIVABLES:
            return (await by("owner", papers.PAYERS),)
        case _:
            return ()


def _projected(row: Row, record: Record, **more: Any) -> Projected:
    updated_at = row["updated_at"].astimezone(UTC)
    return Projected(row["id"], updated_at, row["deleted_at"] is not None, record, **more)


def _product(row: Row, variants: Iterable[Row]) -> Projected:
    found = {_key(variant): variant for variant in variants}
    record = Product(
        external_id=row["external_id"] or "",
        sku=row["sku"],
        name=row["name"],
        description=row["description"],
        price=_amount(row["price"]),
        sale_price=_amount(row["sale_price"]),
        gtin=row["gtin"],
        active=row["active"],
        weight_kg=_measure(row["weight_kg"]),
        length_cm=_measure(row["length_cm"]),
        width_cm=_measure(row["width_cm"]),
        height_cm=_measure(row["height_cm"]),
        category_ids=tuple(row["categories"]),
        image_urls=tuple(row["image_urls"]),
        variants=tuple([_variant(variant) for variant in found.values()]),
    )
    return _projected(
        row,
        record,
        missing=bool(row["unlinked"]),
        variants={key: v["id"] for key, v in found.items()},
        unlinked=tuple(row["unlinked"]),
    )


def _key(variant: Row) -> str:
    return variant["sku"] or variant["external_id"] or str(variant["id"])


def _variant(row: Row) -> Variant:
    return Variant(
        external_id=row["external_id"] or "",
        sku=row["sku"],
        price=_amount(row["price"]),
        sale_price=_amount(row["sale_price"]),
        gtin=row["gtin"],
        active=row["active"],
        options=row["options"],
        weight_kg=_measure(row["weight_kg"]),
    )


def _category(row: Row) -> Projected:
    record = Category(
        external_id=row["external_id"] or "",
        name=row["name"],
        slug=row["slug"],
        parent_id=row["parent"],
        description=row["description"],
        position=row["position"],
    )
    return _projected(row, record, missing=row["parent_id"] is not None and row["parent"] is None)


def _customer(row: Row, addresses: Iterable[Row]) -> Projected:
    record = Customer(
        external_id=row["external_id"] or "",
        name=row["name"],
        person_type=row["person_type"],
        document=row["document"],
        state_registration=row["state_registration"],
        email=row["email"],
        phone=row["phone"],
        addresses=_addresses(addresses),
    )
    return _projected(row, record)


def _order(row: Row, items: Iterable[Row], addresses: Iterable[Row]) -> Projected:
    amounts = ("total", "items_total", "discount", "shipping", "tax", "fees")
    plain = (
        *("number", "status", "external_status", "currency", "buyer_name", "buyer_document"),
        *("buyer_email", "buyer_phone", "payment_method", "shipping_method", "note"),
    )
    named: dict[str, Any] = {name: row[name] for name in plain}
    record = Order(
        external_id=row["external_id"] or "",
        **named | {name: money(row[name]) for name in amounts},
        customer_id=row["customer"],
        placed_at=row["placed_at"].astimezone(UTC),
        paid_at=_moment(row["paid_at"]),
        addresses=_addresses(addresses),
        items=tuple([_item(item) for item in items]),
    )
    return _projected(row, record, missing=row["customer_id"] is not None and row["customer"] is None)


def _item(row: Row) -> OrderItem:
    return OrderItem(
        external_id=row["external_id"] or "",
        product_id=row["product"],
        variant_id=row["variant"],
        sku=row["sku"],
        name=row["name"],
        quantity=quantity(row["quantity"]),
        unit_price=money(row["unit_price"]),
        discount=money(row["discount"]),
        total=money(row["total"]),
    )


def _paper(build: Callable[..., tuple[Record, dict[str, Any]]]) -> Callable[..., Projected]:
    """A builder of `db.papers` as one of ours; its moments are brought to UTC."""

    def built(row: Row, *parts: Iterable[Row]) -> Projected:
        moments = {name: _moment(value) for name, value in row.items() if isinstance(value, datetime)}
        record, more = build({**row, **moments}, *parts)
        return _projected(row, record, **more)

    return built


def _stock(row: Row) -> Projected:
    product, variant = row["product"], row["variant"]
    record = StockLevel(
        external_id=(variant if row["variant_id"] else product) or "",
        product_id=product or "",
        variant_id=variant,
        sku=row["sku"],
        on_hand=quantity(row["published"] or Decimal(0)),
    )
    return _projected(
        # What is published of several branches is gone only with the last of them.
        {**row, "deleted_at": None} if row["living"] else row,
        record,
        placed=product is not None and (row["variant_id"] is None or variant is not None),
        held=row["held"],
    )


def _addresses(rows: Iterable[Row]) -> tuple[Address, ...]:
    return tuple([Address(**{name: row[name] for name in _PLAIN_ADDRESS}) for row in rows])


def _amount(value: Decimal | None) -> Decimal | None:
    return None if value is None else money(value)


def _measure(value: Decimal | None) -> Decimal | None:
    return None if value is None else quantity(value)


def _moment(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


_BUILDERS: dict[Entity, Callable[..., Projected]] = {
    Entity.PRODUCTS: _product,
    Entity.CATEGORIES: _category,
    Entity.CUSTOMERS: _customer,
    Entity.ORDERS: _order,
    Entity.STOCK: _stock,
    Entity.INVOICES: _paper(papers.invoice),
    Entity.SHIPMENTS: _paper(papers.shipment),
    Entity.RECEIVABLES: _paper(papers.receivable),
}
