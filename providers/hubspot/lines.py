"""The line items of orders: records of their own, each associated with one order."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from core.errors import SyncError
from core.records import Order
from core.spec import Outgoing, Raw, Source
from providers.hubspot import calls
from providers.hubspot.calls import REFERENCE, TRACE, submit
from providers.hubspot.kinds import LINE_ITEMS, sale
from providers.hubspot.schema import writable
from providers.hubspot.unmapping import Properties, item_properties

PATH = f"crm/v3/objects/{LINE_ITEMS.type}/batch"


@dataclass(frozen=True, slots=True)
class Line:
    """As it should be. `id` is HubSpot's, where it is there already; `trace` its place in our order."""

    trace: str
    reference: str
    order_id: str
    id: str | None
    properties: Properties

    def row(self, known: Collection[str] | None) -> Raw:
        fit = {name: value for name, value in self.properties.items() if known is None or name in known}
        if self.id is not None:
            return {TRACE: self.trace, "id": self.id, "properties": fit}
        return {TRACE: self.trace, "id": self.trace, "idProperty": REFERENCE, "properties": fit}


async def write_lines(source: Source, orders: Sequence[tuple[Outgoing, Raw]]) -> dict[str, SyncError]:
    """Put the ERP's list in the place of the one that each order has; what was refused, by our id of the
    order. Lines that it does not have any more go last, and only where all others are there."""
    due = [(item, raw) for item, raw in orders if "items" in item.fields]
    lines = [line for item, raw in due for line in _lines(item, raw)]
    known = await writable(source, LINE_ITEMS) if lines else None
    there, new = [one for one in lines if one.id], [one for one in lines if not one.id]
    refused = dict[str, SyncError]()
    for action, some in (("update", there), ("upsert", new)):
        for part in calls.parts(some):
            refused |= await submit(source, f"{PATH}/{action}", [one.row(known) for one in part])
    made = await _made(source, [one.trace for one in new if one.trace not in refused])
    pairs = [(made[one.trace], one.order_id) for one in new if one.trace in made]
    await calls.associate(source, LINE_ITEMS.type, sale(source.settings).kind.type, pairs)
    errors = {one.reference: refused[one.trace] for one in lines if one.trace in refused}
    kept = {*made.values(), *(one.id for one in there)}
    whole = [raw for item, raw in due if item.reference not in errors]
    gone = [str(line["id"]) for raw in whole for line in raw["items"] if str(line["id"]) not in kept]
    await calls.archive(source, LINE_ITEMS.type, gone)
    return errors


def _lines(item: Outgoing, raw: Raw) -> Iterator[Line]:
    assert isinstance(item.record, Order)  # noqa: S101
    there = {str(line["id"]) for line in raw["items"]}
    ours = {line["properties"].get(REFERENCE) for line in raw["items"]}
    for place, one in enumerate(item.record.items):
        trace = f"{item.reference}:{place}"
        id_ = one.external_id if one.external_id in there else None
        values = item_properties(one, place) | ({} if id_ else {REFERENCE: trace})
        if id_ is None and trace not in ours:
            values = {name: value for name, value in values.items() if value}
        yield Line(trace, item.reference, str(raw["id"]), id_, values)


async def _made(source: Source, traces: Sequence[str]) -> dict[str, str]:
    found = await calls.read(source, LINE_ITEMS.type, traces, [REFERENCE], REFERENCE)
    return {str(raw["properties"][REFERENCE]): str(raw["id"]) for raw in found}
