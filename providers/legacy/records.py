"""Values of one row (orders: of several) as a canonical record. The external id is the natural key."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core import brazil
from core.entities import Entity
from core.errors import RecordError
from core.hashing import money
from core.records import (
    Address,
    Category,
    Customer,
    Order,
    OrderItem,
    Product,
    Receivable,
    Record,
    StockLevel,
)
from providers.legacy.cells import plain

Values = Mapping[str, Any]
"""Parsed cells by field name; blank ones are left out."""

CENT = Decimal("0.00")
ADDRESS = ("street", "number", "complement", "district", "city", "state", "postal_code")
_PRODUCT = (
    *("name", "description", "price", "sale_price", "gtin", "active"),
    *("weight_kg", "length_cm", "width_cm", "height_cm"),
)
_STATUSES = (
    ("cancel", "cancelled"),
    ("entreg", "completed"),
    ("conclu", "completed"),
    ("fatur", "paid"),
    ("pago", "paid"),
    ("envi", "shipped"),
    ("abert", "pending"),
    ("pend", "pending"),
)
"""Beginnings of the words that old ERPs have for the state of an order."""


def _product(rows: Sequence[Values]) -> Record:
    values = rows[0]
    found = {name: values[name] for name in _PRODUCT if name in values}
    if "category" in values:
        found["category_ids"] = (category_id(values["category"]),)
    if "image_url" in values:
        found["image_urls"] = (values["image_url"],)
    sku = values["sku"]
    return Product(external_id=sku, sku=sku, **found)


def _category(rows: Sequence[Values]) -> Record:
    values, name = rows[0], rows[0]["name"]
    parent = category_id(values["parent"]) if "parent" in values else None
    slug = category_id(name)
    return Category(
        external_id=slug, name=name, slug=slug, parent_id=parent, description=values.get("description", "")
    )


def _customer(rows: Sequence[Values]) -> Record:
    values = rows[0]
    key, document = customer_key(values), values.get("document")
    address = {name: values[name] for name in ADDRESS if name in values}
    return Customer(
        external_id=key,
        name=values["name"],
        person_type=brazil.person_type(document) if document else None,
        document=document,
        state_registration=values.get("state_registration"),
        email=values.get("email"),
        phone=values.get("phone"),
        addresses=(Address(kind="billing", **address),) if address else (),
    )


def _stock(rows: Sequence[Values]) -> Record:
    sku = rows[0]["sku"]
    return StockLevel(external_id=sku, product_id=sku, sku=sku, on_hand=rows[0]["on_hand"])


def _order(rows: Sequence[Values]) -> Record:
    first = rows[0]
    items = tuple([_item(position, values) for position, values in enumerate(rows, 1)])
    gross = sum((money(item.quantity * item.unit_price) for item in items), CENT)
    discount = sum((item.discount for item in items), CENT)
    shipping = first.get("shipping", CENT)
    status = first.get("status", "")
    return Order(
        external_id=first["number"],
        number=first["number"],
        status=_status(status),
        external_status=status,
        currency="BRL",
        total=money(gross - discount + shipping),
        items_total=money(gross),
        discount=money(discount),
        shipping=shipping,
        tax=CENT,
        customer_id=first.get("customer"),
        buyer_name=first.get("customer_name", ""),
        buyer_document=first.get("customer"),
        note=first.get("note", ""),
        placed_at=first["placed_at"],
        items=items,
    )


def _item(position: int, values: Values) -> OrderItem:
    discount = values.get("discount", CENT)
    return OrderItem(
        external_id=str(position),
        product_id=values["sku"],
        sku=values["sku"],
        name=values.get("item_name", values["sku"]),
        quantity=values["quantity"],
        unit_price=values["unit_price"],
        discount=discount,
        total=money(values["quantity"] * values["unit_price"] - discount),
    )


def _status(word: str) -> str:
    bare = plain(word)
    return next((status for start, status in _STATUSES if bare.startswith(start)), "other")


def _receivable(rows: Sequence[Values]) -> Record:
    values = rows[0]
    number = receivable_number(values)
    paid = values.get("paid_at")
    return Receivable(
        external_id=number,
        document_number=number,
        status="paid" if paid else "open",
        amount=values["amount"],
        paid_amount=values.get("paid_amount"),
        due_on=values["due_on"],
        paid_at=paid,
        our_number=values.get("our_number"),
        customer_id=values.get("payer_document"),
        payer_name=values.get("payer_name", ""),
        payer_document=values.get("payer_document"),
        description=values.get("description", ""),
    )


def receivable_number(values: Values) -> str:
    return f"{values['number']}/{values['instalment']}" if "instalment" in values else str(values["number"])


def category_id(name: str) -> str:
    return plain(name).replace(" ", "-")


def customer_key(values: Values) -> str:
    found = values.get("document") or values.get("code")
    if not found:
        raise RecordError("o cliente precisa de CPF/CNPJ ou código.", field="CPF/CNPJ")
    return str(found)


BUILD: dict[Entity, Callable[[Sequence[Values]], Record]] = {
    Entity.PRODUCTS: _product,
    Entity.CATEGORIES: _category,
    Entity.CUSTOMERS: _customer,
    Entity.STOCK: _stock,
    Entity.ORDERS: _order,
    Entity.RECEIVABLES: _receivable,
}
KEYS: dict[Entity, tuple[tuple[str, ...], Callable[[Values], str]]] = {
    Entity.PRODUCTS: (("sku",), lambda values: str(values["sku"])),
    Entity.CATEGORIES: (("name",), lambda values: category_id(values["name"])),
    Entity.CUSTOMERS: (("document", "code"), customer_key),
    Entity.STOCK: (("sku",), lambda values: str(values["sku"])),
    Entity.ORDERS: (("number",), lambda values: str(values["number"])),
    Entity.RECEIVABLES: (("number", "instalment"), receivable_number),
}
"""The fields that make the natural key, and the key: two rows with one key are the same record."""

FILLS = {
    "category": ("category_ids",),
    "image_url": ("image_urls",),
    "parent": ("parent_id",),
    "document": ("document", "person_type"),
    "code": (),
    **dict.fromkeys(ADDRESS, ("addresses",)),
}
"""Canonical fields of the fields that are not called as these are."""


def filled(entity: Entity, names: Sequence[str]) -> frozenset[str] | None:
    """Canonical fields that mapped columns can fill (None: all, of orders, receivables and stock): the ERP
    keeps its own values of others."""
    if entity in (Entity.ORDERS, Entity.RECEIVABLES, Entity.STOCK):
        return None
    found = {canonical for name in names for canonical in FILLS.get(name, (name,))}
    if entity is Entity.CATEGORIES:
        found.add("slug")
    return frozenset(found)
