"""Canonical fields as properties, which are text; an empty one clears the value."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from core.hashing import quantity
from core.records import Address, Customer, Order, OrderItem, Product
from core.spec import Settings
from providers.hubspot.kinds import document_property, price_property, sale, sku_property, stages
from providers.hubspot.mapping import BRAZIL

Properties = dict[str, str]
CUSTOMER = frozenset({"name", "document", "email", "phone", "addresses"})
PRODUCT = frozenset({"sku", "name", "description", "price"})
ORDER = frozenset(
    {
        *("number", "status", "currency", "total", "discount", "shipping", "tax", "customer_id", "note"),
        *("placed_at", "addresses", "items"),
    }
)


def customer_properties(record: Customer, fields: Collection[str], settings: Settings) -> Properties:
    first, _, last = record.name.partition(" ")
    found: Mapping[str, Properties] = {
        "name": {"firstname": first, "lastname": last},
        "document": {document_property(settings): record.document or ""},
        "email": {"email": record.email or ""},
        "phone": {"phone": record.phone or ""},
        "addresses": _home(record.addresses),
    }
    return _chosen(found, fields)


def product_properties(record: Product, fields: Collection[str], settings: Settings) -> Properties:
    found: Mapping[str, Properties] = {
        "sku": {sku_property(settings): record.sku or ""},
        "name": {"name": record.name},
        "description": {"description": record.description},
        "price": {price_property(settings): _amount(record.price)},
    }
    return _chosen(found, fields)


def order_properties(record: Order, fields: Collection[str], settings: Settings) -> Properties:
    """Of the order alone; its items and contact are records of their own."""
    names = sale(settings)
    stage = next((id_ for id_, status in stages(settings).items() if status == record.status), None)
    found: Mapping[str, Properties] = {
        "number": {names.number: record.number, names.name: record.number},
        "status": {names.status: record.status, **({names.stage: stage} if stage else {})},
        "currency": {names.currency: record.currency},
        "total": {names.total: _amount(record.total)},
        "discount": {names.discount: _amount(record.discount)},
        "shipping": {names.shipping: _amount(record.shipping)},
        "tax": {names.tax: _amount(record.tax)},
        "note": {names.note: record.note},
        "placed_at": {names.placed_at: _moment(record.placed_at)},
        "addresses": {
            name: value
            for address in record.addresses
            if (prefix := names.addresses.get(address.kind))
            for name, value in {f"{prefix}name": address.name, **_place(address, prefix)}.items()
        },
    }
    chosen = _chosen(found, fields)
    if stage and "status" in fields and settings.get("pipeline"):
        chosen[names.pipeline] = settings["pipeline"]
    return {name: value for name, value in chosen.items() if name}


def item_properties(item: OrderItem, place: int) -> Properties:
    each = item.discount / item.quantity if item.quantity else Decimal(0)
    return {
        "name": item.name,
        "quantity": _amount(item.quantity),
        "price": _amount(item.unit_price),
        "discount": _amount(quantity(each)),
        "hs_sku": item.sku or "",
        "hs_position_on_quote": str(place),
        "hs_product_id": item.product_id or "",
    }


def _chosen(found: Mapping[str, Properties], fields: Collection[str]) -> Properties:
    return {name: value for field in sorted(found) if field in fields for name, value in found[field].items()}


def _home(addresses: Collection[Address]) -> Properties:
    """A contact has one address: where it is billed, or its only other one."""
    chosen = sorted(addresses, key=lambda one: one.kind != "billing")[:1]
    found = _place(chosen[0], "") if chosen else {}
    return {
        {"street": "address", "postal_code": "zip"}.get(name, name): value for name, value in found.items()
    }


def _place(address: Address, prefix: str) -> Properties:
    code = address.postal_code
    is_cep = address.country == "BR" and len(code) == 8
    values = {
        "street": _line(address),
        "city": address.city,
        "state": address.state,
        "postal_code": f"{code[:5]}-{code[5:]}" if is_cep else code,
        "country": BRAZIL if address.country == "BR" else address.country,
    }
    return {prefix + name: value for name, value in values.items()}


def _line(address: Address) -> str:
    before = ", ".join(filter(None, (address.street, address.number, address.complement)))
    return f"{before} - {address.district}" if address.district else before


def _amount(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
