"""SkyHub objects as canonical records. The documentation is silent or out of date in places, so what may be
missing is asked for with care.

Weights are in kilograms and sizes in centimetres:
https://skyhub-english.gitbook.io/skyhub-api-english/skyhub-api-guides/product-integration
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from core.brazil import document as valid_document
from core.brazil import nfe_key
from core.errors import RecordError
from core.hashing import money, quantity
from core.records import (
    Address,
    Category,
    Invoice,
    Order,
    OrderItem,
    Product,
    Shipment,
    StockLevel,
    Variant,
)
from core.spec import Raw, Settings

ZERO = Decimal("0.00")
BRASILIA = timezone(timedelta(hours=-3))
ENABLED, DISABLED = "enabled", "disabled"
_STATUSES = {
    "book_product": "pending",
    "waiting_payment": "pending",
    "payment_overdue": "failed",
    "payment_received": "paid",
    "processing_store": "paid",
    "confirm_stock": "paid",
    "confirmed_stock": "paid",
    "order_invoiced": "paid",
    "order_shipped": "shipped",
    "shipment_exception": "shipped",
    "has_incident": "on_hold",
    "complete": "completed",
    "order_canceled": "cancelled",
    "returned": "refunded",
}
_TYPES = {
    "NEW": "pending",
    "APPROVED": "paid",
    "INVOICED": "paid",
    "SHIPPED": "shipped",
    "DELIVERED": "completed",
    "CANCELED": "cancelled",
}
"""Accounts may have status codes of their own; each belongs to one of these types."""


def utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=BRASILIA)).astimezone(UTC)


def sku(raw: Raw) -> str:
    return str(raw.get("sku") or "")


def code(raw: Raw) -> str:
    return str(raw.get("code") or "")


def product_from(raw: Raw, _settings: Settings) -> Product:
    price, sale_price = _prices(raw)
    return Product(
        external_id=sku(raw),
        sku=sku(raw),
        name=raw["name"],
        description=raw.get("description") or "",
        price=price,
        sale_price=sale_price,
        gtin=_text(raw.get("ean")),
        active=raw.get("status") != DISABLED,
        weight_kg=_measure(raw.get("weight"), "weight"),
        length_cm=_measure(raw.get("length"), "length"),
        width_cm=_measure(raw.get("width"), "width"),
        height_cm=_measure(raw.get("height"), "height"),
        image_urls=tuple([url for url in raw.get("images") or () if isinstance(url, str)]),
        variants=tuple([_variant(raw, one) for one in raw.get("variations") or ()]),
    )


def _variant(product: Raw, raw: Raw) -> Variant:
    price, sale_price = _prices(raw)
    return Variant(
        external_id=sku(raw),
        sku=sku(raw),
        price=price,
        sale_price=sale_price,
        gtin=_text(raw.get("ean")),
        active=(raw.get("status") or product.get("status")) != DISABLED,
        options=_options(raw.get("specifications") or ()),
        weight_kg=_measure(raw.get("weight"), "weight"),
    )


def _options(specifications: Any) -> dict[str, str]:
    """By name: an attribute that is told by its id alone says nothing to a person."""
    return {
        str(name): str(one["value"])
        for one in specifications
        if (name := one.get("key") or one.get("name")) and one.get("value") is not None
    }


def stock_parts(product: Raw) -> Iterator[Raw]:
    """A product counts its own stock only where it has no variations."""
    variations = product.get("variations") or ()
    for one in variations or (product,):
        yield {"sku": sku(one), "product": sku(product), "qty": one.get("qty")}


def stock_from(raw: Raw, _settings: Settings) -> StockLevel:
    own = raw["sku"] == raw["product"]
    return StockLevel(
        external_id=raw["sku"],
        product_id=raw["product"],
        variant_id=None if own else raw["sku"],
        sku=raw["sku"],
        on_hand=_quantity(raw.get("qty") or 0, "qty"),
    )


def category_from(raw: Raw, _settings: Settings) -> Category:
    """A leaf with its path as the name, as the marketplace shows it: the levels above it are no records."""
    data = raw.get("categoryData") or {}
    names = [data.get("name"), *(data.get(f"name{level}") for level in range(1, 9))]
    found = list(dict.fromkeys([str(name).strip() for name in names if name]))
    if not found:
        raise RecordError("A categoria não tem nome.", field="categoryData.name")
    return Category(external_id=str(raw["id"]), name=" > ".join(found))


def order_from(raw: Raw, _settings: Settings) -> Order:
    items = tuple([_item(place, one) for place, one in enumerate(raw["items"])])
    customer = raw.get("customer") or {}
    shipping, billing = raw.get("shipping_address") or {}, raw.get("billing_address") or {}
    document, remark = _document(customer.get("vat_number"))
    methods = [str(one["method"]) for one in raw.get("payments") or () if one.get("method")]
    approved = raw.get("approved_date")
    return Order(
        external_id=code(raw),
        updated_at=utc(raw["updated_at"]) if raw.get("updated_at") else None,
        number=code(raw),
        status=status_of(raw),
        external_status=status_code(raw),
        currency="BRL",
        total=_money(raw["total_ordered"], "total_ordered"),
        items_total=sum((item.total for item in items), ZERO),
        discount=_money(raw.get("discount") or 0, "discount"),
        shipping=_money(raw.get("shipping_cost") or 0, "shipping_cost"),
        tax=ZERO,
        fees=_money(raw.get("interest") or 0, "interest"),
        buyer_name=customer.get("name") or "",
        buyer_document=document,
        buyer_email=customer.get("email") or None,
        buyer_phone=next(iter(customer.get("phones") or ()), None) or shipping.get("phone") or None,
        payment_method=", ".join(dict.fromkeys(methods)),
        shipping_method=raw.get("shipping_method") or raw.get("calculation_type") or "",
        note=remark,
        placed_at=utc(raw.get("placed_at") or raw["imported_at"]),
        paid_at=utc(approved) if approved else None,
        addresses=tuple(
            [
                _address(kind, one)
                for kind, one in (("billing", billing), ("shipping", shipping))
                if one.get("street")
            ]
        ),
        items=items,
    )


def status_code(raw: Raw) -> str:
    return str((raw.get("status") or {}).get("code") or "").lower()


def status_of(raw: Raw) -> str:
    kind = str((raw.get("status") or {}).get("type") or "").upper()
    return _STATUSES.get(status_code(raw)) or _TYPES.get(kind, "other")


def _item(place: int, raw: Raw) -> OrderItem:
    """`id` is the SKU that was sold, `product_id` its product's; `special_price` is what was paid."""
    count = _quantity(raw["qty"], "items.qty")
    price = _money(raw.get("special_price") or raw.get("original_price") or 0, "items.special_price")
    sold, product = str(raw.get("id") or ""), str(raw.get("product_id") or raw.get("id") or "")
    return OrderItem(
        external_id=f"{place}:{sold}",
        product_id=product or None,
        variant_id=sold if sold and sold != product else None,
        sku=sold or None,
        name=raw.get("name") or sold,
        quantity=count,
        unit_price=price,
        total=money(price * count),
    )


def _address(kind: str, raw: Raw) -> Address:
    extra = [raw.get("complement"), raw.get("detail"), raw.get("reference")]
    return Address(
        kind=kind,
        name=raw.get("full_name") or "",
        street=raw["street"],
        number=str(raw.get("number") or ""),
        complement=", ".join(dict.fromkeys([str(part) for part in extra if part])),
        district=raw.get("neighborhood") or "",
        city=raw.get("city") or "",
        state=raw.get("region") or "",
        postal_code="".join(filter(str.isdigit, str(raw.get("postcode") or ""))),
        country=raw.get("country") or "BR",
    )


def _document(text: str | None) -> tuple[str | None, str]:
    """An order is worth more than its document: an invalid one is kept as a remark for the operator."""
    try:
        return (valid_document(text) if text else None), ""
    except ValueError:
        return None, f"CPF/CNPJ informado no pedido é inválido: {text}"


def invoice_from(raw: Raw, _settings: Settings) -> Invoice:
    """An invoice of an order is its key, which holds series and number (MOC, NF-e 4.00)."""
    try:
        key = nfe_key(str(raw["key"]))
    except ValueError as error:
        raise RecordError(str(error), field="invoices.key") from None
    return Invoice(
        external_id=str(raw["key"]),
        access_key=key,
        number=str(int(key[25:34])),
        series=str(int(key[22:25])),
        direction="issued",
        status="authorized",
        total=ZERO,
        issued_at=utc(raw["issue_date"]) if raw.get("issue_date") else None,
        order_id=raw.get("order"),
    )


def shipment_key(raw: Raw) -> str:
    return f"{raw.get('order') or ''}/{raw['track']['code']}"


def shipment_from(raw: Raw, _settings: Settings) -> Shipment:
    track = raw["track"]
    return Shipment(
        external_id=shipment_key(raw),
        carrier=track.get("carrier") or "",
        service=track.get("method") or "",
        status=raw.get("status") or "posted",
        tracking_code=track["code"],
        order_id=raw.get("order"),
    )


def _prices(raw: Raw) -> tuple[Decimal | None, Decimal | None]:
    """The list price, and the selling price where that is lower."""
    full, selling = (
        _amount(raw.get("price"), "price"),
        _amount(raw.get("promotional_price"), "promotional_price"),
    )
    if full is None or selling is None:
        return full or selling, None
    return full, selling if selling < full else None


def _amount(value: Any, name: str) -> Decimal | None:
    return _money(value, name) if value else None


def _money(value: Any, name: str) -> Decimal:
    try:
        return money(value)
    except ValueError as error:
        raise RecordError(str(error), field=name) from None


def _quantity(value: Any, name: str) -> Decimal:
    try:
        return quantity(value)
    except ValueError as error:
        raise RecordError(str(error), field=name) from None


def _measure(value: Any, name: str) -> Decimal | None:
    return _quantity(value, name) if value else None


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None
