"""Stock at one location: set by compare-and-set, so that a sale between reading and writing is not undone."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from core.errors import ContractError, NotFoundError, RecordError, SyncError, TransientError
from core.records import StockLevel
from core.spec import Outgoing, Raw, Source, Written
from providers.shopify import operations
from providers.shopify.answers import ask, change, refused, user_errors
from providers.shopify.mapping import quantity_of
from providers.shopify.reading import location, quantity_name, read_stock


async def write_stock(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """Each amount is set only if what it replaces is still there: what was read, or `version`."""
    where = await location(source)
    ids = [_id(item) for item in outgoing]
    known = await _stocked(source, where, await read_stock(source, ids), ids)
    errors: dict[str, SyncError] = {}
    wanted: dict[str, Raw] = {}
    for item, id_ in zip(outgoing, ids, strict=True):
        raw = known.get(id_)
        if raw is None:
            errors[id_] = NotFoundError("O item de estoque não existe mais na loja.", status=404)
        elif (entry := _entry(item, raw, where, errors, id_)) is not None:
            wanted[id_] = entry
    errors |= await _set(source, wanted)
    now = await read_stock(source, [id_ for id_ in ids if id_ not in errors])
    return [Written(error=errors[id_]) if id_ in errors else Written(now.get(id_)) for id_ in ids]


def _id(item: Outgoing) -> str:
    record = item.record
    assert isinstance(record, StockLevel)  # noqa: S101
    return record.variant_id or record.product_id


def _entry(item: Outgoing, raw: Raw, where: str, errors: dict[str, SyncError], id_: str) -> Raw | None:
    record: Any = item.record
    amount, current = record.on_hand, quantity_of(raw)
    if amount != int(amount):
        errors[id_] = RecordError("O Shopify só guarda quantidades inteiras.", field="quantity")
        return None
    if current == int(amount):
        return None
    seen = int(item.version) if item.version is not None else current
    return {
        "inventoryItemId": raw["inventoryItem"]["id"],
        "locationId": where,
        "quantity": int(amount),
        "changeFromQuantity": seen,
    }


async def _stocked(
    source: Source, where: str, known: Mapping[str, Raw], ids: Sequence[str]
) -> Mapping[str, Raw]:
    """Items that the shop does not count, or not at this location, are counted there from now on."""
    touched = []
    for id_, raw in known.items():
        item = raw["inventoryItem"]
        if not item["tracked"]:
            await change(source, operations.TRACK, item=item["id"])
        if item["inventoryLevel"] is None:
            await change(source, operations.ACTIVATE, item=item["id"], location=where, key=str(uuid4()))
        if not item["tracked"] or item["inventoryLevel"] is None:
            touched.append(id_)
    return {**known, **await read_stock(source, touched)} if touched else known


async def _set(source: Source, wanted: Mapping[str, Raw]) -> dict[str, SyncError]:
    """One bad entry refuses the whole call: it is taken out, and the rest is sent again under a new key."""
    errors: dict[str, SyncError] = {}
    left = dict(wanted)
    while left:
        ids = list(left)
        body = {"reason": "correction", "name": quantity_name(source), "quantities": list(left.values())}
        data = await ask(source, operations.SET_QUANTITIES, input=body, key=str(uuid4()))
        found = user_errors(data["inventorySetQuantities"])
        bad: dict[str, SyncError] = {}
        for error in found:
            place = next((int(part) for part in error.get("field") or () if str(part).isdigit()), None)
            for id_ in ids if place is None else ids[place : place + 1]:
                bad[id_] = _refused(error)
        if not found:
            return errors
        if not bad:
            raise ContractError("O Shopify recusou uma quantidade e não disse qual.")
        errors |= bad
        left = {id_: entry for id_, entry in left.items() if id_ not in bad}
    return errors


def _refused(error: Raw) -> SyncError:
    if error.get("code") == "CHANGE_FROM_QUANTITY_STALE":
        return TransientError(
            "O estoque mudou na loja neste instante; a próxima tentativa parte do novo valor."
        )
    return refused(error)
