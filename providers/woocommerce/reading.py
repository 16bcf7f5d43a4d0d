"""What WooCommerce's lists leave out (the variations of variable products), and records by their ids."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from core.errors import ContractError, NotFoundError
from core.paging import OffsetById
from core.spec import Raw, Read, Source

PAGES = OffsetById(size=100, total_header="x-wp-total")
BY_ID = {"orderby": "id", "order": "asc"}
STOCK_FIELDS = "id,sku,type,parent_id,manage_stock,stock_quantity,date_modified_gmt"


async def with_variations(source: Source, items: Sequence[Raw], fields: Mapping[str, str]) -> Sequence[Raw]:
    """Variable products carry only the ids of their variations: fetch those, a product at a time."""

    async def fetch(item: Raw) -> None:
        item["_variations"] = await every(source, f"products/{item['id']}/variations", fields)

    await asyncio.gather(*(fetch(item) for item in items if item.get("type") == "variable"))
    return items


async def every(source: Source, path: str, params: Mapping[str, str]) -> list[Raw]:
    """A whole list."""
    found: list[Raw] = []
    place: str | None = None
    while True:
        step = PAGES.step(place, await source.get(path, {**BY_ID, **params, **PAGES.params(place)}))
        found.extend(step.items)
        place = step.next
        if place is None:
            return found


async def expand_products(source: Source, items: Sequence[Raw]) -> Sequence[Raw]:
    return await with_variations(source, items, {})


async def expand_stock(source: Source, items: Sequence[Raw]) -> Sequence[Raw]:
    return await with_variations(source, items, {"_fields": STOCK_FIELDS})


def split_stock(raw: Raw) -> list[Raw]:
    """The records that count stock themselves: the product, or each of its variations."""
    variations = [below(item, raw["id"]) for item in raw.get("_variations", ())]
    return [item for item in (raw, *variations) if item.get("manage_stock") is True]


def below(variation: Raw, product_id: int) -> Raw:
    """A variation as its product's list gives it, with what older shops leave out."""
    return {**variation, "parent_id": product_id, "type": "variation"}


def reader(path: str, params: Mapping[str, str]) -> Read:
    """Records of a list by their ids; lists do not show the trash, and what is there is gone."""

    async def read(source: Source, external_ids: Sequence[str]) -> Mapping[str, Raw]:
        return await by_ids(source, path, external_ids, params)

    return read


async def by_ids(
    source: Source, path: str, external_ids: Iterable[str], params: Mapping[str, str] | None = None
) -> dict[str, Raw]:
    ids = list(dict.fromkeys(id_ for id_ in external_ids if id_.isdecimal()))
    parts = (ids[start : start + 100] for start in range(0, len(ids), 100))
    pages = await asyncio.gather(*(_page(source, path, part, params or {}) for part in parts))
    return {str(raw["id"]): raw for page in pages for raw in page}


async def read_products(source: Source, external_ids: Iterable[str]) -> dict[str, Raw]:
    found = await by_ids(source, "products", external_ids)
    await expand_products(source, list(found.values()))
    return found


async def read_stock(source: Source, external_ids: Sequence[str]) -> Mapping[str, Raw]:
    """What counts no stock any more is gone. An id alone does not tell a product from a variation, and lists
    of products show none of the latter."""
    fields = {"_fields": STOCK_FIELDS}
    found = await by_ids(source, "products", external_ids, fields)
    left = [id_ for id_ in external_ids if id_ not in found]
    try:
        found |= await by_ids(source, "variations", left, fields)
    except NotFoundError:
        # That list came with WooCommerce 10.3.
        singles = await asyncio.gather(*(_single(source, id_) for id_ in left if id_.isdecimal()))
        found |= {str(raw["id"]): raw for raw in singles if raw}
    return {id_: raw for id_, raw in found.items() if raw.get("manage_stock") is True}


async def _single(source: Source, id_: str) -> Raw:
    """A variation, at the route of products; empty where it is gone."""
    try:
        answer = await source.get(f"products/{id_}", {"_fields": f"{STOCK_FIELDS},status"})
    except NotFoundError as error:
        if error.provider_code == "rest_no_route":
            raise
        return {}
    if not isinstance(answer.data, dict):
        raise ContractError("A resposta não é um registro.")
    return {} if answer.data.get("status") == "trash" else answer.data


async def _page(source: Source, path: str, ids: Sequence[str], params: Mapping[str, str]) -> list[Raw]:
    asked = {**params, "include": ",".join(ids), "per_page": str(len(ids))}
    answer = await source.get(path, asked)
    if not isinstance(answer.data, list):
        raise ContractError("A resposta não é uma lista de registros.")
    return answer.data
