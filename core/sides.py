"""Both sides of a record: the ERP's, the external system's, and what is put on record about the two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from core.records import Record

Lost = Literal["erp", "external"]
"""Which side does not have the record any more."""


@dataclass(frozen=True, slots=True)
class Projected:
    """An ERP record as the external system would see it: references as external ids.

    `missing`: a reference has no mapping yet. `placed`: the external system has what the record belongs to
    (the product of a stock level). `variants` are internal ids by part key, `unlinked` categories that have
    no mapping. `held` is stock that is on hand and not for sale.
    """

    internal_id: UUID
    updated_at: datetime
    deleted: bool
    record: Record
    missing: bool = False
    placed: bool = True
    variants: Mapping[str, UUID] = field(default_factory=dict)
    held: Decimal | None = None
    unlinked: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """A mapping with both sides as they were last in step: `external` is a canonical record, `erp` a tree,
    both JSON; `erp` is None where the pair never wrote outside."""

    mapping_id: UUID
    internal_id: UUID
    external_id: str
    state: str
    orphaned_by: Lost | None
    external_hash: bytes | None
    internal_hash: bytes | None
    version: str | None
    external: bytes | None
    erp: bytes | None
    incomplete: bool = False

    @classmethod
    def new(cls, mapping_id: UUID, internal_id: UUID, external_id: str) -> "Linked":
        """A link about to be made."""
        return cls(mapping_id, internal_id, external_id, "new", None, None, None, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """One record that both sides agree on now, or that was written outside.

    `external` is what the external side's snapshot becomes; without `external_hash` the next import compares
    it again. `variants`: (external id, internal id). `counted`: as what it counts; `failed` ones
    are counted by their issue.
    """

    mapping_id: UUID
    internal_id: UUID
    external_id: str
    external: bytes
    external_hash: bytes | None
    erp: bytes
    internal_hash: bytes
    version: str | None = None
    updated_at: datetime | None = None
    incomplete: bool = False
    variants: Sequence[tuple[str, UUID]] = ()
    counted: Literal["created", "updated", "skipped", "failed"] = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Both sides changed and nobody may decide but a person. `paths` are the fields that differ."""

    mapping_id: UUID
    internal_id: UUID
    external_id: str
    base_erp: bytes | None
    base_external: bytes | None
    erp: bytes
    external: bytes
    paths: tuple[str, ...]
    new: bool = False


@dataclass(slots=True)
class Noted:
    """What is put on record besides written rows; an orphan is (mapping id, the side that lost it)."""

    synced: list[Synced] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    orphans: list[tuple[UUID, Lost]] = field(default_factory=list)
