"""How an imported record without mapping finds its counterpart in the ERP (the manual's 4.3).

By its natural key; by the ERP's id, where the external system keeps it in a field of its own; or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.batch import Job
from core.entities import Entity, Matching
from core.ports import VARIANTS, Key, Match
from core.records import Product, Record, StockLevel
from core.references import NATURAL_KEYS, natural_key, references, sellable


@dataclass(frozen=True, slots=True)
class Sought:
    """What a record is looked for by, and the ERP records that answer to it. `matching` says whether the
    only one may be linked, `label` is what an admin calls the value."""

    value: str
    label: str
    matching: Matching
    matches: Sequence[Match]


NOTHING = Sought("", "", Matching.ID, ())


async def resolve(job: Job, records: Sequence[Record]) -> dict[Key, UUID]:
    """Internal ids of what the records refer to, their own variants among them."""
    keys = list(dict.fromkeys(key for record in records for key in references(record)))
    refs = await job.store.resolve(keys) if keys else {}
    return refs | await _by_value(job, records, refs)


async def seek(job: Job, records: Sequence[Record], refs: Mapping[Key, UUID]) -> dict[str, Sought]:
    """By external id; records that have nothing to be looked for by are left out."""
    found = await _by_reference(job, records)
    natural = {
        record.external_id: value
        for record in records
        if record.external_id not in found and (value := _natural(record, refs)) is not None
    }
    matches = await job.store.match(job.entity.value, list(natural.values())) if natural else {}
    label = NATURAL_KEYS[job.entity]
    matching = Matching.SKU if job.entity is Entity.STOCK else job.matching
    for external_id, value in natural.items():
        found[external_id] = Sought(value, label, matching, matches.get(value, ()))
    return found


def is_placed(record: StockLevel, refs: Mapping[Key, UUID]) -> bool:
    """Whether the ERP knows what this stock counts."""
    return all(key in refs for key in references(record))


async def _by_reference(job: Job, records: Sequence[Record]) -> dict[str, Sought]:
    """Records that carry the id of a living ERP record. A two-way pair writes that id itself, so there it
    counts however records are matched, but for copies: a record of the ERP that is linked is left alone."""
    custom = job.matching is Matching.CUSTOM_FIELD
    if not custom and not job.two_way:
        return {}
    asked = {record.external_id: id_ for record in records if (id_ := _uuid(record.reference))}
    matches = await job.store.identify(job.entity.value, list(asked.values())) if asked else {}
    return {
        external_id: Sought(str(id_), "ID de referência", Matching.SKU, [match])
        for external_id, id_ in asked.items()
        if (match := matches.get(id_)) is not None and (custom or match.external_id is None)
    }


async def _by_value(job: Job, records: Sequence[Record], refs: Mapping[Key, UUID]) -> dict[Key, UUID]:
    """Variants and stock items without mapping, found as their pair is matched."""
    if job.matching is Matching.CUSTOM_FIELD:
        return await _variants_by_reference(job, records, refs)
    wanted: dict[Key, str] = {}
    for record in records:
        if isinstance(record, Product):
            wanted |= {(VARIANTS, v.external_id): v.sku for v in record.variants if v.sku}
        elif isinstance(record, StockLevel) and record.sku:
            wanted[sellable(record)] = record.sku
    wanted = {key: sku for key, sku in wanted.items() if key not in refs}
    found: dict[Key, UUID] = {}
    if not wanted or job.matching is not Matching.SKU:
        return found
    for kind in {kind for kind, _ in wanted}:
        matches = await job.store.match(kind, [sku for key, sku in wanted.items() if key[0] == kind])
        for key, sku in wanted.items():
            candidates = matches.get(sku, []) if key[0] == kind else []
            if len(candidates) == 1:
                found[key] = candidates[0].internal_id
    return found


async def _variants_by_reference(
    job: Job, records: Sequence[Record], refs: Mapping[Key, UUID]
) -> dict[Key, UUID]:
    variants = [variant for record in records if isinstance(record, Product) for variant in record.variants]
    asked = {
        (VARIANTS, variant.external_id): id_
        for variant in variants
        if (VARIANTS, variant.external_id) not in refs and (id_ := _uuid(variant.reference))
    }
    matches = await job.store.identify(VARIANTS, list(asked.values())) if asked else {}
    return {key: id_ for key, id_ in asked.items() if id_ in matches and matches[id_].external_id is None}


def _natural(record: Record, refs: Mapping[Key, UUID]) -> str | None:
    if isinstance(record, StockLevel) and not is_placed(record, refs):
        return None
    return natural_key(record, refs)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
