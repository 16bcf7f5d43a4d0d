"""Canonical records as rows of the ERP's tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Table
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.ports import VARIANTS, Action, Change
from core.records import (
    RECORDS,
    Address,
    Category,
    Customer,
    Invoice,
    Order,
    OrderItem,
    Product,
    Receivable,
    Shipment,
    StockLevel,
)
from core.references import sellable
from db import models

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """Rows for one table. `replaces` names the column whose old rows go first (items of an order), `part_of`
    the record's field that they come from, `needs` a column that no row is without."""

    table: Table
    columns: tuple[str, ...]
    rows: Sequence[Row]
    replaces: str | None = None
    part_of: str | None = None
    needs: str | None = None


PRODUCT = (
    *("id", "sku", "name", "description", "price", "sale_price", "gtin", "active", "weight_kg"),
    *("length_cm", "width_cm", "height_cm", "category_ids", "image_urls"),
)
VARIANT = ("id", "product_id", "sku", "price", "sale_price", "gtin", "active", "options", "weight_kg")
STOCK = ("id", "branch_id", "product_id", "variant_id", "on_hand")
CATEGORY = ("id", "name", "slug", "parent_id", "description", "position")
CUSTOMER = ("id", "name", "person_type", "document", "state_registration", "email", "phone")
ORDER = (
    *("id", "channel", "number", "status", "external_status", "currency", "total", "items_total"),
    *("discount", "shipping", "tax", "fees", "customer_id", "buyer_name", "buyer_document"),
    *("buyer_email", "buyer_phone", "payment_method", "shipping_method", "note", "placed_at", "paid_at"),
)
ITEM = (
    *("id", "order_id", "position", "external_id", "product_id", "variant_id", "sku", "name"),
    *("quantity", "unit_price", "discount", "total"),
)
ADDRESS = (
    *("id", "customer_id", "order_id", "kind", "position", "name", "street", "number", "complement"),
    *("district", "city", "state", "postal_code", "country"),
)

INVOICE = (
    *("id", "order_id", "direction", "access_key", "number", "series", "status", "issuer_document"),
    *("issuer_name", "recipient_document", "recipient_name", "total", "issued_at", "protocol", "xml"),
)
SHIPMENT = (
    *("id", "order_id", "carrier", "service", "status", "tracking_code", "cost", "label_url", "shipped_at"),
    *("delivered_at", "events"),
)
TRANSACTION = (
    *("id", "account", "reference", "amount", "booked_on", "description", "kind", "txid", "our_number"),
    *("counterpart_name", "counterpart_document"),
)
RECEIVABLE = (
    *("id", "customer_id", "document_number", "status", "amount", "paid_amount", "due_on", "paid_at"),
    *("our_number", "txid", "description", "barcode", "pix_code"),
)


def writes(
    entity: Entity,
    changes: Sequence[Change],
    branch_id: UUID,
    channel: str,
    fields: frozenset[str] | None = None,
) -> Iterator[Write]:
    """The writes of a batch, parents first. Columns of fields that the external system does not know, those
    not in `fields`, are left as the ERP has them."""
    for write in _writes(entity, changes, branch_id, channel):
        if fields is None:
            yield write
        elif write.part_of is None:
            own = frozenset(RECORDS[entity].__struct_fields__) - fields - {write.needs}
            yield replace(write, columns=tuple([name for name in write.columns if name not in own]))
        elif write.part_of in fields:
            yield write


def _writes(entity: Entity, changes: Sequence[Change], branch_id: UUID, channel: str) -> Iterator[Write]:
    match entity:
        case Entity.PRODUCTS:
            yield Write(models.product, PRODUCT, [_product(change) for change in changes])
            yield Write(models.product_variant, VARIANT, _each(changes, _variants), part_of="variants")
        case Entity.STOCK:
            yield Write(models.stock_level, STOCK, [_stock(change, branch_id) for change in changes])
        case Entity.CATEGORIES:
            yield Write(models.category, CATEGORY, [_category(change) for change in changes])
        case Entity.CUSTOMERS:
            yield Write(models.customer, CUSTOMER, [_plain(change, CUSTOMER) for change in changes])
            yield Write(models.address, ADDRESS, _each(changes, _addresses), "customer_id", "addresses")
        case Entity.ORDERS:
            yield Write(models.order, ORDER, [_order(change, channel) for change in changes])
            yield Write(models.order_item, ITEM, _each(changes, _items), "order_id", "items")
            yield Write(models.address, ADDRESS, _each(changes, _addresses), "order_id", "addresses")
        case Entity.INVOICES:
            yield Write(models.invoice, INVOICE, [_invoice(change) for change in changes])
        case Entity.SHIPMENTS:
            shipments = [_shipment(change) for change in changes]
            yield Write(models.shipment, SHIPMENT, shipments, needs="order_id")
        case Entity.BANK_TRANSACTIONS:
            yield Write(models.bank_transaction, TRANSACTION, [_transaction(change) for change in changes])
        case Entity.RECEIVABLES:
            yield Write(models.receivable, RECEIVABLE, [_receivable(change) for change in changes])


def variant_mappings(changes: Sequence[Change]) -> Iterator[tuple[Change, str, UUID]]:
    """(change of the product, external id and internal id of each of its variants)."""
    for change in changes:
        if isinstance(change.record, Product):
            for variant in change.record.variants:
                yield change, variant.external_id, change.refs[VARIANTS, variant.external_id]


def replaced(changes: Sequence[Change]) -> list[UUID]:
    """Ids of records that may have rows already."""
    return [change.internal_id for change in changes if change.action is not Action.CREATE]


def _each(changes: Sequence[Change], rows: Callable[[Change], Iterator[Row]]) -> list[Row]:
    return [row for change in changes for row in rows(change)]


def _plain(change: Change, columns: Sequence[str]) -> Row:
    """A record whose fields are named as the columns are."""
    row: Row = {name: getattr(change.record, name) for name in columns if name != "id"}
    row["id"] = change.internal_id
    return row


_PRODUCT_FIELDS = tuple(name for name in PRODUCT if name not in ("id", "category_ids"))


def _product(change: Change) -> Row:
    record = change.record
    assert isinstance(record, Product)  # noqa: S101 - the engine pairs entity and record type
    row: Row = {name: getattr(record, name) for name in _PRODUCT_FIELDS}
    row["id"] = change.internal_id
    refs, kind = change.refs, Entity.CATEGORIES.value
    linked = [refs[kind, id_] for id_ in record.category_ids if (kind, id_) in refs]
    # What the other side cannot know of is no category that it took away.
    row["category_ids"] = [*linked, *(change.seen.unlinked if change.seen else ())]
    return row


def _variants(change: Change) -> Iterator[Row]:
    record = change.record
    assert isinstance(record, Product)  # noqa: S101
    for variant in record.variants:
        row: Row = {name: getattr(variant, name) for name in VARIANT if name not in ("id", "product_id")}
        row["id"] = change.refs[VARIANTS, variant.external_id]
        row["product_id"] = change.internal_id
        yield row


def _stock(change: Change, branch_id: UUID) -> Row:
    record = change.record
    assert isinstance(record, StockLevel)  # noqa: S101
    product = (Entity.PRODUCTS.value, record.product_id)
    return {
        "id": change.internal_id,
        "branch_id": branch_id,
        "product_id": change.refs[product],
        "variant_id": change.refs[sellable(record)] if record.variant_id else None,
        "on_hand": record.on_hand,
    }


def _category(change: Change) -> Row:
    record = change.record
    assert isinstance(record, Category)  # noqa: S101
    row = _plain(change, [name for name in CATEGORY if name != "parent_id"])
    row["parent_id"] = change.refs.get((Entity.CATEGORIES.value, record.parent_id or ""))
    return row


def _order(change: Change, channel: str) -> Row:
    record = change.record
    assert isinstance(record, Order)  # noqa: S101
    row = _plain(change, [name for name in ORDER if name not in ("channel", "customer_id")])
    row["channel"] = channel
    row["customer_id"] = change.refs.get((Entity.CUSTOMERS.value, record.customer_id or ""))
    return row


def _invoice(change: Change) -> Row:
    record = change.record
    assert isinstance(record, Invoice)  # noqa: S101
    row = _plain(change, [name for name in INVOICE if name != "order_id"])
    row["order_id"] = change.refs.get((Entity.ORDERS.value, record.order_id or ""))
    row["xml"] = record.xml or None
    return row


def _shipment(change: Change) -> Row:
    record = change.record
    assert isinstance(record, Shipment)  # noqa: S101
    row = _plain(change, [name for name in SHIPMENT if name != "order_id"])
    row["order_id"] = change.refs[Entity.ORDERS.value, record.order_number]
    return row


def _transaction(change: Change) -> Row:
    row = _plain(change, [name for name in TRANSACTION if name != "reference"])
    row["reference"] = change.record.external_id
    return row


def _receivable(change: Change) -> Row:
    record = change.record
    assert isinstance(record, Receivable)  # noqa: S101
    row = _plain(change, [name for name in RECEIVABLE if name != "customer_id"])
    row["customer_id"] = change.refs.get((Entity.CUSTOMERS.value, record.customer_id or ""))
    return row


def _items(change: Change) -> Iterator[Row]:
    record = change.record
    assert isinstance(record, Order)  # noqa: S101
    for position, item in enumerate(record.items):
        yield _item(change, position, item)


def _item(change: Change, position: int, item: OrderItem) -> Row:
    names = ("external_id", "sku", "name", "quantity", "unit_price", "discount", "total")
    return {
        **{name: getattr(item, name) for name in names},
        "id": uuid7(),
        "order_id": change.internal_id,
        "position": position,
        "product_id": change.refs.get((Entity.PRODUCTS.value, item.product_id or "")),
        "variant_id": change.refs.get((VARIANTS, item.variant_id or "")),
    }


def _addresses(change: Change) -> Iterator[Row]:
    record = change.record
    assert isinstance(record, Customer | Order)  # noqa: S101
    owner = "customer_id" if isinstance(record, Customer) else "order_id"
    for position, address in enumerate(record.addresses):
        yield _address(change, owner, position, address)


def _address(change: Change, owner: str, position: int, address: Address) -> Row:
    names = [name for name in ADDRESS if name not in ("id", "customer_id", "order_id", "position")]
    row: Row = {name: getattr(address, name) for name in names}
    return row | {
        "id": uuid7(),
        "customer_id": None,
        "order_id": None,
        owner: change.internal_id,
        "position": position,
    }
