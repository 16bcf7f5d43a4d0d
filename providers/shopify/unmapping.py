"""Canonical fields as Shopify takes them."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.records import Address, Category, Customer, Product, Variant
from core.spec import Raw
from providers.shopify.answers import gid
from providers.shopify.mapping import JOINER

NAMESPACE = "cloudtosys"
PRODUCT = frozenset(
    {
        "sku",
        "name",
        "description",
        "price",
        "sale_price",
        "gtin",
        "active",
        "weight_kg",
        "category_ids",
        "variants",
    }
)
CATEGORY = frozenset({"name", "slug", "description"})
CUSTOMER = frozenset({"name", "document", "email", "phone", "addresses"})
PRICES = frozenset({"sku", "price", "sale_price", "gtin", "weight_kg"})
"""Fields of a product that its only variant holds."""
_DEFAULT = {"Title": "Default Title"}
"""The options of a product without any."""


def metafield(key: str, value: str, type_: str = "single_line_text_field") -> Raw:
    return {"namespace": NAMESPACE, "key": key, "type": type_, "value": value}


def custom_id(reference: str) -> Raw:
    return {"customId": {"namespace": NAMESPACE, "key": "ref", "value": reference}}


def new_product(record: Product, reference: str) -> Raw:
    files = [{"originalSource": url, "contentType": "IMAGE"} for url in record.image_urls]
    return {
        **product_body(record, PRODUCT),
        **options_and_variants(record),
        "collections": [gid("Collection", id_) for id_ in record.category_ids],
        "metafields": [metafield("ref", reference, "id")],
        **({"files": files} if files else {}),
    }


def product_body(record: Product, fields: Collection[str]) -> Raw:
    values = {
        "name": ("title", record.name),
        "description": ("descriptionHtml", record.description),
        "active": ("status", "ACTIVE" if record.active else "DRAFT"),
    }
    return {name: value for field, (name, value) in values.items() if field in fields}


def options_and_variants(record: Product) -> Raw:
    """Both lists whole, as `productSet` takes them."""
    variants = record.variants or (itself(record),)
    options: dict[str, dict[str, None]] = {}
    for variant in variants:
        for name, value in (variant.options or _DEFAULT).items():
            options.setdefault(name, {})[value] = None
    return {
        "productOptions": [
            {"name": name, "position": place, "values": [{"name": value} for value in values]}
            for place, (name, values) in enumerate(options.items(), start=1)
        ],
        "variants": [variant_body(variant, PRICES) | _options(variant) for variant in variants],
    }


def itself(record: Product) -> Variant:
    """A product without variants as the one that Shopify keeps for it."""
    return Variant(
        external_id="",
        sku=record.sku,
        price=record.price,
        sale_price=record.sale_price,
        gtin=record.gtin,
        weight_kg=record.weight_kg,
    )


def variant_body(variant: Variant, fields: Collection[str]) -> Raw:
    """`fields` of `PRICES`; both prices go together."""
    body: Raw = {}
    if {"price", "sale_price"} & set(fields):
        on_sale = variant.sale_price is not None
        body["price"] = _amount(variant.sale_price if on_sale else variant.price) or "0.00"
        body["compareAtPrice"] = _amount(variant.price) if on_sale else None
    if "gtin" in fields:
        body["barcode"] = variant.gtin
    item: Raw = {"sku": variant.sku or ""} if "sku" in fields else {}
    if "weight_kg" in fields:
        weight = {"value": float(variant.weight_kg or 0), "unit": "KILOGRAMS"}
        item["measurement"] = {"weight": weight}
    return body | ({"inventoryItem": item} if item else {})


def new_variant(variant: Variant) -> Raw:
    return variant_body(variant, PRICES) | _options(variant)


def _options(variant: Variant) -> Raw:
    chosen = (variant.options or _DEFAULT).items()
    return {"optionValues": [{"optionName": name, "name": value} for name, value in chosen]}


def matched(wanted: Sequence[Variant], known: Sequence[Variant]) -> dict[int, Variant]:
    """The shop's variant for each place of `wanted`: by id, then SKU, then options."""
    free = list(known)
    found: dict[int, Variant] = {}
    for same in (_same_id, _same_sku, _same_options):
        for place, variant in enumerate(wanted):
            one = None if place in found else next((k for k in free if same(variant, k)), None)
            if one is not None:
                found[place] = one
                free.remove(one)
    return found


def _same_id(one: Variant, other: Variant) -> bool:
    return bool(one.external_id) and one.external_id == other.external_id


def _same_sku(one: Variant, other: Variant) -> bool:
    return bool(one.sku) and (one.sku or "").casefold() == (other.sku or "").casefold()


def _same_options(one: Variant, other: Variant) -> bool:
    return bool(one.options) and one.options == other.options


def category_body(record: Category, fields: Collection[str]) -> Raw:
    values = {
        "name": ("title", record.name),
        "slug": ("handle", record.slug),
        "description": ("descriptionHtml", record.description),
    }
    body = {name: value for field, (name, value) in values.items() if field in fields}
    # Without one the shop makes it of the title.
    return {name: value for name, value in body.items() if name != "handle" or value}


def customer_body(record: Customer, fields: Collection[str]) -> Raw:
    first, _, last = record.name.partition(" ")
    values: Mapping[str, Raw] = {
        "name": {"firstName": first, "lastName": last},
        "email": {"email": record.email or ""},
        "phone": {"phone": e164(record.phone) or None},
    }
    body: Raw = {}
    for field, part in values.items():
        body |= part if field in fields else {}
    if "document" in fields and record.document:
        body["metafields"] = [metafield("document", record.document)]
    return body


def address_body(address: Address) -> Raw:
    first, _, last = address.name.partition(" ")
    code = address.postal_code
    is_cep = address.country == "BR" and len(code) == 8
    return {
        "firstName": first,
        "lastName": last,
        "address1": _joined(address.street, address.number),
        "address2": _joined(address.complement, address.district),
        "city": address.city,
        "provinceCode": address.state,
        "zip": f"{code[:5]}-{code[5:]}" if is_cep else code,
        "countryCode": address.country or "BR",
    }


def e164(phone: str | None) -> str:
    """Brazilian numbers get their +55; others are as they are typed, for the shop to judge."""
    text = (phone or "").strip()
    digits = "".join(filter(str.isdigit, text))
    if text.startswith("+") or not digits:
        return f"+{digits}" if digits else ""
    return f"+55{digits}" if len(digits) in (10, 11) else f"+{digits}"


def _joined(before: str, after: str) -> str:
    if not after:
        return before
    return f"{before}, {JOINER}{after}" if before else f"{JOINER}{after}"


def _amount(value: Decimal | None) -> Any:
    return None if value is None else format(value, "f")
