"""Lists, and records by their ids.

Whole lists come from the list endpoint. Changes come from the search, which never goes beyond 10,000 results
and is behind by some seconds: each page begins where the last one ended instead of at an offset, and what it
finds is read again by id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from core.errors import ContractError
from core.reading import clock
from core.spec import Raw, Settings, Source, Span, Step
from providers.hubspot import calls
from providers.hubspot.calls import SIZE, following, results
from providers.hubspot.kinds import CONTACTS, LINE_ITEMS, PRODUCTS, Kind, asked, sale, stages
from providers.hubspot.mapping import utc, value

SEARCH_SIZE = 200
_ID = "hs_object_id"


@dataclass(frozen=True, slots=True)
class Listed:
    """The records of one object type, `sales` with their line items and contact."""

    kind: Callable[[Settings], Kind]
    sales: bool = False

    async def fetch(self, source: Source, span: Span, place: str | None) -> Step:
        """Places: "list CURSOR", "from MILLISECONDS", or "at MILLISECONDS ID" within one millisecond."""
        beginning = "list " if span.since is None else f"from {milliseconds(span.since)}"
        mode, _, rest = (place or beginning).partition(" ")
        if mode == "list":
            return await self._page(source, rest)
        step = await self._changes(source, span, mode, [int(part) for part in rest.split()])
        return step if place is None else replace(step, total=None)

    async def read(self, source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
        return await self.by(source, [id_ for id_ in external_ids if id_.isdecimal()])

    async def by(self, source: Source, values: Sequence[str], name: str = "") -> dict[str, Raw]:
        """By record id, or by a property with unique values."""
        kind = self.kind(source.settings)
        found = await calls.read(source, kind.type, values, asked(kind, source.settings), name)
        return {str(raw["id"]): raw for raw in await self._completed(source, found, every=True)}

    async def search(self, source: Source, name: str, values: Sequence[str]) -> list[Raw]:
        """By a property without unique values; upper case is not found."""
        kind = self.kind(source.settings)
        wanted = sorted({value.lower() for value in values})
        filters = [{"propertyName": name, "operator": "IN", "values": wanted}]
        found = await _search(source, kind, filters, sort=_ID)
        return list((await self.by(source, [str(raw["id"]) for raw in found[0]])).values())

    async def _page(self, source: Source, after: str) -> Step:
        kind = self.kind(source.settings)
        params = {"limit": str(SIZE), "properties": ",".join(asked(kind, source.settings))}
        answer = await source.get(
            f"crm/v3/objects/{kind.type}", {**params, **({"after": after} if after else {})}
        )
        items = await self._completed(source, results(answer))
        next_ = following(answer.data)
        return Step(items, f"list {next_}" if next_ else None, clock=clock(answer))

    async def _changes(self, source: Source, span: Span, mode: str, place: Sequence[int]) -> Step:
        kind, since = self.kind(source.settings), place[0]
        bounds = {"GTE": since}
        if mode == "at":
            bounds["LT"] = since + 1
        elif span.until is not None:
            bounds["LT"] = milliseconds(span.until)
        filters = [_bound(kind.modified, sign, moment) for sign, moment in bounds.items()]
        if mode == "at":
            filters.append(_bound(_ID, "GT", place[1]))
        hits, more, step = await _search(source, kind, filters, sort=_ID if mode == "at" else kind.modified)
        found = await self.by(source, [str(raw["id"]) for raw in hits])
        return Step(list(found.values()), _after(kind, mode, since, hits, more), step.total, step.clock)

    async def _completed(self, source: Source, items: Sequence[Raw], *, every: bool = False) -> Sequence[Raw]:
        """With what belongs to them; only those that are orders, unless `every` one is asked for."""
        if not self.sales:
            return items
        for raw in items:
            raw["wanted"] = _is_order(raw, source.settings)
        due = [raw for raw in items if every or raw["wanted"]]
        type_, ids = self.kind(source.settings).type, [str(raw["id"]) for raw in due]
        lines = await calls.associated(source, type_, LINE_ITEMS.type, ids) if ids else {}
        people = await calls.associated(source, type_, CONTACTS.type, ids) if ids else {}
        items_by_id = await _named(source, LINE_ITEMS, [id_ for every in lines.values() for id_ in every])
        by_id = await _named(source, CONTACTS, [every[0] for every in people.values() if every])
        for raw in items:
            id_ = str(raw["id"])
            raw["items"] = [items_by_id[one] for one in lines.get(id_, ()) if one in items_by_id]
            raw["contact"] = next((by_id[one] for one in people.get(id_, ())[:1] if one in by_id), None)
        return items


CUSTOMERS = Listed(lambda _: CONTACTS)
CATALOGUE = Listed(lambda _: PRODUCTS)
SALES = Listed(lambda settings: sale(settings).kind, sales=True)


def milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _is_order(raw: Raw, settings: Settings) -> bool:
    """A deal is one from the stages that have a status on; a Commerce order always is."""
    names = sale(settings)
    return bool(names.status) or value(raw, names.stage) in stages(settings)


async def _named(source: Source, kind: Kind, ids: Sequence[str]) -> dict[str, Raw]:
    found = await calls.read(source, kind.type, ids, asked(kind, source.settings))
    return {str(raw["id"]): raw for raw in found}


async def _search(
    source: Source, kind: Kind, filters: Sequence[Raw], *, sort: str
) -> tuple[list[Raw], bool, Step]:
    """The first page, in ascending order, and whether there are more."""
    body = {
        "filterGroups": [{"filters": list(filters)}],
        "sorts": [sort],
        "properties": [kind.modified],
        "limit": SEARCH_SIZE,
        "after": "0",
    }
    answer = await source.send("POST", f"crm/v3/objects/{kind.type}/search", body, repeatable=True)
    hits = results(answer)
    return hits, following(answer.data) is not None, Step([], None, answer.data.get("total"), clock(answer))


def _after(kind: Kind, mode: str, since: int, hits: Sequence[Raw], more: bool) -> str | None:
    if mode == "at":
        ids = [int(raw["id"]) for raw in hits]
        return f"at {since} {_last(ids)}" if more and ids else f"from {since + 1}"
    if not more or not hits:
        return None
    last = _last([milliseconds(utc(value(raw, kind.modified))) for raw in hits])
    return f"from {last}" if last > since else f"at {since} 0"


def _last(values: Sequence[int]) -> int:
    if any(one > other for one, other in pairwise(values)):
        raise ContractError("A busca do HubSpot não veio na ordem pedida.")
    return values[-1]


def _bound(name: str, sign: str, bound: int) -> Raw:
    return {"propertyName": name, "operator": sign, "value": str(bound)}
