"""Mercado Livre's records as canonical ones. Ids are numbers in answers and texts in samples."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.brazil import document as valid_document
from core.brazil import nfe_key
from core.errors import RecordError
from core.hashing import money, quantity
from core.records import Address, Invoice, Order, OrderItem, Product, StockLevel, Variant
from core.spec import Raw, Settings

ZERO = Decimal("0.00")
SKU = "SELLER_SKU"
STATUSES = {
    "paid": "paid",
    "partially_refunded": "paid",
    "pending_cancel": "on_hold",
    "cancelled": "cancelled",
    "invalid": "cancelled",
}
FRAUD = "fraud_risk_detected"
SENT = {"shipped": "shipped", "delivered": "completed"}
STATES = {
    **{"Acre": "AC", "Alagoas": "AL", "Amapá": "AP", "Amazonas": "AM", "Bahia": "BA", "Ceará": "CE"},
    **{"Distrito Federal": "DF", "Espírito Santo": "ES", "Goiás": "GO", "Maranhão": "MA"},
    **{"Mato Grosso": "MT", "Mato Grosso do Sul": "MS", "Minas Gerais": "MG", "Pará": "PA"},
    **{"Paraíba": "PB", "Paraná": "PR", "Pernambuco": "PE", "Piauí": "PI", "Rio de Janeiro": "RJ"},
    **{"Rio Grande do Norte": "RN", "Rio Grande do Sul": "RS", "Rondônia": "RO", "Roraima": "RR"},
    **{"Santa Catarina": "SC", "São Paulo": "SP", "Sergipe": "SE", "Tocantins": "TO"},
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def product_from(raw: Raw, _settings: Settings) -> Product:
    _whole(raw)
    variants = tuple([_variant(raw, one) for one in raw.get("variations") or ()])
    price, sale = _prices(raw)
    return Product(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("last_updated")),
        reference=_reference(raw),
        sku=None if variants else sku_of(raw),
        name=raw.get("family_name") or raw["title"],
        price=price,
        sale_price=sale,
        gtin=None if variants else _gtin(raw),
        active=is_active(raw),
        image_urls=tuple(
            [url for one in raw.get("pictures") or () if (url := one.get("secure_url") or one.get("url"))]
        ),
        variants=variants,
    )


def part_key(item: Any, variation: Any) -> str:
    """A variation's id does not tell its item, and neither is read without the other."""
    return f"{item}-{variation}" if variation else str(item)


def _variant(item: Raw, raw: Raw) -> Variant:
    price, sale = _prices(raw)
    options = {one["name"]: one.get("value_name") or "" for one in raw.get("attribute_combinations") or ()}
    return Variant(
        external_id=part_key(item["id"], raw["id"]),
        sku=sku_of(raw),
        price=price,
        sale_price=sale,
        gtin=_gtin(raw),
        options=options,
    )


def sku_of(raw: Raw) -> str | None:
    """The attribute, or the field that came before it where that does not hold our id."""
    return attribute(raw, SKU) or (None if _reference(raw) else raw.get("seller_custom_field")) or None


def attribute(raw: Raw, name: str) -> str | None:
    return next((one.get("value_name") for one in raw.get("attributes") or () if one.get("id") == name), None)


def is_active(raw: Raw) -> bool:
    """An item without stock is paused by Mercado Livre, and comes back by itself."""
    return raw["status"] == "active" or "out_of_stock" in (raw.get("sub_status") or ())


def stock_key(raw: Raw) -> str:
    return part_key(raw["id"], (raw.get("variation") or {}).get("id"))


def in_full(raw: Raw) -> bool:
    """Mercado Livre's own warehouse: neither ours to count nor to write."""
    return (raw.get("shipping") or {}).get("logistic_type") == "fulfillment"


def stock_from(raw: Raw, _settings: Settings) -> StockLevel:
    _whole(raw)
    part = raw.get("variation") or raw
    held = raw["stock"]["quantity"] if raw.get("stock") else part["available_quantity"]
    return StockLevel(
        external_id=stock_key(raw),
        product_id=str(raw["id"]),
        variant_id=stock_key(raw) if raw.get("variation") else None,
        sku=sku_of(part),
        on_hand=quantity(held),
    )


def order_from(raw: Raw, _settings: Settings) -> Order:
    bill = ((raw.get("billing") or {}).get("buyer") or {}).get("billing_info") or {}
    sent = raw.get("shipment") or {}
    items = tuple([_item(one) for one in raw["order_items"]])
    approved = [one for one in raw.get("payments") or () if one.get("status") == "approved"]
    items_total = sum((item.total for item in items), ZERO)
    shipping = sum((_money(one.get("shipping_cost")) for one in approved), ZERO)
    tax = _money((raw.get("taxes") or {}).get("amount"))
    document, remark = _document(bill)
    destination = sent.get("destination") or {}
    receiver = destination.get("receiver_name") or ""
    addresses = (_billing(bill), _shipping(destination.get("shipping_address") or {}, receiver))
    paid = [utc(one["date_approved"]) for one in approved if one.get("date_approved")]
    logistic = sent.get("logistic") or {}
    return Order(
        external_id=str(raw["id"]),
        updated_at=_moment(raw.get("last_updated") or raw.get("date_last_updated")),
        number=str(raw["id"]),
        status=status_of(raw),
        external_status="/".join(filter(None, (raw["status"], sent.get("status"), sent.get("substatus")))),
        currency=raw["currency_id"],
        total=items_total + shipping + tax,
        items_total=items_total,
        discount=ZERO,
        shipping=shipping,
        tax=tax,
        buyer_name=_name(bill) or receiver or str((raw.get("buyer") or {}).get("nickname") or ""),
        buyer_document=document,
        payment_method=", ".join(
            dict.fromkeys(str(p["payment_method_id"]) for p in approved if p.get("payment_method_id"))
        ),
        shipping_method=str(logistic.get("type") or logistic.get("mode") or ""),
        note="\n".join(filter(None, (_pack(raw), remark))),
        placed_at=utc(raw["date_created"]),
        paid_at=min(paid, default=None),
        addresses=tuple([one for one in addresses if one is not None]),
        items=items,
    )


def status_of(raw: Raw) -> str:
    """What Mercado Livre holds for a fraud is paid and must not be sent."""
    status = STATUSES.get(raw["status"], "pending")
    if status == "paid" and FRAUD in (raw.get("tags") or ()):
        return "on_hold"
    sent = SENT.get((raw.get("shipment") or {}).get("status") or "")
    return sent if sent and status == "paid" else status


def _item(raw: Raw) -> OrderItem:
    item, count, price = raw["item"], quantity(raw["quantity"]), _money(raw["unit_price"])
    variation = item.get("variation_id")
    return OrderItem(
        external_id=part_key(item["id"], variation),
        product_id=str(item["id"]),
        variant_id=part_key(item["id"], variation) if variation else None,
        sku=item.get("seller_sku") or item.get("seller_custom_field") or None,
        name=item.get("title") or str(item["id"]),
        quantity=count,
        unit_price=price,
        total=money(price * count),
    )


def _document(bill: Raw) -> tuple[str | None, str]:
    """An order is worth more than its document: an invalid one is kept as a remark for the operator."""
    text = (bill.get("identification") or {}).get("number")
    try:
        return (valid_document(str(text)) if text else None), ""
    except ValueError:
        return None, f"CPF/CNPJ informado no Mercado Livre é inválido: {text}"


def _pack(raw: Raw) -> str:
    return f"Pacote {raw['pack_id']}" if raw.get("pack_id") else ""


def _name(bill: Raw) -> str:
    return f"{bill.get('name') or ''} {bill.get('last_name') or ''}".strip()


def _billing(bill: Raw) -> Address | None:
    raw = bill.get("address") or {}
    plain = {"comment": raw.get("comment"), "neighborhood": {"name": raw.get("neighborhood")}}
    place = {"city": {"name": raw.get("city_name")}, "country": {"id": raw.get("country_id")}}
    return _address("billing", {**raw, **plain, **place}, _name(bill))


def _shipping(raw: Raw, receiver: str) -> Address | None:
    return _address("shipping", raw, receiver)


def _address(kind: str, raw: Raw, name: str) -> Address | None:
    """None before the sale is paid: it is masked until then."""
    code = "".join(filter(str.isdigit, str(raw.get("zip_code") or "")))
    if not raw.get("street_name") or not code:
        return None
    return Address(
        kind=kind,
        name=name,
        street=raw["street_name"],
        number=str(raw.get("street_number") or ""),
        complement=raw.get("comment") or "",
        district=_named(raw, "neighborhood"),
        city=_named(raw, "city"),
        state=_state(raw.get("state") or {}),
        postal_code=code,
        country=(raw.get("country") or {}).get("id") or "BR",
    )


def _named(raw: Raw, part: str) -> str:
    return str((raw.get(part) or {}).get("name") or "")


def _state(raw: Mapping[str, Any]) -> str:
    code = str(raw.get("code") or raw.get("id") or "").removeprefix("BR-")
    return code if code in STATES.values() else STATES.get(str(raw.get("name")), "")


def invoice_key(raw: Raw) -> str:
    return str(raw.get("id") or "")


def invoice_from(raw: Raw, _settings: Settings) -> Invoice:
    try:
        key = nfe_key(str(raw["fiscal_key"]))
    except ValueError as error:
        raise RecordError(str(error), field="fiscal_key") from None
    return Invoice(
        external_id=invoice_key(raw),
        updated_at=_moment(raw.get("last_updated")),
        access_key=key,
        number=str(raw.get("invoice_number") or ""),
        series=str(raw.get("invoice_serie") or ""),
        direction="issued",
        status="authorized" if raw.get("status") in (None, "approved") else "pending",
        total=_money(raw.get("invoice_amount")),
        issued_at=_moment(raw.get("invoice_date")),
        order_id=raw.get("order_id"),
    )


def _prices(raw: Raw) -> tuple[Decimal | None, Decimal | None]:
    """Price and promotion: while one runs, the price of before stands beside it."""
    if raw.get("price") is None:
        return None, None
    price, before = _money(raw["price"]), _money(raw.get("original_price"))
    return (before, price) if before > price else (price, None)


def _reference(raw: Raw) -> str | None:
    """Our id, in the field that was the SKU's before `SELLER_SKU`."""
    try:
        return str(UUID(raw.get("seller_custom_field") or ""))
    except ValueError:
        return None


def _gtin(raw: Raw) -> str | None:
    return (attribute(raw, "GTIN") or "").partition(",")[0].strip() or None


def _whole(raw: Raw) -> None:
    if "unread" in raw:
        raise RecordError(f"O Mercado Livre não entrega este anúncio ({raw['unread']}).", field="id")


def _moment(text: str | None) -> datetime | None:
    return utc(text) if text else None


def _money(value: Any) -> Decimal:
    try:
        return money(value) if value is not None else ZERO
    except ValueError as error:
        raise RecordError(str(error), field="price") from None
