"""Items written one by one: there is no batch, and no idempotency key, so a create is looked for first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from core.entities import Matching
from core.errors import (
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.records import Product
from core.spec import Outgoing, Raw, Source, Written
from providers.mercado_livre.calls import SITE, Seller, about_record, items, me, of_a_record, table
from providers.mercado_livre.mapping import product_from
from providers.mercado_livre.unmapping import changes, described, new_item, new_variation, paired, price_of

T = TypeVar("T")
DYNAMIC = "dynamic_standard_price"
Done = tuple[str, SyncError | None]
"""The id of what was written, and what went wrong with a part of it."""


async def write_products(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    seller = await me(source)
    known = await items(source, [item.external_id for item in outgoing if item.external_id])

    async def one(item: Outgoing) -> Done:
        record: Any = item.record
        if item.external_id is None:
            return await _create(source, seller, record, item)
        return await _update(source, record, item, known.get(item.external_id))

    ended = await each(outgoing, one)
    now = await _again(source, [done[0] for done in ended if not isinstance(done, SyncError)])
    return [
        Written(error=done)
        if isinstance(done, SyncError)
        else Written(now.get(done[0], {"id": done[0]}), done[1])
        for done in ended
    ]


async def each(
    outgoing: Sequence[Outgoing], write: Callable[[Outgoing], Awaitable[T]]
) -> list[T | SyncError]:
    """What fails for all of them is raised; what fails for some is their answer."""

    async def settled(item: Outgoing) -> T | SyncError:
        try:
            return await write(item)
        except UnknownOutcome as error:
            # An update is simply due again.
            return TransientError(error.message, status=error.status) if item.external_id else error
        except SyncError as error:
            return about_record(error)

    ended = await asyncio.gather(*map(settled, outgoing))
    failures = [one for one in ended if isinstance(one, SyncError)]
    if failures and len(failures) == len(ended) and not of_a_record(failures[0]):
        raise failures[0]
    return ended


async def find_products(
    source: Source, outgoing: Sequence[Outgoing], matching: Matching
) -> Mapping[str, Sequence[Raw]]:
    """By our id, and by SKU. A search may lag and is not exact: every hit is looked at again."""
    seller = await me(source)
    hits = await asyncio.gather(*(_hits(source, seller, item, matching) for item in outgoing))
    known = await items(source, list(dict.fromkeys(id_ for ids in hits for id_ in ids)))
    found: dict[str, list[Raw]] = {}
    for item, ids in zip(outgoing, hits, strict=True):
        raws = [known[id_] for id_ in ids if id_ in known and "unread" not in known[id_]]
        own = [raw for raw in raws if raw.get("seller_custom_field") == item.reference]
        same = [raw for raw in raws if _skus(product_from(raw, source.settings)) & _skus(item.record)]
        if own or same:
            found[item.reference] = own or same
    return found


async def _hits(source: Source, seller: Seller, item: Outgoing, matching: Matching) -> list[str]:
    asked = [{"sku": item.reference}]
    if matching is Matching.SKU:
        asked += [{"seller_sku": sku} for sku in sorted(_skus(item.record))]
    ids: dict[str, None] = {}
    for params in asked:
        page = table((await source.get(f"users/{seller.id}/items/search", params)).data)
        ids |= {str(id_): None for id_ in page.get("results") or ()}
    return list(ids)


def _skus(record: Any) -> set[str]:
    return {one.sku for one in (record, *record.variants) if one.sku}


async def _create(source: Source, seller: Seller, record: Product, item: Outgoing) -> Done:
    category = await _category(source, record)
    body = new_item(record, seller, category, item.reference, source.settings)
    made = table((await source.send("POST", "items", body)).data)
    if not made.get("id"):
        raise UnknownOutcome("O Mercado Livre não disse qual anúncio criou.")
    id_ = str(made["id"])
    try:
        if text := described(record):
            await source.send("POST", f"items/{id_}/description", text)
        if not record.active:
            await source.send("PUT", f"items/{id_}", {"status": "paused"}, repeatable=True)
    except SyncError as error:
        return id_, about_record(error)
    return id_, None


async def _category(source: Source, record: Product) -> str:
    """The leaf that Mercado Livre sees in the name, where the settings have none."""
    if typed := source.settings.get("category_id"):
        return typed
    try:
        params = {"q": record.name, "limit": "1"}
        found = (await source.get(f"sites/{SITE}/domain_discovery/search", params)).data
    except NotFoundError:
        found = []
    if not isinstance(found, list) or not found or not found[0].get("category_id"):
        text = (
            "O Mercado Livre não reconheceu a categoria pelo nome: preencha Categoria padrão na integração."
        )
        raise RecordError(text, field="category_id")
    return str(found[0]["category_id"])


async def _update(source: Source, record: Product, item: Outgoing, raw: Raw | None) -> Done:
    if raw is None:
        raise NotFoundError("O anúncio não existe mais no Mercado Livre, ou foi encerrado.", status=404)
    before, path = product_from(raw, source.settings), f"items/{raw['id']}"
    body = changes(record, before, item.fields, families=bool(raw.get("family_name")))
    automatic = DYNAMIC in (raw.get("tags") or ()) and body.pop("price", None) is not None
    if body:
        await source.send("PUT", path, body, repeatable=True)
    if "variants" in item.fields and before.variants:
        await _variations(source, record, before, path)
    if automatic:
        text = "O preço deste anúncio é automático: desligue a automação no Mercado Livre para o ERP definir."
        raise RecordError(text, field="price")
    return str(raw["id"]), None


async def _variations(source: Source, record: Product, before: Product, path: str) -> None:
    """One by one: a list of variations removes those that it leaves out."""
    for variant, known in paired(record.variants, before.variants):
        if known is None:
            body = new_variation(record, variant, source.settings)
            await source.send("POST", f"{path}/variations", body)
        elif (price := price_of(record, variant)) is not None and price != known.price:
            number = known.external_id.partition("-")[2]
            await source.send("PUT", f"{path}/variations/{number}", {"price": float(price)}, repeatable=True)


async def _again(source: Source, ids: Sequence[str]) -> Mapping[str, Raw]:
    try:
        return await items(source, ids)
    except SyncError:
        # They are written all the same; the next import sees what they are.
        return {}
