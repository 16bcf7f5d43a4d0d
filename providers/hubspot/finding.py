"""Records that a create would double: by our id and by e-mail straight from the database, by anything else
through the search."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from core.entities import Matching
from core.errors import RecordError
from core.records import Customer, Order, Product
from core.spec import Outgoing, Raw, Source
from providers.hubspot.calls import REFERENCE
from providers.hubspot.kinds import document_property, sale, sku_property
from providers.hubspot.mapping import customer_from, value
from providers.hubspot.reading import CATALOGUE, CUSTOMERS, SALES, Listed
from providers.hubspot.schema import writable

Found = Mapping[str, Sequence[Raw]]
Keys = Callable[[Any], Iterable[str]]
TERMS = 20
"""Values in one search, whose body may have 3,000 characters."""


async def find_customers(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    """By CPF or CNPJ, or by e-mail, which is unique. One with the e-mail and another document is somebody
    else."""
    found, rest = await _by_reference(source, CUSTOMERS, outgoing)
    records = [item.record for item in rest if isinstance(item.record, Customer)]
    if matching is not Matching.SKU or not records:
        return found
    emails = {record.email.lower() for record in records if record.email}
    candidates = await CUSTOMERS.by(source, sorted(emails), "email") if emails else {}
    name = document_property(source.settings)
    documents = {record.document for record in records if record.document}
    candidates |= {str(raw["id"]): raw for raw in await _search(source, CUSTOMERS, name, documents)}
    for item in rest:
        hits = [raw for raw in candidates.values() if _is_same(raw, item.record, source)]
        if hits:
            found[item.reference] = hits
    return found


async def find_products(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    def skus(record: Any) -> list[str]:
        return [record.sku] if isinstance(record, Product) and record.sku else []

    return await _find(source, CATALOGUE, outgoing, matching, sku_property(source.settings), skus)


async def find_orders(source: Source, outgoing: Sequence[Outgoing], matching: Matching) -> Found:
    def numbers(record: Any) -> list[str]:
        return [record.number] if isinstance(record, Order) and record.number else []

    return await _find(source, SALES, outgoing, matching, sale(source.settings).number, numbers)


async def _find(
    source: Source, listed: Listed, outgoing: Sequence[Outgoing], matching: Matching, name: str, keys: Keys
) -> Found:
    found, rest = await _by_reference(source, listed, outgoing)
    wanted = {key for item in rest for key in keys(item.record)}
    if matching is not Matching.SKU or not wanted:
        return found
    hits = await _search(source, listed, name, wanted)
    for item in rest:
        same = [raw for raw in hits if value(raw, name) in keys(item.record)]
        if same:
            found[item.reference] = same
    return found


async def _by_reference(
    source: Source, listed: Listed, outgoing: Sequence[Outgoing]
) -> tuple[dict[str, Sequence[Raw]], list[Outgoing]]:
    """Those that carry our id, and the records that none of them is. Makes the property where there is none:
    without it a read by it is refused."""
    await writable(source, listed.kind(source.settings))
    hits = await listed.by(source, [item.reference for item in outgoing], REFERENCE)
    found: dict[str, Sequence[Raw]] = {value(raw, REFERENCE): [raw] for raw in hits.values()}
    return found, [item for item in outgoing if item.reference not in found]


async def _search(source: Source, listed: Listed, name: str, wanted: Iterable[str]) -> list[Raw]:
    found: dict[str, Raw] = {}
    values = sorted(wanted)
    for start in range(0, len(values), TERMS):
        for raw in await listed.search(source, name, values[start : start + TERMS]):
            found[str(raw["id"])] = raw
    return list(found.values())


def _is_same(raw: Raw, record: Any, source: Source) -> bool:
    try:
        known = customer_from(raw, source.settings)
    except RecordError:
        return False
    if known.document and record.document:
        return bool(known.document == record.document)
    return bool(known.email and record.email and known.email.lower() == record.email.lower())
