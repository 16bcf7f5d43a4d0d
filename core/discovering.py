"""Links proposed between records that were never linked: by natural keys, the surest first, never a guess.

A record that is linked already, on either side, is left alone. Nothing is written here or outside: what is
found waits as proposals.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.engine import MALFORMED
from core.entities import Entity
from core.errors import RecordError
from core.reading import Reader
from core.records import Category, Customer, Order, Product, Record
from core.spec import Raw, Resource, Source


class Rule(StrEnum):
    """The field that two records are held to be one by."""

    SKU = "sku"
    GTIN = "gtin"
    DOCUMENT = "document"
    EMAIL = "email"
    NUMBER = "number"
    SLUG = "slug"
    NAME = "name"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Rule.SKU: "SKU",
    Rule.GTIN: "GTIN",
    Rule.DOCUMENT: "CPF/CNPJ",
    Rule.EMAIL: "e-mail",
    Rule.NUMBER: "número",
    Rule.SLUG: "slug",
    Rule.NAME: "nome",
}
STAGES = {"running": "em andamento", "proposed": "proposta", "applied": "aplicada", "failed": "falhou"}
"""States of a discovery, as people read them."""
PROPOSALS = {
    "matched": "par encontrado",
    "ambiguous": "ambígua",
    "unmatched": "sem par",
    "applied": "vinculada",
    "dismissed": "descartada",
}
"""States of a proposal."""
RULES = {
    Entity.PRODUCTS: (Rule.SKU, Rule.GTIN),
    Entity.CUSTOMERS: (Rule.DOCUMENT, Rule.EMAIL),
    Entity.ORDERS: (Rule.NUMBER,),
    Entity.CATEGORIES: (Rule.SLUG, Rule.NAME),
}
"""Stock is linked with its products."""
_ANY_CASE = (Rule.EMAIL, Rule.NAME)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A living ERP record without mapping. `document` is a customer's CPF or CNPJ."""

    internal_id: UUID
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One external record without mapping and the ERP records it may be: one is a match, more are ambiguous.

    `rule` is None where there is none. `variants`: external id → SKU, linked with the product.
    """

    external_id: str
    label: str
    rule: Rule | None = None
    candidates: Sequence[UUID] = ()
    variants: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return ("unmatched", "matched")[len(self.candidates)] if len(self.candidates) < 2 else "ambiguous"


class Finder(Protocol):
    """What a discovery asks the database; bound to one integration × entity. Raises `DatabaseUnavailable`."""

    async def linked(self, external_ids: Sequence[str]) -> set[str]:
        """Those that have a mapping, also where it is an orphan."""
        ...

    async def candidates(self, rule: Rule, values: Sequence[str]) -> Mapping[str, Sequence[Candidate]]: ...


class Search:
    """One discovery under way. A plain class: Prefect walks through dataclasses."""

    __slots__ = ("entity", "finder", "id", "reader", "resource", "source")

    def __init__(
        self,
        id_: UUID,
        entity: Entity,
        resource: Resource,
        source: Source,
        finder: Finder,
        concurrency: int = 1,
    ) -> None:
        self.id = id_
        self.entity = entity
        self.resource = resource
        self.source = source
        self.finder = finder
        self.reader = Reader(source, resource, resource.params, concurrency)


class Portion:
    """A part of the external list; `place` is where the next one begins, None after the last."""

    __slots__ = ("place", "raw")

    def __init__(self, raw: Sequence[Raw], place: str | None) -> None:
        self.raw = raw
        self.place = place


class Findings:
    """What a portion gave. `linked` and `invalid` are counts: linked already, not to be mapped."""

    __slots__ = ("invalid", "linked", "proposals")

    def __init__(self, proposals: Sequence[Proposal], *, linked: int, invalid: int) -> None:
        self.proposals = proposals
        self.linked = linked
        self.invalid = invalid


async def read(search: Search, place: str | None, size: int = 1000) -> Portion:
    """Pages from `place` until there are `size` records or the list ends. Raises what the source raises."""
    raw: list[Raw] = []
    split = search.resource.split
    while True:
        step = await search.reader.step(place)
        for item in step.items:
            raw.extend(split(item) if split else [item])
        place = step.next
        if place is None or len(raw) >= size:
            return Portion(raw, place)


async def propose(search: Search, portion: Portion) -> Findings:
    """The ERP records that the external ones may be."""
    records, invalid = _mapped(search, portion.raw)
    linked = await search.finder.linked(list(records))
    waiting = {id_: record for id_, record in records.items() if id_ not in linked}
    found: dict[str, Proposal] = {}
    for rule in RULES[search.entity]:
        asked = {id_: value for id_, record in waiting.items() if (value := key(record, rule))}
        if not asked:
            continue
        answers = await search.finder.candidates(rule, sorted(set(asked.values())))
        for id_, value in asked.items():
            candidates = [one for one in answers.get(value, ()) if not _contradicts(waiting[id_], one)]
            if candidates:
                found[id_] = _proposal(waiting.pop(id_), rule, candidates)
    unmatched = [_proposal(record, None, ()) for record in waiting.values()]
    return Findings([*found.values(), *unmatched], linked=len(linked), invalid=invalid)


def key(record: Record, rule: Rule) -> str | None:
    """A record's value for a rule of its entity, as the ERP's is compared; None where it has none."""
    value: str | None = getattr(record, rule.value)
    return (value.strip().lower() if rule in _ANY_CASE else value) if value else None


def words(counts: Mapping[str, int]) -> str:
    """ "312 por SKU, 9 ambíguos, 41 sem par": keys are rules, ambiguous, unmatched, linked and invalid."""
    parts = [f"{counts[rule]} por {rule.label}" for rule in Rule if counts.get(rule)]
    parts += [
        _counted(counts.get("ambiguous", 0), "ambíguo", "ambíguos"),
        f"{counts.get('unmatched', 0)} sem par",
    ]
    if linked := counts.get("linked", 0):
        parts.append(_counted(linked, "já vinculado", "já vinculados"))
    if invalid := counts.get("invalid", 0):
        parts.append(_counted(invalid, "inválido", "inválidos"))
    return ", ".join(parts)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _mapped(search: Search, raw: Iterable[Raw]) -> tuple[dict[str, Record], int]:
    records: dict[str, Record] = {}
    invalid, wanted = 0, search.resource.wanted
    for item in raw:
        if wanted is not None and not wanted(item):
            continue
        try:
            record = search.resource.map(item, search.source.settings)
        except (RecordError, *MALFORMED):
            invalid += 1
        else:
            records[record.external_id] = record
    return records, invalid


def _contradicts(record: Record, candidate: Candidate) -> bool:
    """Two people may share an e-mail address; with two documents they are two."""
    if not isinstance(record, Customer) or not record.document or not candidate.document:
        return False
    return record.document != candidate.document


def _proposal(record: Record, rule: Rule | None, candidates: Sequence[Candidate]) -> Proposal:
    ids = [candidate.internal_id for candidate in candidates]
    return Proposal(record.external_id, _label(record), rule, ids, _variants(record))


def _variants(record: Record) -> dict[str, str]:
    """Variants with a SKU that no other variant of the product has."""
    if not isinstance(record, Product):
        return {}
    often = Counter(variant.sku for variant in record.variants)
    return {v.external_id: v.sku for v in record.variants if v.sku and often[v.sku] == 1}


def _label(record: Record) -> str:
    """What a person knows the record by; people's data is shown in part."""
    match record:
        case Product():
            return f"{record.sku} · {record.name}" if record.sku else record.name
        case Category():
            return record.name
        case Order():
            return record.number
        case Customer():
            return masked(record.document) or masked_email(record.email)
        case _:
            return ""


def masked(document: str | None) -> str:
    """The last five characters of a CPF or CNPJ."""
    return f"…{document[-5:]}" if document else ""


def masked_email(email: str | None) -> str:
    """The first letter and the domain."""
    name, _, domain = (email or "").partition("@")
    return f"{name[:1]}…@{domain}" if domain else ""
