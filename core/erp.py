"""The ERP's side of a pair, as exports and two-way imports see it; `db/` implements `Erp`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from core.ports import Counts, Cursor, Issue
from core.sides import Linked, Noted, Projected


@dataclass(frozen=True, slots=True)
class Intent:
    """A create that is about to be sent: `sent` is the record's tree as JSON."""

    id: UUID
    internal_id: UUID
    sent: bytes


@dataclass(frozen=True, slots=True)
class Doubt:
    """A create whose outcome is not known: sent by a run that ended, or whose answer was lost."""

    id: UUID
    internal_id: UUID
    looks: int
    due: bool
    sent: bytes | None = None


@dataclass(slots=True)
class Done(Noted):
    """What one transaction of an export writes. `unsent` counts what a simulation would have written outside;
    `unchanged` are internal ids with nothing to write, which closes their issues; `lapsed` are corrections
    whose record changed."""

    issues: Sequence[Issue] = ()
    skipped: int = 0
    cursor: Cursor | None = None
    unsent: Counts = field(default_factory=Counts)
    unchanged: Sequence[UUID] = ()
    lapsed: Sequence[UUID] = ()


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
