"""Canonical products as items."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from core.errors import RecordError
from core.records import Product, Variant
from core.spec import Raw, Settings
from providers.mercado_livre.calls import Seller
from providers.mercado_livre.mapping import SKU

PRODUCT = frozenset({"name", "price", "active", "variants"})
"""Changed after the creation; the SKU, the GTIN, the description and the pictures are told once."""


def new_item(record: Product, seller: Seller, category: str, reference: str, settings: Settings) -> Raw:
    if seller.families and record.variants:
        text = (
            "A conta publica cada variação como um anúncio (User Products): cadastre as variações"
            " como produtos no ERP, ou vincule cada anúncio à mão."
        )
        raise RecordError(text, field="variations")
    if not record.image_urls:
        raise RecordError("O Mercado Livre exige ao menos uma imagem em um anúncio novo.", field="pictures")
    name = "family_name" if seller.families else "title"
    body: Raw = {
        name: record.name,
        "category_id": category,
        "price": _price(record.price),
        "currency_id": "BRL",
        "available_quantity": _first(settings),
        "buying_mode": "buy_it_now",
        "condition": "new",
        "listing_type_id": settings.get("listing_type") or "gold_special",
        "pictures": [{"source": url} for url in record.image_urls],
        "attributes": _attributes(record),
        "seller_custom_field": reference,
    }
    if record.variants:
        body["variations"] = [new_variation(record, one, settings) for one in record.variants]
    return body


def new_variation(record: Product, variant: Variant, settings: Settings) -> Raw:
    return {
        "attribute_combinations": [{"name": k, "value_name": v} for k, v in variant.options.items()],
        "price": _price(price_of(record, variant)),
        "available_quantity": _first(settings),
        "attributes": _attributes(variant),
        "picture_ids": list(record.image_urls),
    }


def changes(record: Product, before: Product, fields: Collection[str], *, families: bool) -> Raw:
    """What differs of the item itself. Its variations have prices of their own."""
    body: Raw = {}
    if "name" in fields and record.name != before.name:
        body["family_name" if families else "title"] = record.name
    if "active" in fields and record.active != before.active:
        body["status"] = "active" if record.active else "paused"
    if "price" in fields and not before.variants and record.price != before.price:
        body["price"] = _price(record.price)
    return body


def paired(wanted: Sequence[Variant], known: Sequence[Variant]) -> list[tuple[Variant, Variant | None]]:
    """Each with the item's own, by id or SKU."""
    by_id = {one.external_id: one for one in known}
    by_sku = {one.sku.casefold(): one for one in known if one.sku}
    return [(one, by_id.get(one.external_id) or by_sku.get((one.sku or "").casefold())) for one in wanted]


def price_of(record: Product, variant: Variant) -> Decimal | None:
    return record.price if variant.price is None else variant.price


def _attributes(part: Product | Variant) -> list[Raw]:
    found = {SKU: part.sku, "GTIN": part.gtin}
    return [{"id": name, "value_name": value} for name, value in found.items() if value]


def _price(value: Decimal | None) -> float:
    if value is None:
        raise RecordError("O Mercado Livre exige um preço.", field="price")
    return float(value)


def _first(settings: Settings) -> int:
    return int(settings.get("first_quantity") or 1)


def described(record: Product) -> dict[str, Any] | None:
    return {"plain_text": record.description} if record.description else None
