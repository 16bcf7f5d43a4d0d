"""WooCommerce records as canonical ones, with the fields of "Brazilian Market on WooCommerce"."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape

from core.brazil import document as valid_document
from core.brazil import person_type
from core.errors import RecordError
from core.hashing import money, quantity
from core.records import Address, Category, Customer, Order, OrderItem, Product, StockLevel, Variant
from core.spec import Raw, Settings

ZERO = Decimal("0.00")
REFERENCE = "_cloudtosys_ref"
"""The key in `meta_data` under which a record keeps our id of it."""

STATUSES = {
    "pending": "pending",
    "processing": "paid",
    "on-hold": "on_hold",
    "completed": "completed",
    "cancelled": "cancelled",
    "trash": "cancelled",
    "refunded": "refunded",
    "failed": "failed",
}
WEIGHT_KG = {
    "kg": Decimal(1),
    "g": Decimal("0.001"),
    "lbs": Decimal("0.45359237"),
    "oz": Decimal("0.0283495"),
}
LENGTH_CM = {
    "cm": Decimal(1),
    "m": Decimal(100),
    "mm": Decimal("0.1"),
    "in": Decimal("2.54"),
    "yd": Decimal("91.44"),
}


KINDS = ("billing", "shipping")
"""The addresses of a customer and of an order."""


def utc(text: str) -> datetime:
    """A `*_gmt` date: UTC without offset."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def gmt(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def reference_of(raw: Raw) -> str | None:
    for item in raw.get("meta_data") or ():
        if item.get("key") == REFERENCE:
            return str(item["value"] or "") or None
    return None


def product_from(raw: Raw, settings: Settings) -> Product:
    weight, length = units(settings)
    size = raw.get("dimensions") or {}
    return Product(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("date_modified_gmt")),
        reference=reference_of(raw),
        sku=raw.get("sku") or None,
        name=unescape(raw["name"]),
        description=raw.get("description") or "",
        price=_price(raw),
        sale_price=_optional_money(raw.get("sale_price"), "sale_price"),
        gtin=raw.get("global_unique_id") or None,
        active=raw["status"] == "publish",
        weight_kg=_measure(raw.get("weight"), weight, "weight"),
        length_cm=_measure(size.get("length"), length, "dimensions.length"),
        width_cm=_measure(size.get("width"), length, "dimensions.width"),
        height_cm=_measure(size.get("height"), length, "dimensions.height"),
        category_ids=tuple([str(category["id"]) for category in raw.get("categories") or ()]),
        image_urls=tuple([image["src"] for image in raw.get("images") or ()]),
        variants=tuple([variant_from(item, weight) for item in raw.get("_variations") or ()]),
    )


def variant_from(raw: Raw, weight: Decimal) -> Variant:
    return Variant(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("date_modified_gmt")),
        sku=raw.get("sku") or None,
        price=_price(raw),
        sale_price=_optional_money(raw.get("sale_price"), "sale_price"),
        gtin=raw.get("global_unique_id") or None,
        active=raw["status"] == "publish",
        options={option["name"]: option["option"] for option in raw.get("attributes") or ()},
        weight_kg=_measure(raw.get("weight"), weight, "weight"),
    )


def stock_from(raw: Raw, _settings: Settings) -> StockLevel:
    parent = raw.get("parent_id")
    is_variant = raw.get("type") == "variation"
    return StockLevel(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("date_modified_gmt")),
        product_id=str(parent if is_variant else raw["id"]),
        variant_id=str(raw["id"]) if is_variant else None,
        sku=raw.get("sku") or None,
        on_hand=quantity(raw["stock_quantity"] if raw.get("stock_quantity") is not None else 0),
    )


def category_from(raw: Raw, _settings: Settings) -> Category:
    return Category(
        external_id=str(raw["id"]),
        name=unescape(raw["name"]),
        slug=raw.get("slug") or "",
        parent_id=str(raw["parent"]) if raw.get("parent") else None,
        description=raw.get("description") or "",
        position=int(raw.get("menu_order") or 0),
    )


def customer_from(raw: Raw, _settings: Settings) -> Customer:
    billing = raw.get("billing") or {}
    extra = _extra(raw, "billing_")
    document = _document(billing, extra)
    name = f"{raw.get('first_name') or ''} {raw.get('last_name') or ''}".strip()
    return Customer(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("date_modified_gmt")),
        reference=reference_of(raw),
        name=unescape(billing.get("company") or "" if is_company(document) else "")
        or unescape(name)
        or raw.get("username", ""),
        person_type=person_type(document) if document else None,
        document=document,
        state_registration=(billing.get("ie") or extra.get("ie")) or None,
        email=raw.get("email") or None,
        phone=(billing.get("phone") or extra.get("cellphone")) or None,
        addresses=_addresses(raw, extra, _extra(raw, "shipping_")),
    )


def order_from(raw: Raw, _settings: Settings) -> Order:
    billing = raw.get("billing") or {}
    extra = _extra(raw, "_billing_")
    items = tuple([_item(line) for line in raw["line_items"]])
    document, remark = _buyer_document(billing, extra)
    lines = raw.get("shipping_lines") or ()
    return Order(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("date_modified_gmt")),
        reference=reference_of(raw),
        number=str(raw["number"]),
        status=STATUSES.get(raw["status"], "other"),
        external_status=raw["status"],
        currency=raw["currency"],
        total=_money(raw["total"], "total"),
        items_total=sum(
            (_money(line["subtotal"], "line_items.subtotal") for line in raw["line_items"]), ZERO
        ),
        discount=_money(raw["discount_total"], "discount_total"),
        shipping=_money(raw["shipping_total"], "shipping_total"),
        tax=_money(raw["total_tax"], "total_tax"),
        fees=sum((_money(fee["total"], "fee_lines.total") for fee in raw.get("fee_lines") or ()), ZERO),
        customer_id=str(raw["customer_id"]) if raw.get("customer_id") else None,
        buyer_name=unescape(f"{billing.get('first_name', '')} {billing.get('last_name', '')}".strip()),
        buyer_document=document,
        buyer_email=billing.get("email") or None,
        buyer_phone=billing.get("phone") or None,
        payment_method=raw.get("payment_method_title") or raw.get("payment_method") or "",
        shipping_method=", ".join(line["method_title"] for line in lines),
        note="\n".join(text for text in (raw.get("customer_note"), remark) if text),
        placed_at=utc(_required(raw, "date_created_gmt")),
        paid_at=_moment(raw.get("date_paid_gmt")),
        addresses=_addresses(raw, extra, _extra(raw, "_shipping_")),
        items=items,
    )


def _item(raw: Raw) -> OrderItem:
    count = quantity(raw["quantity"])
    subtotal, total = _money(raw["subtotal"], "line_items.subtotal"), _money(raw["total"], "line_items.total")
    return OrderItem(
        external_id=str(raw["id"]),
        product_id=str(raw["product_id"]) if raw.get("product_id") else None,
        variant_id=str(raw["variation_id"]) if raw.get("variation_id") else None,
        sku=raw.get("sku") or None,
        name=unescape(raw["name"]),
        quantity=count,
        unit_price=money(round(subtotal / count, 4)) if count else ZERO,
        discount=subtotal - total,
        total=total,
    )


def _addresses(raw: Raw, billing: Mapping[str, str], shipping: Mapping[str, str]) -> tuple[Address, ...]:
    found = ((kind, raw.get(kind) or {}, own) for kind, own in zip(KINDS, (billing, shipping), strict=True))
    return tuple([_address(kind, part, own) for kind, part, own in found if part.get("address_1")])


def _address(kind: str, part: Raw, own: Mapping[str, str]) -> Address:
    postal_code = part.get("postcode") or ""
    country = part.get("country") or "BR"
    return Address(
        kind=kind,
        name=unescape(f"{part.get('first_name', '')} {part.get('last_name', '')}".strip()),
        street=part["address_1"],
        number=str(part.get("number") or own.get("number") or ""),
        complement=part.get("address_2") or "",
        district=part.get("neighborhood") or own.get("neighborhood") or "",
        city=part.get("city") or "",
        state=part.get("state") or "",
        postal_code="".join(filter(str.isdigit, postal_code)) if country == "BR" else postal_code,
        country=country,
    )


def _extra(raw: Raw, prefix: str) -> dict[str, str]:
    """The Brazilian fields that the plugin keeps as free fields: `billing_cpf`, `_billing_cpf` and so on."""
    return {
        item["key"].removeprefix(prefix): str(item["value"])
        for item in raw.get("meta_data") or ()
        if item["key"].startswith(prefix)
    }


def _typed_document(billing: Raw, extra: Mapping[str, str]) -> str:
    names = ("cpf", "cnpj")
    return next((text for name in names if (text := billing.get(name) or extra.get(name))), "")


def _document(billing: Raw, extra: Mapping[str, str]) -> str | None:
    text = _typed_document(billing, extra)
    if not text:
        return None
    try:
        return valid_document(text)
    except ValueError as error:
        raise RecordError(str(error), field="billing.cpf/cnpj") from None


def _buyer_document(billing: Raw, extra: Mapping[str, str]) -> tuple[str | None, str]:
    """An order is worth more than its document: an invalid one is kept as a remark for the operator."""
    text = _typed_document(billing, extra)
    try:
        return (valid_document(text) if text else None), ""
    except ValueError:
        return None, f"CPF/CNPJ informado na loja é inválido: {text}"


def is_company(document: str | None) -> bool:
    return document is not None and person_type(document) == "J"


def _required(raw: Raw, name: str) -> str:
    text = raw.get(name)
    if not isinstance(text, str) or not text:
        raise RecordError(f"Campo obrigatório vazio: {name}.", field=name)
    return text


def _moment(text: str | None) -> datetime | None:
    return utc(text) if text else None


def _price(raw: Raw) -> Decimal | None:
    return _optional_money(raw.get("regular_price") or raw.get("price"), "regular_price")


def _money(value: str | float, name: str) -> Decimal:
    try:
        return money(value)
    except ValueError as error:
        raise RecordError(str(error), field=name) from None


def _optional_money(value: str | None, name: str) -> Decimal | None:
    return _money(value, name) if value else None


def _measure(value: str | None, unit: Decimal, name: str) -> Decimal | None:
    if not value:
        return None
    try:
        plain = quantity(value)
        return plain if unit == 1 else quantity(Decimal(value) * unit)
    except ValueError as error:
        raise RecordError(str(error), field=name) from None


def units(settings: Settings) -> tuple[Decimal, Decimal]:
    weight, length = settings.get("weight_unit") or "kg", settings.get("dimension_unit") or "cm"
    return WEIGHT_KG[weight], LENGTH_CM[length]
