"""Stock of items, and of user products in the seller's own warehouses, which is written only over the
version that was read (`x-version`)."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from core.errors import (
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
)
from core.records import StockLevel
from core.spec import Outgoing, Raw, Source, Written
from providers.mercado_livre.calls import Seller, about_record, items, me, of_a_record, table
from providers.mercado_livre.mapping import in_full, stock_key

VERSION = "x-version"
OWN = "seller_warehouse"
TRIES = 3
Warehouse = Mapping[str, Any]
"""`store_id` and `network_node_id`."""


def split(raw: Raw) -> Sequence[Raw]:
    """One level for each variation, or for the item that has none."""
    variations = raw.get("variations") or ()
    return [{**raw, "variation": one} for one in variations] or [raw]


def revision(raw: Raw) -> str | None:
    return raw["stock"]["version"] if raw.get("stock") else None


async def with_stock(source: Source, found: Sequence[Raw]) -> Sequence[Raw]:
    """Items with what the branch's warehouse holds, where the account keeps stock by warehouse."""
    wanted = sorted({raw["user_product_id"] for raw in found if raw.get("user_product_id")})
    seller = await me(source) if wanted else None
    if seller is None or not seller.warehouses:
        return found
    where = await _warehouse(source, seller)
    levels = await asyncio.gather(*(_level(source, id_, where) for id_ in wanted))
    held = dict(zip(wanted, levels, strict=True))
    return [{**raw, "stock": held.get(raw.get("user_product_id"))} for raw in found]


async def read_stock(source: Source, ids: Sequence[str]) -> dict[str, Raw]:
    known = await items(source, list(dict.fromkeys(id_.partition("-")[0] for id_ in ids)))
    whole = await with_stock(source, list(known.values()))
    levels = {stock_key(part): part for raw in whole for part in split(raw)}
    return {id_: levels[id_] for id_ in ids if id_ in levels}


async def write_stock(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """One after another where several items sell one user product: it has one stock."""
    seller = await me(source)
    known = await items(source, list(dict.fromkeys(_record(item).product_id for item in outgoing)))
    where = await _warehouse(source, seller) if seller.warehouses else {}
    written: dict[str, int] = {}
    done = []
    for item in outgoing:
        raw = known.get(_record(item).product_id)
        shared = raw.get("user_product_id") if raw and seller.warehouses else None
        done.append(await _settled(_one(source, item, raw, shared, where, written)))
    failures = [one.error for one in done if one.error is not None]
    if len(failures) == len(done) and not of_a_record(failures[0]):
        raise failures[0]
    now = await read_stock(source, [_key(item) for item in outgoing])
    return [
        one if one.error else Written(now.get(_key(item))) for item, one in zip(outgoing, done, strict=True)
    ]


async def _one(
    source: Source,
    item: Outgoing,
    raw: Raw | None,
    shared: str | None,
    where: Warehouse,
    written: dict[str, int],
) -> None:
    amount = _amount(item)
    if raw is None:
        raise NotFoundError("O anúncio não existe mais no Mercado Livre.", status=404)
    if in_full(raw):
        raise RecordError(
            "O estoque deste anúncio está no Full e não pode ser gravado.", field="available_quantity"
        )
    if shared is None:
        await _put(source, item, amount)
    elif written.setdefault(shared, amount) != amount:
        text = f"Outro anúncio do produto {shared} tem outra quantidade no ERP: o estoque deles é um só."
        raise RecordError(text, field="quantity")
    else:
        await _swap(source, shared, where, amount, item.version)


async def _put(source: Source, item: Outgoing, amount: int) -> None:
    """A status of 200 is no proof: what the item says afterwards is."""
    record = _record(item)
    path, _, variation = _key(item).partition("-")
    path = f"items/{path}/variations/{variation}" if variation else f"items/{path}"
    await source.send("PUT", path, {"available_quantity": amount}, repeatable=True)
    now = (await items(source, [record.product_id])).get(record.product_id) or {}
    part = next((one for one in split(now) if stock_key(one) == _key(item)), {}) if now else {}
    if (part.get("variation") or part).get("available_quantity") != amount:
        text = "O Mercado Livre aceitou a quantidade e não a gravou: a conta usa estoque por depósito."
        raise RecordError(text, field="available_quantity")


async def _swap(source: Source, id_: str, where: Warehouse, amount: int, seen: str | None) -> None:
    """Over the version that was `seen`, or else over the one that is there now."""
    for _ in range(TRIES):
        level = await _level(source, id_, where)
        if level["quantity"] == amount and seen in (None, level["version"]):
            return
        headers = {VERSION: seen or level["version"]}
        body = {"locations": [{**where, "quantity": amount}]}
        try:
            await source.send(
                "PUT", f"user-products/{id_}/stock/type/{OWN}", body, headers=headers, repeatable=True
            )
        except ConflictError:
            if seen is not None:
                break
        else:
            return
    text = "O estoque mudou no Mercado Livre neste instante; a próxima tentativa parte do novo valor."
    raise TransientError(text, status=409)


async def _level(source: Source, id_: str, where: Warehouse) -> Raw:
    answer = await source.get(f"user-products/{id_}/stock")
    version = answer.headers.get(VERSION)
    if version is None:
        raise ContractError("O Mercado Livre não disse a versão do estoque (x-version).")
    levels = table(answer.data).get("locations") or ()
    here = [one for one in levels if str(one.get("store_id")) == where["store_id"]]
    return {"version": version, "quantity": sum(int(one["quantity"]) for one in here)}


async def _warehouse(source: Source, seller: Seller) -> Warehouse:
    """The one of the settings, or the account's only one."""
    page = table((await source.get(f"users/{seller.id}/stores/search", {"tags": "stock_location"})).data)
    stores = [one for one in page.get("results") or () if one.get("network_node_id")]
    typed = source.settings.get("store_id")
    chosen = [one for one in stores if str(one["id"]) == typed] if typed else stores
    if len(chosen) != 1:
        names = ", ".join(f"{one.get('description') or 'sem nome'} ({one['id']})" for one in stores)
        text = f"Depósito {typed} não encontrado" if typed else "A conta não tem um único depósito"
        raise ConfigurationError(f"{text}: preencha Depósito com um destes. {names}")
    return {"store_id": str(chosen[0]["id"]), "network_node_id": str(chosen[0]["network_node_id"])}


async def _settled(call: Awaitable[None]) -> Written:
    try:
        await call
    except SyncError as error:
        return Written(error=about_record(error))
    return Written()


def _record(item: Outgoing) -> StockLevel:
    assert isinstance(item.record, StockLevel)  # noqa: S101
    return item.record


def _key(item: Outgoing) -> str:
    record = _record(item)
    return record.variant_id or record.product_id


def _amount(item: Outgoing) -> int:
    held = _record(item).on_hand
    if held != int(held) or held < 0:
        raise RecordError(
            "O Mercado Livre só guarda quantidades inteiras, de zero em diante.", field="quantity"
        )
    return int(held)
