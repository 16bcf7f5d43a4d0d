"""HubSpot's objects as canonical records. Every property is text or null, numbers and times too."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.brazil import document as valid_document
from core.brazil import person_type
from core.errors import RecordError
from core.hashing import money, quantity
from core.records import Address, Customer, Order, OrderItem, Product
from core.spec import Raw, Settings
from providers.hubspot.calls import REFERENCE
from providers.hubspot.kinds import (
    CONTACTS,
    PRODUCTS,
    STATUSES,
    document_property,
    price_property,
    sale,
    sku_property,
    stages,
)

ZERO = Decimal("0.00")
BRAZIL = "Brasil"
_BRAZIL = ("", "br", "brasil", "brazil")
_LINE = re.compile(
    r"(?P<street>.+?), (?P<number>\d[\w/-]*|s/?n)(?:, (?P<complement>.+?))?(?: - (?P<district>.+))?",
    re.IGNORECASE,
)


def utc(text: str) -> datetime:
    """ISO 8601, or milliseconds since 1970 where a value comes as it was written."""
    if text.isdecimal():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def value(raw: Raw, name: str) -> str:
    return (raw["properties"].get(name) or "").strip() if name else ""


def customer_from(raw: Raw, settings: Settings) -> Customer:
    document = _document(raw, document_property(settings))
    name = full_name(raw)
    return Customer(
        **_common(raw, CONTACTS.modified),
        name=name or value(raw, "company") or value(raw, "email"),
        person_type=person_type(document) if document else None,
        document=document,
        email=value(raw, "email") or None,
        phone=value(raw, "phone") or value(raw, "mobilephone") or None,
        addresses=_home(raw),
    )


def full_name(raw: Raw) -> str:
    return f"{value(raw, 'firstname')} {value(raw, 'lastname')}".strip()


def product_from(raw: Raw, settings: Settings) -> Product:
    return Product(
        **_common(raw, PRODUCTS.modified),
        sku=value(raw, sku_property(settings)) or None,
        name=value(raw, "name"),
        description=raw["properties"].get("description") or "",
        price=_amount(raw, price_property(settings)),
    )


def order_from(raw: Raw, settings: Settings) -> Order:
    """`raw` as `providers.hubspot.reading` completes it, with its line items and contact."""
    names, contact = sale(settings), raw.get("contact")
    items = tuple([_item(one) for one in sorted(raw.get("items") or (), key=_position)])
    discount, shipping, tax = (
        _amount(raw, name) or ZERO for name in (names.discount, names.shipping, names.tax)
    )
    total = _amount(raw, names.total)
    of_items = sum((item.unit_price * item.quantity for item in items), ZERO)
    if total is None:
        total = of_items - discount + shipping + tax
    addresses = tuple([_address(raw, kind, prefix) for kind, prefix in names.addresses.items()])
    stage = value(raw, names.stage)
    return Order(
        **_common(raw, names.kind.modified),
        number=(value(raw, names.number) or value(raw, "hs_order_name") or str(raw["id"])).lstrip("#"),
        status=stages(settings).get(stage) or _status(value(raw, names.status)),
        external_status=value(raw, names.status) or stage,
        currency=value(raw, names.currency) or "BRL",
        total=money(total),
        items_total=money(of_items) if items else money(total),
        discount=discount,
        shipping=shipping,
        tax=tax,
        customer_id=str(contact["id"]) if contact else None,
        buyer_name=full_name(contact) if contact else "",
        buyer_document=_known_document(contact, settings) if contact else None,
        buyer_email=(value(contact, "email") or None) if contact else None,
        buyer_phone=(value(contact, "phone") or value(contact, "mobilephone") or None) if contact else None,
        note=raw["properties"].get(names.note) or "",
        placed_at=utc(value(raw, names.placed_at) or raw["createdAt"]),
        addresses=tuple([one for one in addresses if one.street]),
        items=items,
    )


def _status(text: str) -> str:
    return text if text in STATUSES else "pending"


def _item(raw: Raw) -> OrderItem:
    count = quantity(value(raw, "quantity") or "1")
    price = _amount(raw, "price") or ZERO
    # `discount` is taken off each; `amount` is what is left of all of them.
    net = _amount(raw, "amount")
    total = money(price * count - (_amount(raw, "discount") or ZERO) * count) if net is None else net
    return OrderItem(
        external_id=str(raw["id"]),
        product_id=value(raw, "hs_product_id") or None,
        sku=value(raw, "hs_sku") or None,
        name=value(raw, "name"),
        quantity=count,
        unit_price=price,
        discount=money(price * count - total),
        total=total,
    )


def _position(raw: Raw) -> tuple[float, int]:
    place = value(raw, "hs_position_on_quote")
    return (float(place) if place else float("inf")), int(raw["id"])


def _home(raw: Raw) -> tuple[Address, ...]:
    """One line holds street, number, complement and district, as Brazilians write them."""
    line = value(raw, "address")
    if not line:
        return ()
    found = _LINE.fullmatch(line)
    parts = {name: part or "" for name, part in found.groupdict().items()} if found else {"street": line}
    return (Address(kind="billing", **parts, **_place(raw, "", "zip")),)


def _address(raw: Raw, kind: str, prefix: str) -> Address:
    line = value(raw, f"{prefix}street")
    found = _LINE.fullmatch(line)
    parts = {name: part or "" for name, part in found.groupdict().items()} if found else {"street": line}
    name = value(raw, f"{prefix}name")
    return Address(kind=kind, name=name, **parts, **_place(raw, prefix, "postal_code"))


def _place(raw: Raw, prefix: str, code: str) -> dict[str, str]:
    country, postal_code = value(raw, f"{prefix}country"), value(raw, prefix + code)
    brazil = country.casefold() in _BRAZIL
    return {
        "city": value(raw, f"{prefix}city"),
        "state": value(raw, f"{prefix}state"),
        "postal_code": "".join(filter(str.isdecimal, postal_code)) if brazil else postal_code,
        "country": "BR" if brazil else country,
    }


def _document(raw: Raw, name: str) -> str | None:
    typed = value(raw, name)
    try:
        return valid_document(typed) if typed else None
    except ValueError as error:
        raise RecordError(str(error), field=name) from None


def _known_document(contact: Raw, settings: Settings) -> str | None:
    """An order is worth more than its buyer's document."""
    try:
        return _document(contact, document_property(settings))
    except RecordError:
        return None


def _common(raw: Raw, modified: str) -> dict[str, Any]:
    changed = value(raw, modified) or raw.get("updatedAt")
    return {
        "external_id": str(raw["id"]),
        "updated_at": utc(changed) if changed else None,
        "reference": value(raw, REFERENCE) or None,
    }


def _amount(raw: Raw, name: str) -> Decimal | None:
    text = value(raw, name)
    try:
        return money(text) if text else None
    except ValueError as error:
        raise RecordError(str(error), field=name) from None
