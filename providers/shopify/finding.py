"""Records that a create would double: by our id, and by natural key. Searches are tokenised and lag, so
every hit is looked at again."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from core.entities import Matching
from core.errors import RecordError
from core.records import Category, Customer, Product
from core.spec import Outgoing, Raw, Source
from providers.shopify import operations
from providers.shopify.answers import ask, tail
from providers.shopify.mapping import category_from, customer_from, product_from
from providers.shopify.reading import COLLECTIONS, CUSTOMERS, PRODUCTS, Listed

Found = Mapping[str, Sequence[Raw]]
Keys = Callable[[Any], Iterable[str]]
TERMS = 20
"""Asked for in one query."""


async def find_products(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """By SKU alone: a create under our id finds its product by itself."""
    if matching is not Matching.SKU:
        return {}
    wanted = sorted({sku for item in outgoing for sku in _skus(item.record)})
    ids: dict[str, None] = {}
    for part in _parts(wanted):
        query = " OR ".join(f"sku:{json.dumps(sku)}" for sku in part)
        data = await ask(source, operations.VARIANTS_BY_SKU, query=query)
        hits = data["productVariants"]["nodes"]
        ids |= {tail(one["product"]["id"]): None for one in hits if one["sku"] in part}
    candidates = (await PRODUCTS.read(source, list(ids))).values()
    return _answer(outgoing, candidates, lambda raw: _skus(product_from(raw, source.settings)), _skus)


async def find_categories(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    terms = {
        f"title:{json.dumps(item.record.name)}" for item in outgoing if isinstance(item.record, Category)
    }
    terms |= {f"handle:{json.dumps(slug)}" for item in outgoing for slug in _slugs(item.record)}
    candidates = await _search(source, COLLECTIONS, terms)
    keys = _slugs if matching is Matching.SKU else _none
    return _answer(outgoing, candidates, lambda raw: _slugs(category_from(raw, source.settings)), keys)


async def find_customers(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """By e-mail, which is unique. One with the e-mail and another CPF or CNPJ is somebody else."""
    terms = {f"email:{json.dumps(email)}" for item in outgoing for email in _emails(item.record)}
    candidates = await _search(source, CUSTOMERS, terms)

    def keys(raw: Raw) -> Iterator[str]:
        try:
            known = customer_from(raw, source.settings)
        except RecordError:
            return
        yield from (f"{email} {known.document or ''}" for email in _emails(known))
        yield from () if known.document else _emails(known)

    def wanted(record: Any) -> Iterator[str]:
        for email in _emails(record):
            yield from (email, f"{email} {record.document or ''}")

    return _answer(outgoing, candidates, keys, wanted if matching is Matching.SKU else _none)


async def _search(source: Source, listed: Listed, terms: Iterable[str]) -> list[Raw]:
    found: dict[str, Raw] = {}
    for part in _parts(sorted(terms)):
        query = " OR ".join(part)
        data = await ask(source, operations.LISTS[listed.name], first=listed.size, after=None, query=query)
        found |= {raw["id"]: raw for raw in data[listed.name]["nodes"]}
    return list(found.values())


def _answer(outgoing: Sequence[Outgoing], candidates: Iterable[Raw], known: Keys, wanted: Keys) -> Found:
    """Our id decides; where no record has it, the natural key may."""
    kept, keyed = dict[str, list[Raw]](), dict[str, list[Raw]]()
    for raw in candidates:
        reference = (raw.get("reference") or {}).get("value")
        kept.setdefault(str(reference), []).append(raw)
        for key in set(known(raw)):
            keyed.setdefault(key, []).append(raw)
    found: dict[str, Sequence[Raw]] = {}
    for item in outgoing:
        hits = kept.get(item.reference) or [raw for key in wanted(item.record) for raw in keyed.get(key, ())]
        if hits:
            found[item.reference] = list({raw["id"]: raw for raw in hits}.values())
    return found


def _skus(record: Any) -> list[str]:
    if not isinstance(record, Product):
        return []
    return [sku for sku in (record.sku, *(one.sku for one in record.variants)) if sku]


def _slugs(record: Any) -> list[str]:
    return [record.slug] if isinstance(record, Category) and record.slug else []


def _emails(record: Any) -> list[str]:
    return [record.email.casefold()] if isinstance(record, Customer) and record.email else []


def _none(_record: Any) -> list[str]:
    return []


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), TERMS):
        yield values[start : start + TERMS]
