"""Shopify objects as canonical records. A nested list is a plain one (bulk) or has `nodes` (pages)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.brazil import document as valid_document
from core.brazil import person_type
from core.errors import RecordError
from core.hashing import money, quantity
from core.records import Address, Category, Customer, Order, OrderItem, Product, StockLevel, Variant
from core.spec import Raw, Settings
from providers.shopify.answers import tail

ZERO = Decimal("0.00")
JOINER = "\u2060"
"""Stands before the number and the district in Brazilian addresses (Shopify's `worldwide` library, BR)."""
WEIGHT_KG = {
    "KILOGRAMS": Decimal(1),
    "GRAMS": Decimal("0.001"),
    "POUNDS": Decimal("0.45359237"),
    "OUNCES": Decimal("0.028349523125"),
}
_FINANCIAL = {
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "paid",
    "REFUNDED": "refunded",
    "VOIDED": "cancelled",
    "EXPIRED": "failed",
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def nodes(raw: Raw, name: str) -> list[Raw]:
    found = raw.get(name) or []
    return found["nodes"] if isinstance(found, dict) else found


def key(raw: Raw) -> str:
    return tail(str(raw.get("id") or ""))


def stock_key(raw: Raw) -> str:
    """The product's, where it has one variant that nobody chose."""
    return key(raw["product"] if raw["product"]["hasOnlyDefaultVariant"] else raw)


def is_simple(raw: Raw) -> bool:
    return bool(raw["hasOnlyDefaultVariant"]) and len(nodes(raw, "variants")) == 1


def product_from(raw: Raw, _settings: Settings) -> Product:
    variants = sorted(nodes(raw, "variants"), key=lambda one: (one.get("position") or 0, key(one)))
    found = [variant_from(one) for one in variants]
    own: Variant | None = found[0] if is_simple(raw) else None
    priced = own or min(
        (one for one in found if one.price is not None),
        key=lambda one: one.sale_price or one.price or ZERO,
        default=None,
    )
    pictures = [one.get("preview") or {} for one in nodes(raw, "media") if one["mediaContentType"] == "IMAGE"]
    return Product(
        **_common(raw),
        sku=own.sku if own else None,
        name=raw["title"],
        description=raw.get("descriptionHtml") or "",
        price=priced.price if priced else None,
        sale_price=priced.sale_price if priced else None,
        gtin=own.gtin if own else None,
        active=raw["status"] == "ACTIVE",
        weight_kg=own.weight_kg if own else None,
        category_ids=tuple(sorted([key(one) for one in nodes(raw, "collections")], key=int)),
        image_urls=tuple([one["image"]["url"] for one in pictures if one.get("image")]),
        variants=() if own else tuple(found),
    )


def variant_from(raw: Raw) -> Variant:
    price, before = _money(raw["price"], "price"), raw.get("compareAtPrice")
    full = _money(before, "compareAtPrice") if before else ZERO
    on_sale = full > price
    return Variant(
        external_id=key(raw),
        updated_at=utc(raw["updatedAt"]) if raw.get("updatedAt") else None,
        sku=raw.get("sku") or None,
        price=full if on_sale else price,
        sale_price=price if on_sale else None,
        gtin=raw.get("barcode") or None,
        options={one["name"]: one["value"] for one in raw.get("selectedOptions") or ()},
        weight_kg=_weight(raw),
    )


def quantity_of(raw: Raw) -> int | None:
    """At the location that was asked for; None where the item is not stocked there."""
    level = (raw.get("inventoryItem") or {}).get("inventoryLevel")
    return None if level is None else int(level["quantities"][0]["quantity"])


def stock_from(raw: Raw, _settings: Settings) -> StockLevel:
    product, level = raw["product"], raw["inventoryItem"]["inventoryLevel"]
    return StockLevel(
        external_id=stock_key(raw),
        updated_at=utc(level["updatedAt"]),
        product_id=key(product),
        variant_id=None if product["hasOnlyDefaultVariant"] else key(raw),
        sku=raw.get("sku") or None,
        on_hand=quantity(quantity_of(raw) or 0),
    )


def category_from(raw: Raw, _settings: Settings) -> Category:
    return Category(
        **_common(raw), name=raw["title"], slug=raw["handle"], description=raw.get("descriptionHtml") or ""
    )


def customer_from(raw: Raw, _settings: Settings) -> Customer:
    typed = (raw.get("document") or {}).get("value")
    try:
        document = valid_document(typed) if typed else None
    except ValueError as error:
        raise RecordError(str(error), field="metafields.cloudtosys.document") from None
    name = f"{raw.get('firstName') or ''} {raw.get('lastName') or ''}".strip()
    return Customer(
        **_common(raw),
        name=name or raw.get("displayName") or "",
        person_type=person_type(document) if document else None,
        document=document,
        email=(raw.get("defaultEmailAddress") or {}).get("emailAddress") or None,
        phone=(raw.get("defaultPhoneNumber") or {}).get("phoneNumber") or None,
        addresses=tuple([address_from(kind, one) for kind, one in addresses_of(raw).items()]),
    )


def addresses_of(raw: Raw) -> dict[str, Raw]:
    """The default one bills; the first of the others is shipped to."""
    default = (raw.get("defaultAddress") or {}).get("id")
    every = nodes(raw, "addressesV2")
    billing = [one for one in every if one["id"] == default][:1]
    shipping = [one for one in every if one["id"] != default][:1]
    return {
        kind: one[0]
        for kind, one in (("billing", billing), ("shipping", shipping))
        if one and one[0].get("address1")
    }


def address_from(kind: str, raw: Raw) -> Address:
    street, number = _parted(raw.get("address1"))
    complement, district = _parted(raw.get("address2"))
    country, code = raw.get("countryCodeV2") or "BR", raw.get("zip") or ""
    return Address(
        kind=kind,
        name=raw.get("name") or "",
        street=street,
        number=number,
        complement=complement,
        district=district,
        city=raw.get("city") or "",
        state=raw.get("provinceCode") or "",
        postal_code="".join(filter(str.isdigit, code)) if country == "BR" else code,
        country=country,
    )


def order_from(raw: Raw, _settings: Settings) -> Order:
    cancelled = raw.get("cancelledAt") is not None
    # An edited order is what is left of it; a cancelled one keeps nothing, so it is what was ordered.
    now = "" if cancelled else "current"
    items = tuple([_item(one, cancelled) for one in nodes(raw, "lineItems") if _count(one, cancelled)])
    billing, shipping = raw.get("billingAddress") or {}, raw.get("shippingAddress") or {}
    document, remark = _buyer_document(raw)
    tax = (
        ZERO if raw.get("taxesIncluded") else _sum(raw, "totalTaxSet" if cancelled else "currentTotalTaxSet")
    )
    return Order(
        **_common(raw),
        number=raw["name"].lstrip("#"),
        status=status_of(raw),
        external_status=f"{raw.get('displayFinancialStatus')}/{raw['displayFulfillmentStatus']}",
        currency=raw["currencyCode"],
        total=_sum(raw, "totalPriceSet" if cancelled else "currentTotalPriceSet"),
        items_total=sum((item.unit_price * item.quantity for item in items), ZERO),
        discount=_sum(raw, "totalDiscountsSet" if cancelled else "currentTotalDiscountsSet"),
        shipping=_sum(raw, "totalShippingPriceSet" if not now else "currentShippingPriceSet"),
        tax=tax,
        customer_id=key(raw["customer"]) if raw.get("customer") else None,
        buyer_name=billing.get("name") or shipping.get("name") or "",
        buyer_document=document,
        buyer_email=raw.get("email") or None,
        buyer_phone=raw.get("phone") or shipping.get("phone") or billing.get("phone") or None,
        payment_method=", ".join(raw.get("paymentGatewayNames") or ()),
        shipping_method=(raw.get("shippingLine") or {}).get("title") or "",
        note="\n".join(text for text in (raw.get("note"), remark) if text),
        placed_at=utc(raw.get("processedAt") or raw["createdAt"]),
        addresses=tuple(
            [
                address_from(kind, one)
                for kind, one in (("billing", billing), ("shipping", shipping))
                if one.get("address1")
            ]
        ),
        items=items,
    )


def status_of(raw: Raw) -> str:
    financial, fulfilled = raw.get("displayFinancialStatus"), raw["displayFulfillmentStatus"]
    if raw.get("cancelledAt"):
        return "cancelled"
    if financial in ("REFUNDED", "VOIDED", "EXPIRED"):
        return _FINANCIAL[financial]
    if fulfilled == "FULFILLED":
        return "completed" if raw.get("closedAt") else "shipped"
    return "on_hold" if fulfilled == "ON_HOLD" else _FINANCIAL.get(financial or "", "pending")


def _item(raw: Raw, cancelled: bool) -> OrderItem:
    count = quantity(_count(raw, cancelled))
    price = _sum(raw, "originalUnitPriceSet")
    # What was taken off each of all that were ordered.
    off = price * raw["quantity"] - _sum(raw, "discountedTotalSet")
    discount = money(round(off * count / raw["quantity"], 2))
    product, variant = raw.get("product"), raw.get("variant")
    simple = product is not None and product["hasOnlyDefaultVariant"]
    return OrderItem(
        external_id=key(raw),
        product_id=key(product) if product else None,
        variant_id=key(variant) if variant and not simple else None,
        sku=raw.get("sku") or None,
        name=raw["name"],
        quantity=count,
        unit_price=price,
        discount=discount,
        total=money(price * count - discount),
    )


def _count(raw: Raw, cancelled: bool) -> int:
    return int(raw["quantity"] if cancelled else raw["currentQuantity"])


def _buyer_document(raw: Raw) -> tuple[str | None, str]:
    """An order is worth more than its document: an invalid one is kept as a remark for the operator."""
    found = {one["key"]: one["value"] for one in nodes(raw, "localizedFields")}
    text = found.get("TAX_CREDENTIAL_BR") or found.get("SHIPPING_CREDENTIAL_BR")
    try:
        return (valid_document(text) if text else None), ""
    except ValueError:
        return None, f"CPF/CNPJ informado na loja é inválido: {text}"


def _common(raw: Raw) -> dict[str, Any]:
    reference = (raw.get("reference") or {}).get("value")
    return {"external_id": key(raw), "updated_at": utc(raw["updatedAt"]), "reference": reference}


def _parted(text: str | None) -> tuple[str, str]:
    before, joiner, after = (text or "").partition(JOINER)
    return (before.rstrip().rstrip(",").rstrip(), after.strip()) if joiner else (before.strip(), "")


def _weight(raw: Raw) -> Decimal | None:
    weight = ((raw.get("inventoryItem") or {}).get("measurement") or {}).get("weight")
    if not weight or not weight["value"]:
        return None
    return quantity(Decimal(str(weight["value"])) * WEIGHT_KG[weight["unit"]])


def _sum(raw: Raw, name: str) -> Decimal:
    found = raw.get(name)
    return _money(found["shopMoney"]["amount"], name) if found else ZERO


def _money(value: str, name: str) -> Decimal:
    try:
        return money(value)
    except ValueError as error:
        raise RecordError(str(error), field=name) from None
