"""The ERP's side of a pair, as exports and two-way imports see it; `db/` implements `Erp`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

from core.ports import Counts, Cursor, Issue
from core.records import Record

Lost = Literal["erp", "external"]
"""Which side does not have the record any more."""


@dataclass(frozen=True, slots=True)
class Projected:
    """An ERP record as the external system would see it: references as external ids.

    `missing`: a reference has no mapping yet. `placed`: the external system has what the record belongs to
    (the product of a stock level). `variants` are internal ids by part key. `held` is stock that is on hand
    and not for sale.
    """

    internal_id: UUID
    updated_at: datetime
    deleted: bool
    record: Record
    missing: bool = False
    placed: bool = True
    variants: Mapping[str, UUID] = field(default_factory=dict)
    held: Decimal | None = None


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
    it again. `variants`: (external id, internal id). `counted`: as what it counts.
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
    counted: Literal["created", "updated", "skipped"] = "updated"


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


@dataclass(frozen=True, slots=True)
class Intent:
    """A create that is about to be sent."""

    id: UUID
    internal_id: UUID


@dataclass(frozen=True, slots=True)
class Doubt:
    """A create whose outcome is not known: sent by a run that ended, or whose answer was lost."""

    id: UUID
    internal_id: UUID
    looks: int
    due: bool


@dataclass(slots=True)
class Done:
    """What one transaction of an export writes."""

    synced: Sequence[Synced] = ()
    clashes: Sequence[Clash] = ()
    orphans: Sequence[tuple[UUID, Lost]] = ()
    issues: Sequence[Issue] = ()
    skipped: int = 0
    cursor: Cursor | None = None


class Erp(Protocol):
    """Bound to tenant, pair, sync log and fencing token; every write raises `LeaseLost` and
    `DatabaseUnavailable` as `core.ports.Store.commit` does."""

    async def changed(self, cursor: Cursor, limit: int) -> tuple[list[Projected], Cursor]:
        """Records changed after the cursor, oldest first, and the cursor behind them. Changes of
        transactions that may still commit are left for later."""
        ...

    async def select(self, internal_ids: Sequence[UUID]) -> list[Projected]: ...

    async def due(self) -> list[UUID]:
        """Records whose next attempt is due, and those that waited for a reference."""
        ...

    async def linked(self, hashes: Mapping[UUID, bytes]) -> dict[UUID, Linked]:
        """Mappings of records, by internal id; without snapshots where the ERP side's hash is the given."""
        ...

    async def taken(self, external_ids: Sequence[str]) -> set[str]:
        """Those that have a mapping already."""
        ...

    async def intend(self, intents: Sequence[Intent]) -> None:
        """Put on record, before it is sent, that these will be created."""
        ...

    async def withdraw(self, ids: Sequence[UUID]) -> None:
        """They were not created, for certain."""
        ...

    async def doubt(self, ids: Sequence[UUID], wait: float) -> None:
        """Nobody knows whether they were created; look `wait` seconds from now."""
        ...

    async def doubts(self) -> list[Doubt]:
        """Creates of this pair whose outcome is not known."""
        ...

    async def commit(self, done: Done) -> Counts: ...
