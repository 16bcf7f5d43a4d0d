"""Lists and looks. The order of a list and what a list without filter leaves out are not documented."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from core.entities import Matching
from core.errors import ConflictError, ContractError, NotFoundError, RecordError
from core.records import Shipment
from core.spec import Answer, Outgoing, Raw, Source, Span, Step
from providers.melhor_envio.mapping import is_ours, moment, reference, state
from providers.melhor_envio.quoting import described, offers

ORDERS = "me/orders"
CART = "pending"
FOLLOWED = timedelta(days=60)
"""Labels older than that do not move any more; a complete scan reads them all the same."""
REFUSALS = (RecordError, ConflictError, ContractError, NotFoundError)


async def fetch(source: Source, span: Span, place: str | None) -> Step:
    """Bought labels, then the cart."""
    kind, _, page = (place or "all:1").partition(":")
    items, last = await _page(source, int(page), {"status": CART} if kind == CART else {})
    following = f"{kind}:{int(page) + 1}"
    if kind != CART:
        old = span.since is not None and _ends_before(items, span)
        if last or old:
            following = f"{CART}:1"
        return Step([raw for raw in items if state(raw) != CART], following)
    return Step(items, None if last else following)


async def expand(source: Source, raws: Sequence[Raw]) -> Sequence[Raw]:
    """What the list does not say: the other offers of what is in the cart, the link of a label to print."""

    async def more(raw: Raw) -> Raw:
        if not is_ours(raw):
            return raw
        try:
            if state(raw) == CART:
                return raw | {"offers": await _offers(source, raw)}
            if state(raw) == "generated":
                return raw | {"label_url": await _label(source, str(raw["id"]))}
        except REFUSALS:
            pass  # The label is a label without them.
        return raw

    return await asyncio.gather(*map(more, raws))


async def read(source: Source, ids: Sequence[str]) -> Mapping[str, Raw]:
    found = await asyncio.gather(*(look(source, id_) for id_ in ids))
    return {str(raw["id"]): raw for raw in await expand(source, [raw for raw in found if raw is not None])}


async def look(source: Source, id_: str) -> Raw | None:
    for path in (f"{ORDERS}/{id_}", f"me/cart/{id_}"):
        try:
            answer = await source.get(path)
        except NotFoundError:
            continue
        if isinstance(answer.data, dict) and answer.data.get("id"):
            return answer.data
    return None


async def find(
    source: Source, outgoing: Sequence[Outgoing], _matching: Matching
) -> Mapping[str, Sequence[Raw]]:
    """By our tag, in the cart and among the recipient's labels: tags cannot be searched for."""
    wanted = {item.reference for item in outgoing}
    people = {
        item.record.recipient_document
        for item in outgoing
        if isinstance(item.record, Shipment) and item.record.recipient_document
    }
    lists = await asyncio.gather(_cart(source), *(_search(source, document) for document in sorted(people)))
    found: dict[str, dict[str, Raw]] = {}
    for raw in (raw for one in lists for raw in one):
        ours = reference(raw)
        if ours in wanted and state(raw) not in ("canceled", "cancelled", "expired"):
            found.setdefault(ours, {})[str(raw["id"])] = raw
    return {ours: _best(list(raws.values())) for ours, raws in found.items()}


def _best(raws: Sequence[Raw]) -> Sequence[Raw]:
    """What is only in the cart costs nothing: one of it stands for all. The id alone, so that the next
    import brings the rest."""
    bought = [raw for raw in raws if state(raw) != CART]
    return [{"id": raw["id"]} for raw in bought or raws[:1]]


async def _cart(source: Source) -> list[Raw]:
    found: list[Raw] = []
    page = 1
    while True:
        items, last = await _page(source, page, {"status": CART})
        found += items
        if last:
            return found
        page += 1


async def _search(source: Source, document: str) -> Sequence[Raw]:
    try:
        return _items(await source.get(f"{ORDERS}/search", {"q": document}))
    except NotFoundError:
        return ()


async def _page(source: Source, page: int, filters: Mapping[str, str]) -> tuple[Sequence[Raw], bool]:
    answer = await source.get(ORDERS, {**filters, "page": str(page)})
    items = _items(answer)
    last = answer.data.get("last_page") if isinstance(answer.data, dict) else 1
    return items, not items or (last is not None and page >= int(last))


def _items(answer: Answer) -> Sequence[Raw]:
    """A Laravel page, or the bare list."""
    items = answer.data.get("data") if isinstance(answer.data, dict) else answer.data
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise ContractError("A lista de etiquetas não veio no formato documentado.")
    return items


def _ends_before(items: Sequence[Raw], span: Span) -> bool:
    """Whether a list that runs backwards has come to labels that are too old to move."""
    made = [at for raw in items if (at := moment(raw.get("created_at"))) is not None]
    backwards = made == sorted(made, reverse=True) and len(made) > 1 and made[0] > made[-1]
    return backwards and span.since is not None and made[-1] < span.since - FOLLOWED


async def _offers(source: Source, raw: Raw) -> list[str]:
    ends = {side: {"postal_code": (raw.get(side) or {}).get("postal_code", "")} for side in ("from", "to")}
    if not raw.get("volumes") or not all(end["postal_code"] for end in ends.values()):
        return []
    body = {**ends, "volumes": raw["volumes"]}
    return [described(offer) for offer in await offers(source, body)]


async def _label(source: Source, id_: str) -> str | None:
    body = {"mode": "private", "orders": [id_]}
    answer = await source.send("POST", "me/shipment/print", body, repeatable=True)
    return answer.data.get("url") if isinstance(answer.data, dict) else None
