"""Which other records a record points at, and the natural key it can be found by."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from core.entities import Entity
from core.ports import VARIANTS, Key
from core.records import (
    BankTransaction,
    Category,
    Customer,
    Invoice,
    Order,
    OrderItem,
    Product,
    Receivable,
    Record,
    Shipment,
    StockLevel,
)

NATURAL_KEYS = {
    Entity.PRODUCTS: "SKU",
    Entity.STOCK: "item e filial",
    Entity.CATEGORIES: "slug",
    Entity.CUSTOMERS: "CPF/CNPJ",
    Entity.ORDERS: "número",
    Entity.INVOICES: "chave de acesso",
    Entity.SHIPMENTS: "código de rastreio",
    Entity.BANK_TRANSACTIONS: "identificação do lançamento",
    Entity.RECEIVABLES: "número do documento",
}
"""What an admin calls each entity's natural key."""


_PRODUCTS, _CATEGORIES = Entity.PRODUCTS.value, Entity.CATEGORIES.value  # asked for each record


def references(record: Record) -> list[Key]:  # noqa: PLR0911 - one for each kind of record
    """Keys of the mapped records that `record` needs by internal id, its own variants among them."""
    match record:
        case Product():
            categories = [(_CATEGORIES, id_) for id_ in record.category_ids]
            return categories + [(VARIANTS, variant.external_id) for variant in record.variants]
        case Category(parent_id=str() as parent):
            return [(Entity.CATEGORIES.value, parent)]
        case StockLevel():
            return list(dict.fromkeys([(_PRODUCTS, record.product_id), sellable(record)]))
        case Order():
            customer = [(Entity.CUSTOMERS.value, record.customer_id)] if record.customer_id else []
            return customer + [key for item in record.items for key in item_keys(item)]
        case Invoice(order_id=str() as order):
            return [(Entity.ORDERS.value, order)]
        case Receivable(customer_id=str() as customer_id):
            return [(Entity.CUSTOMERS.value, customer_id)]
        case _:
            return []


def sellable(record: StockLevel) -> Key:
    """The mapping key of the product or variant that a stock level counts."""
    if record.variant_id is not None:
        return VARIANTS, record.variant_id
    return _PRODUCTS, record.product_id


def item_keys(item: OrderItem) -> list[Key]:
    keys: list[Key] = []
    if item.product_id:
        keys.append((Entity.PRODUCTS.value, item.product_id))
    if item.variant_id:
        keys.append((VARIANTS, item.variant_id))
    return keys


def natural_key(record: Record, refs: Mapping[Key, UUID]) -> str | None:  # noqa: PLR0911
    """The value an ERP record could be recognised by; None where the record has none."""
    match record:
        case Product():
            return record.sku
        case StockLevel():
            return str(refs[sellable(record)])
        case Category():
            return record.slug or None
        case Customer():
            return record.document
        case Order():
            return record.number
        case Invoice():
            return record.access_key
        case Shipment():
            return record.tracking_code
        case BankTransaction():
            return record.external_id
        case Receivable():
            return record.document_number
        case _:
            return None


def without(record: Record, refs: Mapping[Key, UUID]) -> Record:
    """The record without the references that have no mapping: as the ERP can hold it."""

    def known(entity: Entity, id_: str | None) -> str | None:
        return id_ if id_ and (entity.value, id_) in refs else None

    match record:
        case Product():
            kept = [id_ for id_ in record.category_ids if known(Entity.CATEGORIES, id_)]
            return msgspec.structs.replace(record, category_ids=tuple(kept))
        case Category():
            return msgspec.structs.replace(record, parent_id=known(Entity.CATEGORIES, record.parent_id))
        case Order():
            items = tuple([_known_item(item, refs) for item in record.items])
            customer = known(Entity.CUSTOMERS, record.customer_id)
            return msgspec.structs.replace(record, customer_id=customer, items=items)
        case Invoice():
            return msgspec.structs.replace(record, order_id=known(Entity.ORDERS, record.order_id))
        case Receivable():
            customer = known(Entity.CUSTOMERS, record.customer_id)
            return msgspec.structs.replace(record, customer_id=customer)
        case _:
            return record


def _known_item(item: OrderItem, refs: Mapping[Key, UUID]) -> OrderItem:
    product = (Entity.PRODUCTS.value, item.product_id or "")
    variant = (VARIANTS, item.variant_id or "")
    return msgspec.structs.replace(
        item,
        product_id=item.product_id if product in refs else None,
        variant_id=item.variant_id if variant in refs else None,
    )


def missing(record: Record, refs: Mapping[Key, UUID]) -> Sequence[Key]:
    """Referenced records that have no mapping yet; variants come with their product and never miss."""
    return [key for key in references(record) if key[0] != VARIANTS and key not in refs]
