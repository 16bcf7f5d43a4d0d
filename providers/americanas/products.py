"""Products, their stock and the categories they go into."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from core.entities import Matching
from core.errors import ContractError, NotFoundError, RecordError
from core.records import Product, StockLevel
from core.spec import Outgoing, Raw, Source, Span, Step, Writing, Written
from providers.americanas.calls import each, found, path
from providers.americanas.mapping import product_from, sku, stock_parts
from providers.americanas.unmapping import PRICES, PRICES_THERE, PRODUCT, Attributes, Shape

PAGE = 100
MOST_IN_PAGES = 10_000
"""Further pages are refused: what lies behind is reached by the cursor alone."""
OMNIK_PAGE = 10
"""https://docs.omnik.io/dominio-para-seller/: ten, no more."""


async def fetch_products(source: Source, _span: Span, place: str | None) -> Step:
    """Places: "next QUERY" of the cursor, where the answer has one, else "page N"."""
    kind, _, rest = (place or "page 1").partition(" ")
    params = dict(parse_qsl(rest)) if kind == "next" else {"per_page": str(PAGE)}
    if kind == "page" and rest != "1":
        params["page"] = rest
    data = (await source.get("products", params)).data
    if not isinstance(data, dict) or not isinstance(data.get("products"), list):
        raise ContractError("A resposta da SkyHub não é uma lista de produtos.")
    items, total = data["products"], data.get("total")
    if following := urlsplit(data.get("next") or "").query:
        return Step(items, f"next {following}", total)
    if kind == "next" or len(items) < PAGE:
        return Step(items, None, total)
    if int(rest) * PAGE >= MOST_IN_PAGES:
        raise ContractError("A lista passa de 10.000 produtos e a SkyHub não deu o cursor para o restante.")
    return Step(items, f"page {int(rest) + 1}", total)


async def read_products(source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
    ids = list(dict.fromkeys(external_ids))
    answers = await asyncio.gather(*[found(source, "products", id_) for id_ in ids])
    return {id_: raw for id_, raw in zip(ids, answers, strict=True) if raw is not None}


async def find_products(
    source: Source, outgoing: Sequence[Outgoing], _matching: Matching
) -> Mapping[str, Sequence[Raw]]:
    """The SKU is the record's only id there, so it decides however records are matched."""
    wanted = {item.reference: item.record.sku for item in outgoing if isinstance(item.record, Product)}
    known = await read_products(source, [sku for sku in wanted.values() if sku])
    return {reference: [known[sku]] for reference, sku in wanted.items() if sku in known}


async def read_stock(source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
    """By SKU; whether it is a variation's the SKU does not tell, and neither does a variation whose it is."""
    products = await read_products(source, external_ids)
    parts = {part["sku"]: part for raw in products.values() for part in stock_parts(raw)}
    wanted = [id_ for id_ in dict.fromkeys(external_ids) if id_ not in parts]
    answers = await asyncio.gather(*[found(source, "variations", id_) for id_ in wanted])
    for id_, raw in zip(wanted, answers, strict=True):
        if raw is not None:
            product = raw.get("product_sku") or raw.get("product_id") or ""
            parts[id_] = {"sku": id_, "product": str(product), "qty": raw.get("qty")}
    return {id_: parts[id_] for id_ in external_ids if id_ in parts}


async def write_stock(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """Absolute amounts, one call each: there is no batch."""

    async def write(item: Outgoing) -> Written:
        record = item.record
        assert isinstance(record, StockLevel)  # noqa: S101
        if record.on_hand != int(record.on_hand):
            raise RecordError("A SkyHub só guarda quantidades inteiras.", field="qty")
        id_, count = record.variant_id or record.product_id, int(record.on_hand)
        kind, name = ("variations", "variation") if record.variant_id else ("products", "product")
        await source.send("PUT", path(kind, id_), {name: {"qty": count}}, repeatable=True)
        return Written({"sku": id_, "product": record.product_id, "qty": count})

    return await each(outgoing, write)


STOCK = Writing(fields=frozenset({"on_hand"}), write=write_stock, repeatable_creates=True)
"""A stock level is part of its product, so there is nothing to double."""


@dataclass(frozen=True, slots=True)
class Products:
    """How products are written: in the form of today's marketplace, or in that of SkyHub's first years."""

    shape: Shape

    @property
    def writing(self) -> Writing:
        return Writing(fields=PRODUCT, write=self.write, find=find_products, size=20)

    async def write(self, source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
        known = await read_products(source, [item.external_id for item in outgoing if item.external_id])
        chosen = {item.reference: _category(item, known) for item in outgoing if self.shape.by_attribute}
        attributes = await _attributes(source, {id_ for id_ in chosen.values() if id_})

        async def write(item: Outgoing) -> Written:
            assert isinstance(item.record, Product)  # noqa: S101
            rows = attributes.get(chosen.get(item.reference) or "", ())
            if item.external_id is None:
                body = self.shape.new_product(item.record, source.settings, rows)
                await source.send("POST", "products", {"product": body})
                return Written(_inheriting(body, item.record))
            if item.external_id not in known:
                raise NotFoundError("O produto não existe mais na SkyHub.", status=404)
            await self._update(source, item.record, item.fields, known[item.external_id], rows)
            return Written()

        return await each(outgoing, write)

    async def _update(
        self, source: Source, record: Product, fields: frozenset[str], before: Raw, attributes: Attributes
    ) -> None:
        """What changes of a product does not reach its variations: each is written by itself."""
        id_, shape = sku(before), self.shape
        if body := shape.product_body(record, fields):
            await source.send("PUT", path("products", id_), {"product": body}, repeatable=True)
        if not fields & (PRICES | {"variants"}):
            return
        there = {one.sku: one for one in product_from(before, source.settings).variants}
        for variant in record.variants:
            known = there.get(variant.external_id or variant.sku)
            if known is None:
                part = shape.new_variation(variant, record, attributes)
                await source.send("POST", path("products", id_, "variations"), {"variation": part})
            elif changed := shape.changed(variant, record, known):
                where = path("variations", known.external_id)
                await source.send("PUT", where, {"variation": changed}, repeatable=True)


def _inheriting(body: Raw, record: Product) -> Raw:
    """What was made, its variations without the prices that they have of the product: those follow it."""
    parts = zip(body["variations"], record.variants, strict=True)
    own = [part if one.price is not None else _without(part, PRICES_THERE) for part, one in parts]
    return {**body, "variations": own}


def _without(raw: Raw, names: Sequence[str]) -> Raw:
    return {name: value for name, value in raw.items() if name not in names}


def _category(item: Outgoing, known: Mapping[str, Raw]) -> str | None:
    """The one whose attributes are needed: that of new variations."""
    record: Any = item.record
    if item.external_id is None:
        return next(iter(record.category_ids), None) if record.variants else None
    before = known.get(item.external_id) or {}
    there = {sku(one) for one in before.get("variations") or ()}
    if "variants" not in item.fields or there >= {one.sku for one in record.variants}:
        return None
    chosen: Raw = next(iter(before.get("categories") or ()), {})
    return str(chosen.get("id") or chosen.get("code") or "") or None


async def fetch_categories(source: Source, _span: Span, place: str | None) -> Step:
    offset = int(place or 0)
    params = {"limit": str(OMNIK_PAGE), "offset": str(offset)}
    data = (await source.get(f"{_omnik(source)}/categories", params)).data
    if not isinstance(data, dict) or not isinstance(data.get("values"), list):
        raise ContractError("A resposta da OMNIK não é uma lista de categorias.")
    items, total = data["values"], data.get("total")
    after = offset + len(items)
    more = bool(items) and (after < total if isinstance(total, int) else len(items) == OMNIK_PAGE)
    return Step(items, str(after) if more else None, total)


def _omnik(source: Source) -> str:
    return (source.settings.get("omnik_url") or "https://omnik.skyhub.com.br").rstrip("/")


async def _attributes(source: Source, wanted: set[str]) -> dict[str, Attributes]:
    """A category cannot be asked for by its id: the list is read until all of them are found."""
    known: dict[str, Attributes] = {}
    place: str | None = "0"
    while wanted - known.keys() and place is not None:
        step = await fetch_categories(source, Span(), place)
        known |= {str(raw["id"]): raw.get("attributes") or () for raw in step.items if raw["id"] in wanted}
        place = step.next
    return known
