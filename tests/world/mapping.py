"""Objects of the world as canonical records, and the fields of records as the world takes them.

Variants are a list inside their product; their ids are made of the product's and the SKU.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from core.entities import Entity
from core.hashing import money, quantity
from core.records import Address, Category, Customer, Order, OrderItem, Product, Record, StockLevel, Variant
from core.spec import Raw, Settings

Field = tuple[str, Callable[[Any], Any]]
"""Name in the world, and how a value is sent."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def category_from(raw: Raw, _settings: Settings) -> Category:
    return Category(
        **_common(raw),
        name=raw["name"],
        slug=raw.get("slug") or "",
        parent_id=raw.get("parent"),
        description=raw.get("description") or "",
        position=raw.get("position") or 0,
    )


def product_from(raw: Raw, _settings: Settings) -> Product:
    return Product(
        **_common(raw),
        sku=raw.get("sku"),
        name=raw["name"],
        description=raw.get("description") or "",
        price=_amount(raw.get("price")),
        sale_price=_amount(raw.get("sale_price")),
        gtin=raw.get("gtin"),
        active=raw.get("active", True),
        weight_kg=_measure(raw.get("weight")),
        category_ids=tuple(raw.get("categories") or ()),
        image_urls=tuple(raw.get("images") or ()),
        variants=tuple([_variant(raw, one) for one in raw.get("variants") or ()]),
    )


def customer_from(raw: Raw, _settings: Settings) -> Customer:
    return Customer(
        **_common(raw),
        name=raw["name"],
        person_type=raw.get("person_type"),
        document=raw.get("document"),
        state_registration=raw.get("state_registration"),
        email=raw.get("email"),
        phone=raw.get("phone"),
        addresses=tuple([msgspec.convert(one, Address) for one in raw.get("addresses") or ()]),
    )


def stock_from(raw: Raw, _settings: Settings) -> StockLevel:
    return StockLevel(
        **_common(raw),
        product_id=raw["product"],
        variant_id=raw.get("variant"),
        sku=raw.get("sku"),
        on_hand=quantity(raw["quantity"]),
    )


def order_from(raw: Raw, _settings: Settings) -> Order:
    items = tuple([_item(place, one) for place, one in enumerate(raw["items"])])
    return Order(
        **_common(raw),
        number=raw["number"],
        status=raw["status"],
        external_status=raw["status"],
        currency=raw.get("currency") or "BRL",
        total=money(raw["total"]),
        items_total=sum((item.total for item in items), Decimal("0.00")),
        discount=money(raw.get("discount") or 0),
        shipping=money(raw.get("shipping") or 0),
        tax=money(0),
        customer_id=raw.get("customer"),
        buyer_document=raw.get("document"),
        note=raw.get("note") or "",
        placed_at=utc(raw.get("placed_at") or raw["created_at"]),
        items=items,
    )


def _common(raw: Raw) -> dict[str, Any]:
    updated_at = utc(raw["updated_at"])
    return {"external_id": raw["id"], "updated_at": updated_at, "reference": raw.get("reference")}


def _variant(raw: Raw, one: Raw) -> Variant:
    return Variant(
        external_id=f"{raw['id']}/{one['sku']}",
        sku=one["sku"],
        price=_amount(one.get("price")),
        gtin=one.get("gtin"),
        active=one.get("active", True),
        options=one.get("options") or {},
    )


def _item(place: int, one: Raw) -> OrderItem:
    amount, price = quantity(one["quantity"]), money(one["price"])
    return OrderItem(
        external_id=str(place),
        product_id=one.get("product"),
        sku=one.get("sku"),
        name=one.get("name") or one.get("sku") or "",
        quantity=amount,
        unit_price=price,
        total=money(amount * price),
    )


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else money(text)


def _measure(text: str | None) -> Decimal | None:
    return None if text is None else quantity(text)


def plain(value: Any) -> Any:
    return value


def text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _variants(variants: tuple[Variant, ...]) -> list[Raw]:
    return [
        {
            "sku": one.sku,
            "price": text(one.price),
            "gtin": one.gtin,
            "active": one.active,
            "options": one.options,
        }
        for one in variants
    ]


def _items(items: tuple[OrderItem, ...]) -> list[Raw]:
    return [
        {
            "sku": one.sku,
            "name": one.name,
            "product": one.product_id,
            "quantity": int(one.quantity),
            "price": text(one.unit_price),
        }
        for one in items
    ]


FIELDS: Mapping[Entity, Mapping[str, Field]] = {
    Entity.CATEGORIES: {
        "name": ("name", plain),
        "slug": ("slug", lambda slug: slug or None),
        "parent_id": ("parent", plain),
        "description": ("description", plain),
        "position": ("position", plain),
    },
    Entity.PRODUCTS: {
        "sku": ("sku", plain),
        "name": ("name", plain),
        "description": ("description", plain),
        "price": ("price", text),
        "sale_price": ("sale_price", text),
        "gtin": ("gtin", plain),
        "active": ("active", plain),
        "weight_kg": ("weight", text),
        "category_ids": ("categories", list),
        "image_urls": ("images", list),
        "variants": ("variants", _variants),
    },
    Entity.CUSTOMERS: {
        "name": ("name", plain),
        "person_type": ("person_type", plain),
        "document": ("document", plain),
        "state_registration": ("state_registration", plain),
        "email": ("email", plain),
        "phone": ("phone", plain),
        "addresses": ("addresses", lambda addresses: [msgspec.to_builtins(one) for one in addresses]),
    },
    Entity.STOCK: {"on_hand": ("quantity", int)},
    Entity.ORDERS: {"status": ("status", plain), "note": ("note", plain)},
}
"""What is written, by the name of the canonical field."""

ONCE: Mapping[Entity, Mapping[str, Field]] = {
    Entity.STOCK: {
        "sku": ("sku", plain),
        "product_id": ("product", plain),
        "variant_id": ("variant", plain),
    },
    Entity.ORDERS: {
        "number": ("number", plain),
        "currency": ("currency", plain),
        "total": ("total", text),
        "discount": ("discount", text),
        "shipping": ("shipping", text),
        "customer_id": ("customer", plain),
        "buyer_document": ("document", plain),
        "placed_at": ("placed_at", moment),
        "items": ("items", _items),
    },
}
"""What is written with a create alone."""


def body(entity: Entity, record: Record, fields: frozenset[str]) -> Raw:
    """Those fields as the world takes them."""
    known = {**FIELDS[entity], **ONCE.get(entity, {})}
    return {known[name][0]: known[name][1](getattr(record, name)) for name in sorted(fields)}
