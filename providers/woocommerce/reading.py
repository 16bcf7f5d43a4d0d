"""What WooCommerce's lists leave out: the variations of variable products."""

import asyncio
from collections.abc import Mapping, Sequence

from core.paging import OffsetById
from core.spec import Raw, Source

PAGES = OffsetById(size=100, total_header="x-wp-total")
BY_ID = {"orderby": "id", "order": "asc"}
STOCK_FIELDS = "id,sku,type,parent_id,manage_stock,stock_quantity,date_modified_gmt"


async def with_variations(source: Source, items: Sequence[Raw], fields: Mapping[str, str]) -> Sequence[Raw]:
    """Variable products carry only the ids of their variations: fetch those, a product at a time."""

    async def fetch(item: Raw) -> None:
        item["_variations"] = await _variations(source, item["id"], fields)

    await asyncio.gather(*(fetch(item) for item in items if item.get("type") == "variable"))
    return items


async def _variations(source: Source, product_id: int, fields: Mapping[str, str]) -> list[Raw]:
    found: list[Raw] = []
    place: str | None = None
    while True:
        params = {**BY_ID, **fields, **PAGES.params(place)}
        step = PAGES.step(place, await source.get(f"products/{product_id}/variations", params))
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
    variations = [{**item, "parent_id": raw["id"]} for item in raw.get("_variations", ())]
    return [item for item in (raw, *variations) if item.get("manage_stock") is True]
