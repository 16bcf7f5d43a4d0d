"""Lists. Items come as ids, by a scroll that ends after five minutes of silence, then in twenties; orders
come in pages of a stretch of time, halved where it holds more than a list shows."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import ContractError, NotFoundError, TransientError
from core.reading import clock
from core.spec import Raw, Source, Span, Step
from providers.mercado_livre.calls import SITE, gathered, items, me, optional, table
from providers.mercado_livre.mapping import utc
from providers.mercado_livre.stock import with_stock

IDS_A_PAGE = 100
MOST_SORTED = 1000
"""A sorted list of items ends here."""
ORDERS_A_PAGE = 50
MOST_ORDERS = 5000
"""Of one stretch of time; far below the offset where the list is said to stop."""
ORDERS_KEPT = timedelta(days=365)
STATUSES = ("any", "cancelled")
"""A seller's search leaves cancelled orders out; they are asked for by name."""


async def fetch_products(source: Source, span: Span, place: str | None) -> Step:
    """Places: "new SELLER OFFSET", or those of the scan."""
    if place is None and span.since is not None:
        place = f"new {(await me(source)).id} 0"
    if place is None or span.since is None or not place.startswith("new "):
        return await _scan(source, place)
    _, seller, offset = place.split()
    params = {"orders": "last_updated_desc", "limit": str(IDS_A_PAGE), "offset": offset}
    ids = _ids(table((await source.get(f"users/{seller}/items/search", params)).data))
    found = list((await items(source, ids)).values())
    moments = [utc(raw["last_updated"]) for raw in found if raw.get("last_updated")]
    if moments != sorted(moments, reverse=True):
        # Not sorted as was asked: only all of them will do.
        return await _scan(source, None)
    fresh = [raw for raw in found if "unread" in raw or utc(raw["last_updated"]) >= span.since]
    if len(ids) < IDS_A_PAGE or (moments and moments[-1] < span.since):
        return Step(fresh, None)
    following = int(offset) + IDS_A_PAGE
    return Step(fresh, f"new {seller} {following}") if following < MOST_SORTED else Step(fresh, "scan")


async def fetch_stock(source: Source, _span: Span, place: str | None) -> Step:
    step = await _scan(source, place)
    return Step(await with_stock(source, step.items), step.next, clock=step.clock)


async def read_products(source: Source, ids: Sequence[str]) -> dict[str, Raw]:
    return await items(source, list(dict.fromkeys(ids)))


async def _scan(source: Source, place: str | None) -> Step:
    """Places: "scan", or "SELLER TOTAL SEEN SCROLL". A scroll that has ended is begun anew."""
    if place is None or place == "scan":
        return await _scrolled(source, (await me(source)).id, None, 0, "")
    seller, total, seen, scroll = place.split()
    try:
        return await _scrolled(source, seller, int(total), int(seen), scroll)
    except (ContractError, NotFoundError) as error:
        if error.status not in (400, 404):
            raise
    return await _scrolled(source, seller, None, 0, "")


async def _scrolled(source: Source, seller: str, total: int | None, seen: int, scroll: str) -> Step:
    params = {"search_type": "scan", "limit": str(IDS_A_PAGE)}
    params |= {"scroll_id": scroll} if scroll else {}
    answer = await source.get(f"users/{seller}/items/search", params)
    page = table(answer.data)
    ids, following = _ids(page), page.get("scroll_id")
    total = int(page["paging"]["total"]) if total is None else total
    seen += len(ids)
    if not ids or not following:
        if seen < total:
            raise TransientError("A lista de anúncios veio incompleta: menos do que o total informado.")
        following = None
    found = list((await items(source, ids)).values())
    place = f"{seller} {total} {seen} {following}" if following else None
    # Closed items are in the list's total and not in what is given on, so it is not told.
    return Step(found, place, clock=clock(answer))


def _ids(page: Raw) -> list[str]:
    found = page.get("results")
    if not isinstance(found, list):
        raise ContractError("A lista de anúncios do Mercado Livre não tem resultados.")
    return [str(id_) for id_ in found]


async def fetch_orders(source: Source, span: Span, place: str | None) -> Step:
    """Places: "SELLER STATUS END FROM TO OFFSET TOTAL". A stretch that lost an order while it was read
    (it changed, and is in a later one) is read again, for the others have moved up."""
    if place is None:
        end = span.until or datetime.now(UTC)
        since = span.since or end - ORDERS_KEPT
        place = f"{(await me(source)).id} any {_text(end)} {_text(since)} {_text(end)} 0 0"
    seller, status, end_, since_, until_, offset_, total_ = place.split()
    offset, before = int(offset_), int(total_)
    answer = await source.get("orders/search", _filter(seller, status, since_, until_, offset_))
    page = table(answer.data)
    total, found, moment = int(page["paging"]["total"]), page["results"], clock(answer)
    following: str | None
    stretch = utc(until_) - utc(since_)
    if total > MOST_ORDERS and stretch > timedelta(seconds=2):
        middle = _text(utc(since_) + stretch / 2)
        return Step([], f"{seller} {status} {end_} {since_} {middle} 0 0", clock=moment)
    if offset and total < before:
        return Step([], f"{seller} {status} {end_} {since_} {until_} 0 0", clock=moment)
    if found and offset + len(found) < total:
        following = f"{seller} {status} {end_} {since_} {until_} {offset + len(found)} {total}"
    elif offset + len(found) < total:
        raise TransientError("A lista de pedidos veio incompleta: menos do que o total informado.")
    elif until_ != end_:
        following = f"{seller} {status} {end_} {until_} {end_} 0 0"
    else:
        following = _other_status(span, seller, status, end_)
    return Step(found, following, clock=moment)


def _other_status(span: Span, seller: str, status: str, end: str) -> str | None:
    if status == STATUSES[-1]:
        return None
    since = _text(span.since or utc(end) - ORDERS_KEPT)
    return f"{seller} {STATUSES[STATUSES.index(status) + 1]} {end} {since} {end} 0 0"


def _filter(seller: str, status: str, since: str, until: str, offset: str) -> dict[str, str]:
    # `order.last_updated.from` is taken as well, and ignored.
    return {
        "seller": seller,
        "order.date_last_updated.from": since,
        "order.date_last_updated.to": until,
        "sort": "date_asc",
        "limit": str(ORDERS_A_PAGE),
        "offset": offset,
        **({} if status == "any" else {"order.status": status}),
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


async def read_orders(source: Source, ids: Sequence[str]) -> dict[str, Raw]:
    found = await gathered(list(dict.fromkeys(ids)), lambda id_: optional(source, f"orders/{id_}"))
    whole = await with_papers(source, list(found.values()))
    return {str(raw["id"]): raw for raw in whole}


async def with_papers(source: Source, orders: Sequence[Raw]) -> Sequence[Raw]:
    """Orders with their buyer's tax data and their shipment. Those of one cart share a shipment."""
    shipments = sorted({str(id_) for raw in orders if (id_ := (raw.get("shipping") or {}).get("id"))})
    new = {"x-format-new": "true"}
    sent = await gathered(shipments, lambda id_: optional(source, f"shipments/{id_}", new))
    bills = await asyncio.gather(*(_bill(source, raw) for raw in orders))
    return [
        {**raw, "billing": bill, "shipment": sent.get(str((raw.get("shipping") or {}).get("id")))}
        for raw, bill in zip(orders, bills, strict=True)
    ]


async def _bill(source: Source, raw: Raw) -> Any:
    id_ = _bill_id(raw)
    if id_ is None:
        # The list may leave it out.
        id_ = _bill_id(await optional(source, f"orders/{raw['id']}") or {})
    return await optional(source, f"orders/billing-info/{SITE}/{id_}") if id_ else None


def _bill_id(raw: Raw) -> Any:
    return ((raw.get("buyer") or {}).get("billing_info") or {}).get("id")
