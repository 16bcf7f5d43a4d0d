"""Lists, and records by their ids. Changes come in pages; whole lists, and many changes, as the lines of a
bulk operation, which costs no points and knows no depth of 25,000."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from core.errors import (
    AuthorizationError,
    ConfigurationError,
    ContractError,
    RateLimited,
    SyncError,
    TransientError,
)
from core.reading import clock
from core.spec import Raw, Source, Span, Step
from providers.shopify import operations
from providers.shopify.answers import PATH, ask, gid, kind_of, refused, tail, user_errors
from providers.shopify.mapping import nodes, stock_key, utc

MOST_IN_PAGES = 500
"""More changes than that are read by a bulk operation."""
PIECE = 1024 * 1024
LARGEST_PIECE = 16 * PIECE
BULK_SECONDS = 3600.0
LONGEST_POLL_SECONDS = 5.0
_GONE = ("CANCELED", "CANCELING", "EXPIRED", "FAILED")
_LISTS = {
    "ProductVariant": "variants",
    "Collection": "collections",
    "LineItem": "lineItems",
    "MailingAddress": "addressesV2",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of the Admin API. `by_day`: its filter knows whole days alone."""

    name: str
    size: int
    by_day: bool = False

    async def fetch(self, source: Source, span: Span, place: str | None) -> Step:
        """Places: "page CURSOR" or "bulk OPERATION BYTE"."""
        query = self._filter(span)
        if place is None and not await self._few(source, span, query):
            place = await _run(source, operations.bulk(self.name, query))
        if place is None or place.startswith("page "):
            return await self._page(source, span, query, (place or "page ").removeprefix("page "))
        step = await _portion(source, place)
        # Its file is kept for a week; a run that was interrupted for longer begins anew.
        return step or await self.fetch(source, span, None)

    async def read(self, source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
        kind = operations.TYPES[self.name]
        found: dict[str, Raw] = {}
        ids = [gid(kind, id_) for id_ in dict.fromkeys(external_ids) if id_.isdecimal()]
        for start in range(0, len(ids), self.size):
            data = await ask(source, operations.BY_IDS[self.name], ids=ids[start : start + self.size])
            for raw in await completed(source, [raw for raw in data["nodes"] if raw]):
                found[tail(raw["id"])] = raw
        return found

    async def _few(self, source: Source, span: Span, query: str) -> bool:
        if span.since is None:
            return False
        data = await ask(source, operations.COUNTS[self.name], query=query)
        return int(data[f"{self.name}Count"]["count"]) <= MOST_IN_PAGES

    async def _page(self, source: Source, span: Span, query: str, after: str) -> Step:
        variables = {"first": self.size, "after": after or None, "query": query or None}
        body = {"query": operations.LISTS[self.name], "variables": variables}
        answer = await source.send("POST", PATH, body, repeatable=True)
        page = (answer.data.get("data") or {}).get(self.name)
        if page is None:
            raise ContractError("A resposta do Shopify não é uma lista.")
        items = await completed(source, page["nodes"])
        if self.by_day and span.since is not None:
            items = [raw for raw in items if utc(raw["updatedAt"]) >= span.since]
        more = page["pageInfo"]
        following = f"page {more['endCursor']}" if more["hasNextPage"] else None
        return Step(items, following, clock=clock(answer))

    def _filter(self, span: Span) -> str:
        since, until = span.since, span.until
        if self.by_day:
            since = since and since - timedelta(days=1)
            until = until and until + timedelta(days=1)
        form = "%Y-%m-%d" if self.by_day else "%Y-%m-%dT%H:%M:%SZ"
        asked = [
            f"updated_at:{sign}'{moment.astimezone(UTC).strftime(form)}'"
            for sign, moment in ((">=", since), ("<", until))
            if moment is not None
        ]
        # Orders show without it, as far as is known, only what is open.
        return " ".join([*asked, *(["status:any"] if self.name == "orders" else [])])


PRODUCTS = Listed("products", operations.PRODUCTS_A_CALL)
ORDERS = Listed("orders", operations.ORDERS_A_CALL)
CUSTOMERS = Listed("customers", operations.MANY, by_day=True)
COLLECTIONS = Listed("collections", operations.MANY)


async def fetch_stock(source: Source, _span: Span, place: str | None) -> Step:
    """Always whole: a change of stock need not touch the item's date."""
    if place is None:
        query = operations.bulk_stock(await location(source), quantity_name(source))
        place = await _run(source, query)
    return await _portion(source, place) or await fetch_stock(source, _span, None)


async def read_stock(source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
    """By the product's or the variant's id; an id alone does not tell which."""
    found: dict[str, Raw] = {}
    where, name = await location(source), quantity_name(source)
    ids = [id_ for id_ in dict.fromkeys(external_ids) if id_.isdecimal()]
    for start in range(0, len(ids), operations.MANY):
        part = ids[start : start + operations.MANY]
        asked = [gid(kind, id_) for id_ in part for kind in ("ProductVariant", "Product")]
        data = await ask(source, operations.STOCK_BY_IDS, ids=asked, location=where, quantity=name)
        wanted = set(part)
        for raw in filter(None, data["nodes"]):
            for variant in nodes(raw, "variants") if "variants" in raw else [raw]:
                if stock_key(variant) in wanted:
                    found[stock_key(variant)] = variant
    return found


def quantity_name(source: Source) -> str:
    return source.settings.get("quantity") or "available"


async def location(source: Source) -> str:
    """The location of the settings, or the shop's only one. Raises `ConfigurationError` if there are more."""
    typed = source.settings.get("location_id")
    if typed:
        return gid("Location", typed)
    found = (await ask(source, operations.LOCATIONS))["locations"]["nodes"]
    if len(found) != 1:
        names = ", ".join(f"{one['name']} ({tail(one['id'])})" for one in found)
        raise ConfigurationError(f"A loja tem mais de um local: preencha Local de estoque. {names}")
    return str(found[0]["id"])


async def completed(source: Source, items: Sequence[Raw]) -> Sequence[Raw]:
    """With the rest of nested lists that one page does not hold."""
    for raw in items:
        for part in operations.REST:
            more = raw.get(part, {}).get("pageInfo") if isinstance(raw.get(part), dict) else None
            while more and more["hasNextPage"]:
                data = await ask(source, operations.REST[part], id=raw["id"], after=more["endCursor"])
                page = data["node"][part]
                raw[part]["nodes"] += page["nodes"]
                more = page["pageInfo"]
    return items


async def _run(source: Source, query: str) -> str:
    """Start a bulk operation and wait for it. Raises `RateLimited` while another one runs."""
    data = await ask(source, operations.RUN_BULK, query=query)
    payload = data["bulkOperationRunQuery"]
    if errors := user_errors(payload):
        if errors[0].get("code") in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED"):
            until = datetime.now(UTC) + timedelta(minutes=2)
            raise RateLimited("A loja já executa outra operação em massa.", retry_at=until)
        raise refused(errors[0])
    id_ = str(payload["bulkOperation"]["id"])
    ends, wait = time.monotonic() + BULK_SECONDS, 0.2
    while time.monotonic() < ends:
        operation = await _operation(source, id_)
        if operation is not None and operation["status"] in _GONE:
            raise _failed(operation)
        if operation is not None and operation["status"] == "COMPLETED":
            return f"bulk {id_} 0"
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, LONGEST_POLL_SECONDS)
    raise TransientError("A operação em massa do Shopify não terminou a tempo.")


async def _portion(source: Source, place: str) -> Step | None:
    """The records from one byte of a bulk operation's file; None where there is none any more."""
    _, id_, start = place.split(" ")
    operation = await _operation(source, id_)
    if operation is None or operation["status"] in _GONE:
        return None
    total = int(operation["rootObjectCount"])
    # Without any result there is no file.
    if operation["url"] is None:
        return Step([], None, total=total)
    size = PIECE
    while size <= LARGEST_PIECE:
        data = await source.download(operation["url"], int(start), size)
        last = len(data) < size
        items, taken = grouped(data, last=last)
        if last or items:
            return Step(items, None if last else f"bulk {id_} {int(start) + taken}", total=total)
        size *= 4
    raise ContractError("Um registro da operação em massa passa do tamanho aceito.")


def grouped(data: bytes, *, last: bool) -> tuple[list[Raw], int]:
    """Objects with the children that follow each, and the bytes that they took. Before the `last` piece the
    last object may miss some of its own, and waits for the next."""
    roots: list[Raw] = []
    position = began = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n") and not last:
            break
        if line.strip():
            raw: Raw = msgspec.json.decode(line)
            parent = raw.pop("__parentId", None)
            if parent is None:
                began = position
                roots.append(raw)
            elif not roots or roots[-1]["id"] != parent:
                raise ContractError("A operação em massa do Shopify não veio agrupada.")
            else:
                roots[-1].setdefault(_list_of(raw), []).append(raw)
        position += len(line)
    return (roots, position) if last else (roots[:-1], began)


def _list_of(child: Raw) -> str:
    if "id" not in child:
        return "localizedFields"
    return _LISTS.get(kind_of(child["id"]), "media")


async def _operation(source: Source, id_: str) -> Any:
    return (await ask(source, operations.BULK, id=id_))["bulkOperation"]


def _failed(operation: Any) -> SyncError:
    code = str(operation.get("errorCode") or operation["status"])
    kind = AuthorizationError if code == "ACCESS_DENIED" else TransientError
    return kind(f"A operação em massa do Shopify falhou ({code}).", provider_code=code)
