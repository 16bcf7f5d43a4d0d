"""Records that a create would double: by our id, which they keep in a free field, and by natural key.

No list can be asked by free field, so candidates are found by what is unique among their own fields.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from core.entities import Matching
from core.errors import RecordError
from core.records import Customer
from core.spec import Outgoing, Raw, Source
from providers.woocommerce.mapping import category_from, customer_from, reference_of
from providers.woocommerce.reading import every, read_products

Found = Mapping[str, Sequence[Raw]]
Keys = Callable[[Any], Iterable[str]]
SKUS = 50
"""Asked for in one call: an address must not grow too long."""
WORDS = 6
"""Of a name; the shop takes ten and more as one phrase."""
_WORD = re.compile(r"\w{2,}")


async def find_products(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """Candidates have the product's SKU, or that of a variant where it has none of its own. Where those do
    not tell, they are looked for by the words of the name."""
    skus = {sku for item in outgoing for sku in _skus(item.record)}
    found = await read_products(source, await _with_sku(source, skus))
    kept = {reference_of(raw) for raw in found.values()}
    unkeyed = [item for item in outgoing if not _own_sku(item.record) and item.reference not in kept]
    named = await asyncio.gather(*(_kept_under_name(source, item) for item in unkeyed))
    found |= await read_products(source, {id_ for ids in named for id_ in ids})
    natural = (_product_keys, _raw_product_keys) if matching is Matching.SKU else None
    return _answer(outgoing, found.values(), natural)


async def find_customers(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """By e-mail, which is unique. One with the e-mail and another CPF or CNPJ is somebody else."""
    emails = {item.record.email for item in outgoing if isinstance(item.record, Customer)} - {None, ""}
    lists = await asyncio.gather(
        *(
            source.get("customers", {"role": "all", "email": email or ""})
            for email in sorted(map(str, emails))
        )
    )
    candidates = [raw for answer in lists for raw in answer.data]

    def keys(raw: Raw) -> Iterator[str]:
        try:
            known = customer_from(raw, source.settings)
        except RecordError:
            return
        yield from (_email(known), f"{_email(known)} {known.document or ''}")

    return _answer(outgoing, candidates, (_customer_keys, keys) if matching is Matching.SKU else None)


async def find_categories(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """Categories have no free fields. The shop takes a name but once below the same parent, so that tells
    them apart; by slug they are only paired where records are paired by natural key."""
    by_slug = matching is Matching.SKU

    def keys(record: Any) -> Iterator[str]:
        yield f"{record.parent_id or ''} {record.name.casefold()}"
        if by_slug and record.slug:
            yield f"slug {record.slug}"

    candidates = await every(source, "products/categories", {})
    return _answer(outgoing, candidates, (keys, lambda raw: keys(category_from(raw, source.settings))))


def _answer(
    outgoing: Sequence[Outgoing], candidates: Collection[Raw], natural: tuple[Keys, Keys] | None
) -> Found:
    """By our id; where nothing keeps it, by the natural keys of a record and of a raw record."""
    kept: dict[str | None, list[Raw]] = defaultdict(list)
    index: dict[str, dict[str, Raw]] = defaultdict(dict)
    for raw in candidates:
        kept[reference_of(raw)].append(raw)
        for key in natural[1](raw) if natural else ():
            index[key][str(raw["id"])] = raw
    answer: dict[str, Sequence[Raw]] = {}
    for item in outgoing:
        alike = {
            id_: raw for key in (natural[0](item.record) if natural else ()) for id_, raw in _at(index, key)
        }
        raws = kept.get(item.reference) or list(alike.values())
        if raws:
            answer[item.reference] = raws
    return answer


def _at(index: Mapping[str, dict[str, Raw]], key: str) -> Iterable[tuple[str, Raw]]:
    return index.get(key, {}).items()


async def _with_sku(source: Source, skus: Collection[str]) -> set[str]:
    """Ids of the products that have one of these SKUs, themselves or in a variation."""
    # A comma separates; a SKU that has one cannot be asked for.
    asked = sorted(sku for sku in skus if "," not in sku)
    parts = (asked[start : start + SKUS] for start in range(0, len(asked), SKUS))
    pages = await asyncio.gather(
        *(source.get("products", {"sku": ",".join(part), "per_page": "100"}) for part in parts)
    )
    rows = [raw for answer in pages for raw in answer.data]
    return {str(raw["parent_id"] if raw.get("type") == "variation" else raw["id"]) for raw in rows}


async def _kept_under_name(source: Source, item: Outgoing) -> list[str]:
    """Ids of the products of that name, newest first, that keep our id."""
    words = _WORD.findall(getattr(item.record, "name", ""))[:WORDS]
    params = {"search": " ".join(words), "per_page": "100", "_fields": "id,meta_data"}
    rows = (await source.get("products", params)).data if words else []
    return [str(raw["id"]) for raw in rows if reference_of(raw) == item.reference]


def _own_sku(record: Any) -> str | None:
    sku: str | None = record.sku
    return sku if sku and "," not in sku else None


def _skus(record: Any) -> Iterator[str]:
    if record.sku:
        yield record.sku
    else:
        yield from (variant.sku for variant in record.variants if variant.sku)


def _product_keys(record: Any) -> Iterator[str]:
    kind = "own" if record.sku else "variant"
    yield from (f"{kind} {sku.casefold()}" for sku in _skus(record))


def _raw_product_keys(raw: Raw) -> Iterator[str]:
    if raw.get("sku"):
        yield f"own {raw['sku'].casefold()}"
    yield from (f"variant {part['sku'].casefold()}" for part in raw.get("_variations", ()) if part.get("sku"))


def _email(record: Any) -> str:
    return (record.email or "").casefold()


def _customer_keys(record: Any) -> Iterator[str]:
    if record.email and record.document:
        yield from (f"{_email(record)} {record.document}", f"{_email(record)} ")
    elif record.email:
        yield _email(record)
