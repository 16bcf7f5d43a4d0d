"""Writes, a hundred records a call. Creates are upserts under our own unique id, so they may be sent again;
what was written is read back by id, never searched for."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from core.entities import Entity
from core.errors import NotFoundError, SyncError, UnknownOutcome
from core.records import Order
from core.spec import Outgoing, Raw, Settings, Source, Writing, Written
from providers.hubspot import calls
from providers.hubspot.calls import REFERENCE, SIZE, TRACE, submit
from providers.hubspot.finding import find_customers, find_orders, find_products
from providers.hubspot.kinds import CONTACTS
from providers.hubspot.lines import write_lines
from providers.hubspot.reading import CATALOGUE, CUSTOMERS, SALES, Listed
from providers.hubspot.schema import writable
from providers.hubspot.unmapping import (
    CUSTOMER,
    ORDER,
    PRODUCT,
    Properties,
    customer_properties,
    order_properties,
    product_properties,
)

Body = Callable[[Any, Collection[str], Settings], Properties]
Errors = Mapping[str, SyncError]
"""By our id of the record."""


async def write_customers(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    errors = await _properties(source, CUSTOMERS, customer_properties, outgoing)
    return await _again(source, CUSTOMERS, outgoing, errors)


async def write_products(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    errors = await _properties(source, CATALOGUE, product_properties, outgoing)
    return await _again(source, CATALOGUE, outgoing, errors)


async def write_orders(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """The order, then its line items and its contact; a create that ended in between is simply sent again."""
    errors = await _properties(source, SALES, order_properties, outgoing)
    done = [item for item in outgoing if item.reference not in errors]
    known = await _written(source, SALES, done)
    there = [(item, known[item.reference]) for item in done if item.reference in known]
    errors = {**errors, **await write_lines(source, there)}
    type_ = SALES.kind(source.settings).type
    buyers = [
        (str(raw["id"]), item.record.customer_id)
        for item, raw in there
        if isinstance(item.record, Order) and item.record.customer_id and "customer_id" in item.fields
    ]
    await calls.associate(source, type_, CONTACTS.type, buyers)
    return await _again(source, SALES, outgoing, errors)


async def _properties(source: Source, listed: Listed, body: Body, outgoing: Sequence[Outgoing]) -> Errors:
    kind = listed.kind(source.settings)
    known = await writable(source, kind)
    updates, creates = list[Raw](), list[Raw]()
    for item in outgoing:
        values = body(item.record, item.fields, source.settings)
        values = {name: value for name, value in values.items() if known is None or name in known}
        row: Raw = {TRACE: item.reference, "id": item.external_id or item.reference}
        if item.external_id is None:
            filled = {name: value for name, value in values.items() if value}
            creates.append({**row, "idProperty": REFERENCE, "properties": filled})
        elif values:
            updates.append({**row, "properties": values})
    path = f"crm/v3/objects/{kind.type}/batch"
    return {
        **await submit(source, f"{path}/update", updates),
        **await submit(source, f"{path}/upsert", creates),
    }


async def _again(
    source: Source, listed: Listed, outgoing: Sequence[Outgoing], errors: Errors
) -> list[Written]:
    now = await _written(source, listed, outgoing)
    return [_answer(item, now.get(item.reference), errors.get(item.reference)) for item in outgoing]


def _answer(item: Outgoing, raw: Raw | None, error: SyncError | None) -> Written:
    if error is not None:
        # A new order that lacks an item is there all the same.
        return Written(raw if item.external_id is None else None, error)
    if raw is None and item.external_id is not None:
        return Written(error=NotFoundError("O registro não existe mais no HubSpot.", status=404))
    if raw is None:
        return Written(error=UnknownOutcome("O HubSpot não disse qual registro criou."))
    return Written(raw)


async def _written(source: Source, listed: Listed, outgoing: Sequence[Outgoing]) -> dict[str, Raw]:
    """By our id."""
    linked = {item.external_id: item.reference for item in outgoing if item.external_id}
    new = [item.reference for item in outgoing if not item.external_id]
    found = {
        linked[id_]: raw for id_, raw in (await listed.by(source, list(linked))).items() if id_ in linked
    }
    made = (await listed.by(source, new, REFERENCE)).values()
    return found | {str(raw["properties"].get(REFERENCE)): raw for raw in made}


WRITING = {
    Entity.CUSTOMERS: Writing(
        fields=CUSTOMER, write=write_customers, find=find_customers, size=SIZE, repeatable_creates=True
    ),
    Entity.PRODUCTS: Writing(
        fields=PRODUCT, write=write_products, find=find_products, size=SIZE, repeatable_creates=True
    ),
    Entity.ORDERS: Writing(
        fields=ORDER, write=write_orders, find=find_orders, size=20, repeatable_creates=True
    ),
}
