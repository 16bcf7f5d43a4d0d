"""Writes to WooCommerce, in batches of 100 with an answer for each record."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from core.entities import Entity
from core.errors import NotFoundError, RecordError, SyncError, TransientError, UnknownOutcome
from core.records import Category, Customer, Order, Product, Variant
from core.spec import Outgoing, Raw, Source, Writing, Written
from providers.woocommerce.batches import gone, write_batch
from providers.woocommerce.finding import find_categories, find_customers, find_products
from providers.woocommerce.mapping import REFERENCE
from providers.woocommerce.reading import below, by_ids, expand_products, read_products
from providers.woocommerce.unmapping import (
    CATEGORY,
    CUSTOMER,
    PRODUCT,
    attributes_with,
    category_body,
    customer_body,
    meta,
    order_body,
    product_body,
    stock_body,
    variant_bodies,
)

Build = Callable[[Any, Outgoing], Raw]
_PRICES = {"price", "sale_price"}
_READ_FIRST = {"image_urls", "variants", "active"}


async def write_products(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """Products, then their variations. Pictures that the shop has are kept by their ids, and of variations
    only what differs is written, so those products are read first."""
    before = await read_products(source, [item.external_id or "" for item in outgoing if _read_first(item)])

    def build(record: Product, item: Outgoing) -> Raw:
        if item.external_id is None:
            return product_body(record, PRODUCT, source.settings) | _variable(record, {})
        known = before.get(item.external_id)
        if known is None and _read_first(item):
            raise gone()
        body = product_body(record, item.fields, source.settings)
        if known is None:
            return body
        if "images" in body:
            ids = {image["src"]: {"id": image["id"]} for image in known.get("images") or ()}
            body["images"] = [ids.get(image["src"], image) for image in body["images"]]
        return body | (_variable(record, known) if "variants" in item.fields else {})

    written = await _write(source, "products", outgoing, build, before)
    return await _with_variants(source, outgoing, before, written)


async def write_stock(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """Amounts are absolute, so the same may be sent again; variations have a call for each product."""
    groups: dict[str, list[int]] = defaultdict(list)
    bodies: list[Raw] = []
    for place, item in enumerate(outgoing):
        record: Any = item.record
        path = f"products/{record.product_id}/variations" if record.variant_id else "products"
        groups[path].append(place)
        bodies.append({"id": int(record.variant_id or record.product_id), **stock_body(record)})
    calls = [
        write_batch(source, path, [bodies[place] for place in places]) for path, places in groups.items()
    ]
    ended = await asyncio.gather(*map(_settled, calls))
    failures = [error for error in ended if isinstance(error, SyncError)]
    if failures and len(failures) == len(ended):
        raise failures[0]
    answers: dict[int, Written] = {}
    for (path, places), found in zip(groups.items(), ended, strict=True):
        parts = [Written(error=found)] * len(places) if isinstance(found, SyncError) else found
        answers |= dict(zip(places, (_below(part, path) for part in parts), strict=True))
    return [answers[place] for place in range(len(outgoing))]


async def write_categories(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    def build(record: Category, item: Outgoing) -> Raw:
        return category_body(record, item.fields if item.external_id else CATEGORY)

    return await _write(source, "products/categories", outgoing, build, {}, keeps_reference=False)


async def write_customers(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    def build(record: Customer, item: Outgoing) -> Raw:
        new = item.external_id is None
        return customer_body(record, CUSTOMER if new else item.fields, new=new)

    return await _write(source, "customers", outgoing, build, {})


async def write_orders(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """The status alone. An order in the trash would come out of it by this, and its buyer get a message."""
    ids = [item.external_id or "" for item in outgoing]
    living = await by_ids(source, "orders", ids, {"_fields": "id,status"})

    def build(record: Order, item: Outgoing) -> Raw:
        if item.external_id not in living:
            raise gone()
        return order_body(record)

    return await _write(source, "orders", outgoing, build, {})


async def _write(
    source: Source,
    path: str,
    outgoing: Sequence[Outgoing],
    build: Build,
    known: Mapping[str, Raw],
    *,
    keeps_reference: bool = True,
) -> list[Written]:
    """One answer for each record. A `known` one that needs no change is answered without a call."""
    bodies: dict[int, Raw] = {}
    answers: dict[int, Written] = {}
    for place, item in enumerate(outgoing):
        try:
            body = build(item.record, item)
        except (RecordError, NotFoundError) as error:
            answers[place] = Written(error=error)
            continue
        if item.external_id is None:
            bodies[place] = _with_reference(body, item) if keeps_reference else body
        elif body or item.external_id not in known:
            bodies[place] = {"id": int(item.external_id), **body}
        else:
            answers[place] = Written(known[item.external_id])
    written = await write_batch(source, path, list(bodies.values()))
    answers |= dict(zip(bodies, written, strict=True))
    return [answers[place] for place in range(len(outgoing))]


async def _with_variants(
    source: Source, outgoing: Sequence[Outgoing], before: Mapping[str, Raw], written: Sequence[Written]
) -> list[Written]:
    """The answers as a list gives them after `expand`, with the variations written where they have to be."""
    touched: set[str] = set()

    async def complete(item: Outgoing, answer: Written) -> Written:
        raw, new = answer.raw, item.external_id is None
        if raw is None:
            return answer
        seen = before.get(str(raw["id"]), {})
        try:
            if not new and "variants" not in item.fields:
                return Written(await _expanded(source, raw, seen))
            current: list[Raw] = seen.get("_variations", [])
            bodies = variant_bodies(_variants(item), current, raw.get("attributes", ()), source.settings)
            raw = _holding(raw, current)
            if not bodies:
                return Written(raw)
            touched.add(str(raw["id"]))
            parts = await write_batch(source, f"products/{raw['id']}/variations", bodies)
        except SyncError as error:
            return Written(raw if new else None, _of_variant(error, new=new))
        refused = [_of_variant(part.error, new=new) for part in parts if part.error is not None]
        raw = _holding(raw, [*current, *(part.raw for part in parts if part.raw is not None)])
        return Written(raw, refused[0] if refused else None)

    answers = await asyncio.gather(*map(complete, outgoing, written))
    return await _refreshed(source, answers, touched)


async def _expanded(source: Source, raw: Raw, seen: Raw) -> Raw:
    if "_variations" in seen:
        return _holding(raw, seen["_variations"])
    return (await expand_products(source, [raw]))[0]


async def _refreshed(source: Source, answers: Sequence[Written], touched: set[str]) -> list[Written]:
    """Writing a variation changes its product's price and date as well."""
    try:
        fresh = await by_ids(source, "products", sorted(touched))
    except SyncError:
        # They are written all the same; the next import sees the difference.
        return list(answers)

    def newer(answer: Written) -> Written:
        raw = answer.raw
        now = fresh.get(str(raw["id"])) if raw else None
        if raw is None or now is None or "_variations" not in raw:
            return answer
        return Written({**now, "_variations": raw["_variations"]}, answer.error)

    return list(map(newer, answers))


def _with_reference(body: Raw, item: Outgoing) -> Raw:
    return body | {"meta_data": [*body.get("meta_data", ()), *meta({REFERENCE: item.reference})]}


def _read_first(item: Outgoing) -> bool:
    """One that comes back on sale may be in the trash, and a price may belong to its variants."""
    priced = bool(item.fields & _PRICES) and bool(_variants(item))
    return item.external_id is not None and (priced or bool(item.fields & _READ_FIRST))


def _variable(record: Product, known: Raw) -> Raw:
    """What makes a product one that has these variants."""
    if not record.variants:
        return {}
    current = known.get("attributes") or []
    attributes = attributes_with(current, record.variants)
    kind = {} if known.get("type") == "variable" else {"type": "variable"}
    return kind if attributes == current else kind | {"attributes": attributes}


def _variants(item: Outgoing) -> Sequence[Variant]:
    return item.record.variants if isinstance(item.record, Product) else ()


def _holding(raw: Raw, variations: Sequence[Raw]) -> Raw:
    """With its variations, a later form in the place of an earlier one."""
    if raw.get("type") != "variable":
        return raw
    latest = {part["id"]: part for part in variations}
    return {**raw, "_variations": sorted(latest.values(), key=lambda part: int(part["id"]))}


def _of_variant(error: SyncError, *, new: bool) -> SyncError:
    """A variation that is gone is not its product, and variations whose answer is lost are found again by
    what they are when the product is written the next time."""
    if isinstance(error, NotFoundError):
        return RecordError(
            error.message, field="variants", status=error.status, provider_code=error.provider_code
        )
    if isinstance(error, UnknownOutcome) and not new:
        return TransientError(error.message, status=error.status)
    return error


async def _settled(call: Awaitable[list[Written]]) -> list[Written] | SyncError:
    try:
        return await call
    except SyncError as error:
        return error


def _below(part: Written, path: str) -> Written:
    _, _, rest = path.partition("/")
    return Written(below(part.raw, int(rest.partition("/")[0]))) if part.raw and rest else part


WRITING = {
    Entity.CATEGORIES: Writing(
        fields=CATEGORY,
        write=write_categories,
        find=find_categories,
        probe="products/categories/batch",
    ),
    Entity.PRODUCTS: Writing(
        fields=PRODUCT, write=write_products, find=find_products, probe="products/batch"
    ),
    Entity.CUSTOMERS: Writing(
        fields=CUSTOMER, write=write_customers, find=find_customers, probe="customers/batch"
    ),
    # A stock level is part of its product, so there is nothing to double.
    Entity.STOCK: Writing(
        fields=frozenset({"on_hand"}), write=write_stock, repeatable_creates=True, probe="products/batch"
    ),
    Entity.ORDERS: Writing(
        fields=frozenset({"status"}), write=write_orders, creates=False, probe="orders/batch"
    ),
}
