"""Writes. Products are created by `productSet`, never changed by it: it deletes what its lists leave out."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from core.entities import Entity
from core.errors import (
    ConflictError,
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.records import Customer, Order, Product
from core.spec import Outgoing, Raw, Source, Writing, Written
from providers.shopify import operations
from providers.shopify.answers import ask, change, check, gid, refused, tail
from providers.shopify.finding import find_categories, find_customers, find_products
from providers.shopify.mapping import addresses_of, is_simple, key, nodes, product_from, status_of
from providers.shopify.reading import COLLECTIONS, CUSTOMERS, ORDERS, PRODUCTS, Listed
from providers.shopify.stock import write_stock
from providers.shopify.unmapping import (
    CATEGORY,
    CUSTOMER,
    NAMESPACE,
    PRICES,
    PRODUCT,
    address_body,
    category_body,
    custom_id,
    customer_body,
    itself,
    matched,
    metafield,
    new_product,
    new_variant,
    options_and_variants,
    product_body,
    variant_body,
)

OF_A_RECORD = (RecordError, ConflictError, NotFoundError, UnknownOutcome)
Done = tuple[str, SyncError | None]
"""The id of what was written, and what went wrong with a part of it."""
One = Callable[[Source, Any, Outgoing, Raw | None], Awaitable[Done]]
_DEFINITION = {
    "name": "CloudToSys",
    "namespace": NAMESPACE,
    "key": "ref",
    "type": "id",
    "ownerType": "PRODUCT",
}


async def write_products(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    if any(item.external_id is None for item in outgoing):
        await _define(source)
    return await _each(source, PRODUCTS, outgoing, _product)


async def write_categories(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    return await _each(source, COLLECTIONS, outgoing, _category)


async def write_customers(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    return await _each(source, CUSTOMERS, outgoing, _customer)


async def write_orders(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    return await _each(source, ORDERS, outgoing, _order)


async def _each(source: Source, listed: Listed, outgoing: Sequence[Outgoing], write: One) -> list[Written]:
    """One by one, and read again: a mutation does not give back all of a record.

    What fails for all of them is raised; what fails later for some is their answer.
    """
    known = await listed.read(source, [item.external_id for item in outgoing if item.external_id])

    async def settled(item: Outgoing) -> Done | SyncError:
        before = known.get(item.external_id or "")
        if item.external_id and before is None:
            return NotFoundError("O registro não existe mais na loja.", status=404)
        try:
            return await write(source, item.record, item, before)
        except UnknownOutcome as error:
            # An update is simply due again.
            return TransientError(error.message, status=error.status) if item.external_id else error
        except SyncError as error:
            return error

    ended = await asyncio.gather(*map(settled, outgoing))
    failures = [one for one in ended if isinstance(one, SyncError)]
    if len(failures) == len(ended) and not isinstance(failures[0], OF_A_RECORD):
        raise failures[0]
    now = await _again(source, listed, [one[0] for one in ended if not isinstance(one, SyncError)])
    return [
        Written(error=one) if isinstance(one, SyncError) else Written(now.get(one[0], {"id": one[0]}), one[1])
        for one in ended
    ]


async def _again(source: Source, listed: Listed, ids: Sequence[str]) -> Mapping[str, Raw]:
    try:
        return await listed.read(source, ids)
    except SyncError:
        # They are written all the same; the next import sees what they are.
        return {}


async def _define(source: Source) -> None:
    """Our id of a product, unique in the shop: so a create may be sent again."""
    data = await ask(source, operations.DEFINE, definition=_DEFINITION)
    errors = data["metafieldDefinitionCreate"]["userErrors"]
    if errors and errors[0].get("code") != "TAKEN":
        raise refused(errors[0])


async def _product(source: Source, record: Product, item: Outgoing, before: Raw | None) -> Done:
    if before is None:
        body = new_product(record, item.reference)
        return await _set(source, body, custom_id(item.reference)), None
    variants, new = _variants(record, item, before)
    if new and is_simple(before):
        # The variant that stands for the product alone gives way to the real ones.
        await _set(source, options_and_variants(record), {"id": before["id"]})
        variants, new = [], []
    product = product_body(record, item.fields) | _collections(record, item, before)
    data = await ask(
        source,
        operations.UPDATE_PRODUCT,
        repeatable=not new,
        id=before["id"],
        product={"id": before["id"], **product},
        variants=variants,
        new=new,
        itself=bool(product),
        some=bool(variants),
        more=bool(new),
    )
    for payload in data.values():
        check(payload)
    return key(before), None


async def _set(source: Source, body: Raw, identifier: Raw) -> str:
    payload = await change(source, operations.SET_PRODUCT, input=body, identifier=identifier)
    return _id(payload, "product")


def _collections(record: Product, item: Outgoing, before: Raw) -> Raw:
    """A smart collection chooses its products itself."""
    if "category_ids" not in item.fields:
        return {}
    wanted = set(record.category_ids)
    free = {key(one) for one in nodes(before, "collections") if one.get("ruleSet") is None}
    current = {key(one) for one in nodes(before, "collections")}
    body = {"collectionsToJoin": wanted - current, "collectionsToLeave": free - wanted}
    return {name: [gid("Collection", id_) for id_ in sorted(ids)] for name, ids in body.items() if ids}


def _variants(record: Product, item: Outgoing, before: Raw) -> tuple[list[Raw], list[Raw]]:
    """Variants that differ, and new ones. What the ERP does not have stays as it is."""
    known = product_from(before, {})
    if is_simple(before) and not record.variants:
        only = nodes(before, "variants")[0]["id"]
        body = variant_body(itself(record), item.fields & PRICES)
        return ([{"id": only, **body}] if body else []), []
    if "variants" not in item.fields:
        return [], []
    pairs = matched(record.variants, known.variants)
    changed = []
    for place, other in pairs.items():
        old, body = variant_body(other, PRICES), variant_body(record.variants[place], PRICES)
        if old != body:
            changed.append({"id": gid("ProductVariant", other.external_id), **body})
    return changed, [new_variant(one) for place, one in enumerate(record.variants) if place not in pairs]


async def _category(source: Source, record: Any, item: Outgoing, before: Raw | None) -> Done:
    if before is not None:
        body = {"id": before["id"], **category_body(record, item.fields)}
        await change(source, operations.UPDATE_COLLECTION, input=body)
        return key(before), None
    body = {**category_body(record, CATEGORY), "metafields": [metafield("ref", item.reference)]}
    payload = await change(source, operations.CREATE_COLLECTION, repeatable=False, input=body)
    return _id(payload, "collection"), None


async def _customer(source: Source, record: Customer, item: Outgoing, before: Raw | None) -> Done:
    if before is not None:
        body = customer_body(record, item.fields)
        if body:
            await change(source, operations.UPDATE_CUSTOMER, input={"id": before["id"], **body})
        if "addresses" in item.fields:
            await _addresses(source, record, before["id"], addresses_of(before))
        return key(before), None
    body = customer_body(record, CUSTOMER)
    body["metafields"] = [*body.get("metafields", ()), metafield("ref", item.reference)]
    payload = await change(source, operations.CREATE_CUSTOMER, repeatable=False, input=body)
    id_ = _id(payload, "customer")
    try:
        await _addresses(source, record, gid("Customer", id_), {})
    except SyncError as error:
        return id_, error
    return id_, None


async def _addresses(source: Source, record: Customer, customer: str, known: Mapping[str, Raw]) -> None:
    """One by one: a list of addresses would delete what it leaves out."""
    for address in record.addresses:
        body, there = address_body(address), known.get(address.kind)
        if there is None:
            default = address.kind == "billing"
            values = {"customer": customer, "address": body, "default": default}
            await change(source, operations.CREATE_ADDRESS, repeatable=False, **values)
        else:
            await change(source, operations.UPDATE_ADDRESS, customer=customer, id=there["id"], address=body)


async def _order(source: Source, record: Order, item: Outgoing, before: Raw | None) -> Done:
    """The steps that lead to a status: there is no field to set."""
    assert before is not None  # noqa: S101 - orders are not created
    if status_of(before) == record.status:
        return key(before), None
    order = (await ask(source, operations.STEPS, id=before["id"]))["order"]
    match record.status:
        case "paid" if order["canMarkAsPaid"]:
            await change(source, operations.PAY, repeatable=False, id=order["id"])
        case "shipped" | "completed" if order["displayFulfillmentStatus"] != "FULFILLED":
            await _fulfil(source, order)
        case "shipped" | "completed":
            pass
        case "cancelled":
            await change(source, operations.CANCEL, repeatable=False, id=order["id"])
        case _:
            text = f"A loja não aceita que o pedido passe a {record.status!r}."
            raise RecordError(text, field="displayFulfillmentStatus")
    return key(before), None


async def _fulfil(source: Source, order: Raw) -> None:
    due = [one["id"] for one in nodes(order, "fulfillmentOrders") if one["status"] in ("OPEN", "IN_PROGRESS")]
    if not due:
        raise RecordError("O pedido não tem itens a enviar na loja.", field="fulfillmentOrders")
    body = {
        "notifyCustomer": False,
        "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": id_} for id_ in due],
    }
    await change(source, operations.FULFIL, repeatable=False, fulfillment=body)


def _id(payload: Any, name: str) -> str:
    made = payload.get(name)
    if not made:
        raise UnknownOutcome("O Shopify não disse qual registro criou.")
    return tail(made["id"])


WRITING = {
    Entity.CATEGORIES: Writing(fields=CATEGORY, write=write_categories, find=find_categories, size=20),
    Entity.PRODUCTS: Writing(
        fields=PRODUCT, write=write_products, find=find_products, size=20, repeatable_creates=True
    ),
    Entity.CUSTOMERS: Writing(fields=CUSTOMER, write=write_customers, find=find_customers, size=20),
    # A stock level is part of its product, so there is nothing to double.
    Entity.STOCK: Writing(
        fields=frozenset({"on_hand"}), write=write_stock, size=operations.MANY, repeatable_creates=True
    ),
    Entity.ORDERS: Writing(fields=frozenset({"status"}), write=write_orders, size=20, creates=False),
}
