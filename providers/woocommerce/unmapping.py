"""Canonical records as what WooCommerce takes, with the fields of "Brazilian Market on WooCommerce".

Amounts are text with a dot and "" where there is none: that clears a field. Nothing here relies on the shop
to refuse nonsense, for it does not check what comes in a batch.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from core.brazil import person_type
from core.errors import RecordError
from core.records import Address, Category, Customer, Order, Product, StockLevel, Variant
from core.spec import Raw, Settings
from providers.woocommerce.mapping import KINDS, is_company, units, variant_from

PRODUCT = frozenset({"sku", "name", "description", "price", "sale_price", "gtin", "active", "variants"})
PRODUCT |= {"weight_kg", "length_cm", "width_cm", "height_cm", "category_ids", "image_urls"}
VARIANT = frozenset({"sku", "price", "sale_price", "gtin", "active", "options", "weight_kg"})
CATEGORY = frozenset({"name", "slug", "parent_id", "description", "position"})
CUSTOMER = frozenset({"name", "document", "state_registration", "email", "phone", "addresses"})
STATUSES = {
    "pending": "pending",
    "paid": "processing",
    "on_hold": "on-hold",
    # The shop has one word for both.
    "shipped": "completed",
    "completed": "completed",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "failed": "failed",
}
_SIZES = {"length_cm": "length", "width_cm": "width", "height_cm": "height"}
_NO_PHONE = {"billing.phone": "", "meta.billing_cellphone": None}


def product_body(record: Product, fields: Collection[str], settings: Settings) -> Raw:
    """`fields` of a product but for its variants, which have a route of their own.

    A product with variants has no price: the shop shows the lowest of theirs.
    """
    weight, length = units(settings)
    body: Raw = {
        "name": {"name": record.name},
        "sku": {"sku": record.sku or ""},
        "description": {"description": record.description},
        "price": {} if record.variants else {"regular_price": _amount(record.price)},
        "sale_price": {} if record.variants else {"sale_price": _amount(record.sale_price)},
        "gtin": {"global_unique_id": record.gtin or ""},
        "active": {"status": "publish" if record.active else "draft"},
        "weight_kg": {"weight": _measure(record.weight_kg, weight)},
        "category_ids": {"categories": [{"id": int(id_)} for id_ in record.category_ids]},
        "image_urls": {"images": [{"src": address} for address in record.image_urls]},
    }
    sizes = {_SIZES[name]: _measure(getattr(record, name), length) for name in _SIZES if name in fields}
    return _chosen(body, fields) | ({"dimensions": sizes} if sizes else {})


def attributes_with(current: Sequence[Raw], variants: Sequence[Variant]) -> list[Raw]:
    """A product's attributes with all the choices of its variants. The shop takes the list as a whole."""
    found = {item["name"]: dict(item) for item in current}
    for variant in variants:
        for name, option in variant.options.items():
            item = found.setdefault(name, {"name": name, "visible": True, "options": []})
            item["variation"] = True
            if option not in item["options"]:
                item["options"] = [*item["options"], option]
    return list(found.values())


def variant_bodies(
    wanted: Sequence[Variant], current: Sequence[Raw], attributes: Sequence[Raw], settings: Settings
) -> list[Raw]:
    """What makes `current` variations into the `wanted` ones; nothing for those that are so already.

    What is no longer wanted is taken off sale and stays.
    """
    weight, _ = units(settings)
    pairs = _paired(wanted, current)
    bodies: list[Raw] = []
    for place, variant in enumerate(wanted):
        raw = pairs.get(place)
        if raw is None:
            bodies.append(_variant_body(variant, VARIANT, attributes, weight))
            continue
        known = variant_from(raw, weight)
        changed = {name for name in VARIANT if getattr(variant, name) != getattr(known, name)}
        if changed:
            bodies.append({"id": raw["id"], **_variant_body(variant, changed, attributes, weight)})
    kept = {raw["id"] for raw in pairs.values()}
    removed = (raw for raw in current if raw["id"] not in kept and raw["status"] == "publish")
    return bodies + [{"id": raw["id"], "status": "private"} for raw in removed]


def stock_body(record: StockLevel) -> Raw:
    """A shop that counts in whole numbers, as all do without a plugin, drops the rest of 2.5."""
    count = record.on_hand
    whole = count == count.to_integral_value()
    return {"manage_stock": True, "stock_quantity": int(count) if whole else float(count)}


def category_body(record: Category, fields: Collection[str]) -> Raw:
    body: Raw = {
        "name": {"name": record.name},
        # Without one the shop makes it of the name.
        "slug": {"slug": record.slug} if record.slug else {},
        "parent_id": {"parent": int(record.parent_id or 0)},
        "description": {"description": record.description},
        "position": {"menu_order": record.position},
    }
    return _chosen(body, fields)


def customer_body(record: Customer, fields: Collection[str], *, new: bool) -> Raw:
    """Raises `RecordError` for a new customer without e-mail, who could not have an account."""
    if new and not record.email:
        raise RecordError("A loja só aceita clientes com e-mail.", field="email")
    known = {address.kind: address for address in record.addresses}
    body: Raw = {
        "name": _shown_name(record),
        "document": _shown_name(record) | _document(record.document),
        "state_registration": {"meta.billing_ie": record.state_registration},
        # An account keeps its e-mail.
        "email": {"email": record.email} if record.email else {},
        "phone": {"billing.phone": record.phone} if record.phone else dict(_NO_PHONE),
        "addresses": {key: text for kind in KINDS for key, text in _address(kind, known.get(kind)).items()},
    }
    found = _chosen(body, fields)
    return _nested({"billing.email": record.email, **found} if new else found, new=new)


def order_body(record: Order) -> Raw:
    """Raises `RecordError` for a status that the shop has no word for: it would make the order pending."""
    if record.status not in STATUSES:
        raise RecordError(f"A loja não tem o status '{record.status}'.", field="status")
    return {"status": STATUSES[record.status]}


def meta(values: Mapping[str, str | None]) -> list[Raw]:
    """Free fields; None takes one away."""
    return [{"key": key, "value": value} for key, value in values.items()]


def _variant_body(
    record: Variant, fields: Collection[str], attributes: Sequence[Raw], weight: Decimal
) -> Raw:
    ids = {item["name"]: item.get("id") or 0 for item in attributes}
    options = [
        {"id": ids.get(name, 0), "name": name, "option": option} for name, option in record.options.items()
    ]
    body: Raw = {
        "sku": {"sku": record.sku or ""},
        "price": {"regular_price": _amount(record.price)},
        "sale_price": {"sale_price": _amount(record.sale_price)},
        "gtin": {"global_unique_id": record.gtin or ""},
        "active": {"status": "publish" if record.active else "private"},
        "options": {"attributes": options},
        "weight_kg": {"weight": _measure(record.weight_kg, weight)},
    }
    return _chosen(body, fields)


def _paired(wanted: Sequence[Variant], current: Sequence[Raw]) -> dict[int, Raw]:
    """Which variation is which variant, by its place: by id, else by SKU, else by its choices."""
    free = {raw["id"]: raw for raw in current}
    found: dict[int, Raw] = {}
    for same in (_same_id, _same_sku, _same_options):
        for place, variant in enumerate(wanted):
            raw = None if place in found else next((r for r in free.values() if same(variant, r)), None)
            if raw is not None:
                found[place] = free.pop(raw["id"])
    return found


def _same_id(variant: Variant, raw: Raw) -> bool:
    return variant.external_id == str(raw["id"])


def _same_sku(variant: Variant, raw: Raw) -> bool:
    return bool(variant.sku) and (variant.sku or "").casefold() == str(raw.get("sku") or "").casefold()


def _same_options(variant: Variant, raw: Raw) -> bool:
    chosen = {item["name"]: item["option"] for item in raw.get("attributes") or ()}
    return bool(variant.options) and variant.options == chosen


def _names(name: str) -> dict[str, str]:
    first, _, last = name.partition(" ")
    return {"first_name": first, "last_name": last}


def _shown_name(record: Customer) -> Raw:
    """The document says which of the names the shop shows."""
    return {"billing.company": record.name} if is_company(record.document) else {**_names(record.name)}


def _document(document: str | None) -> Raw:
    """The plugin keeps CPF and CNPJ apart, as they are typed: with punctuation."""
    found: Raw = dict.fromkeys(("meta.billing_cpf", "meta.billing_cnpj", "meta.billing_persontype"))
    if document is None:
        return found
    if person_type(document) == "F":
        cpf = f"{document[:3]}.{document[3:6]}.{document[6:9]}-{document[9:]}"
        return found | {"meta.billing_cpf": cpf, "meta.billing_persontype": "1"}
    cnpj = f"{document[:2]}.{document[2:5]}.{document[5:8]}/{document[8:12]}-{document[12:]}"
    return found | {"meta.billing_cnpj": cnpj, "meta.billing_persontype": "2"}


def _address(kind: str, address: Address | None) -> Raw:
    """The plugin's own REST fields are read only; it keeps them as free fields."""
    address = address or Address(kind=kind, country="")
    code = address.postal_code
    is_cep = address.country == "BR" and len(code) == 8
    part = _names(address.name) | {
        "address_1": address.street,
        "address_2": address.complement,
        "city": address.city,
        "state": address.state,
        "postcode": f"{code[:5]}-{code[5:]}" if is_cep else code,
        "country": address.country,
    }
    return {f"{kind}.{name}": text for name, text in part.items()} | {
        f"meta.{kind}_number": address.number or None,
        f"meta.{kind}_neighborhood": address.district or None,
    }


def _nested(values: Mapping[str, str | None], *, new: bool) -> Raw:
    """`billing.phone` into `billing`, `meta.*` into the free fields; a new record has none to clear."""
    body: Raw = {}
    free: dict[str, str | None] = {}
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        if group == "meta":
            free |= {} if new and value is None else {name: value}
        elif group:
            body.setdefault(group, {})[name] = value
        else:
            body[name] = value
    return body | ({"meta_data": meta(free)} if free else {})


def _amount(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _measure(value: Decimal | None, unit: Decimal) -> str:
    """With so many digits that reading it gives the same value, whatever the shop's unit."""
    return "" if value is None else format(round(value / unit, 8).normalize(), "f")


def _chosen(bodies: Mapping[str, Raw], fields: Collection[str]) -> Raw:
    return {key: value for name, part in bodies.items() if name in fields for key, value in part.items()}
