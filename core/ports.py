"""What the rules ask of the outside: a store for one run, a clock-free rate limiter, an orchestrator.

`db/` implements `Store` and `Limiter`, `deployments/` implements `Orchestrator`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.entities import Trigger
from core.errors import SyncError
from core.records import Record
from core.sides import Noted, Projected
from core.spec import RateLimit

VARIANTS = "variants"
"""Mapping kind of a product's variants, beside the entities themselves."""

Key = tuple[str, str]
"""(mapping kind, external id)."""


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    LINK = "link"  # an ERP record matched by its natural key: write it and create the mapping
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Known:
    """What a mapping says of a record seen before.

    `missed` by a complete scan, or held to be gone outside: to see it again is news. `deleted` in the ERP,
    where it is not made again.
    """

    mapping_id: UUID
    internal_id: UUID
    external_hash: bytes | None
    incomplete: bool = False
    missed: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """An ERP record found by natural key; `external_id` is set where it has a mapping here already."""

    internal_id: UUID
    external_id: str | None = None


@dataclass(slots=True)
class Change:
    """One record to write: decided, its references resolved. `refs` maps keys to internal ids, `payload` is
    what an issue keeps where the database refuses it.

    In a two-way pair `base` is the ERP side's base after the write (tree JSON) and `base_hash` its hash;
    `kept` are variants that only the ERP has, `seen` the ERP's record that the decision was made on.
    """

    action: Action
    record: Record
    canonical: bytes
    hash: bytes
    internal_id: UUID
    mapping_id: UUID
    payload: bytes = b""
    incomplete: bool = False
    refs: Mapping[Key, UUID] = field(default_factory=dict)
    base: bytes | None = None
    base_hash: bytes | None = None
    kept: Sequence[UUID] = ()
    seen: Projected | None = None


@dataclass(slots=True)
class Issue:
    """One record that failed. `payload` is the raw record as JSON, or in an export the canonical one; it is
    stored encrypted."""

    external_id: str
    error: SyncError
    payload: bytes
    internal_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a pair stands: the finished scan's watermark, and the scan under way.

    `since` is the filter of this scan (None reads everything), `place` its next page (None = the first),
    `signpost` the provider's clock at its start, `high` the greatest change time seen in it. `change_seq` and
    `change_id` are the last change of the ERP that was exported. `items` counts the records that the list
    gave; a complete scan has `scan_id` and the database's time of its start.
    """

    watermark: datetime | None = None
    scanning: bool = False
    full: bool = False
    since: datetime | None = None
    place: str | None = None
    signpost: datetime | None = None
    high: datetime | None = None
    change_seq: int = 0
    change_id: UUID | None = None
    items: int = 0
    scan_id: UUID | None = None
    scan_started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What one batch of a complete scan saw, by external id, mapped or not.

    `ended` with this batch, and `whole`: the list gave as many records as it said it has. `empty`: none.
    """

    id: UUID
    started_at: datetime
    seen: Sequence[str]
    ended: bool
    whole: bool
    empty: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of a run; `processed` is by definition success + errors + skipped."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    errors: int = 0

    @property
    def success(self) -> int:
        return self.created + self.updated

    @property
    def processed(self) -> int:
        return self.success + self.skipped + self.errors

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.created + other.created,
            self.updated + other.updated,
            self.skipped + other.skipped,
            self.errors + other.errors,
        )


class Moved(Exception):
    """Another program wrote to the ERP's records after they were compared."""


class Store(Protocol):
    """The database as one run sees it: bound to tenant, pair, sync log and fencing token."""

    async def known(self, kind: str, external_ids: Sequence[str]) -> dict[str, Known]:
        """Mappings of records seen before, by external id."""
        ...

    async def resolve(self, keys: Sequence[Key]) -> dict[Key, UUID]:
        """Internal ids of referenced records; what has no mapping is left out."""
        ...

    async def recorded(self, kind: str, external_ids: Sequence[str]) -> dict[str, bytes]:
        """Those records as they were last written, as canonical JSON."""
        ...

    async def match(self, kind: str, values: Sequence[str]) -> dict[str, list[Match]]:
        """ERP records by natural key (SKU, document, slug, number)."""
        ...

    async def identify(self, kind: str, internal_ids: Sequence[UUID]) -> dict[UUID, Match]:
        """Those ERP records that are alive, by their own id."""
        ...

    async def commit(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        *,
        skipped: int,
        cursor: Cursor,
        total: int | None,
        noted: Noted | None = None,
        scan: Scan | None = None,
        returned: Sequence[UUID] = (),
        unchanged: Sequence[str] = (),
        gone: Sequence[str] = (),
        lapsed: Sequence[UUID] = (),
    ) -> Counts:
        """Rows, mappings, issues, counters and cursor in one transaction, if the lease still holds.

        `returned` are mappings of records that were missed and are seen again. At the end of a whole `scan`
        the mappings it did not see are marked. `unchanged` are external ids found in step, which closes their
        issues; `gone` are linked records that the external system was asked for by id and does not have;
        `lapsed` are corrections whose source changed. Raises `LeaseLost` with nothing written,
        `DatabaseUnavailable` when it can be tried again.
        """
        ...

    async def suspect(self, external_id: str) -> None:
        """Put on record which record is handled now, for the case that it ends the process."""
        ...

    async def missed(self) -> Sequence[str]:
        """External ids that a complete scan did not see and nothing has decided about; none while the
        deletion gate holds them for a person."""
        ...

    async def settle(self, *, gone: Sequence[str], found: Sequence[str]) -> None:
        """Mappings of records that are gone outside become orphans, their ERP records stay; the others go
        on. Raises as `commit` does."""
        ...


class Chosen(Protocol):
    """Records that a run is asked for, by external id (of an export: by internal id), in ascending order."""

    async def following(self, after: str, limit: int) -> Sequence[str]:
        """The next ids after one; fewer than `limit` are the last."""
        ...

    async def payloads(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        """What their issues kept of them, unless a later run has brought the record in step since."""
        ...


class Limiter(Protocol):
    """Calls allowed by the external system, shared by every process that counts against the same key."""

    async def acquire(self) -> Callable[[], None]:
        """Wait for the right to one call; what is given back is called once the call is sent. Raises
        `RateLimited` when the wait would be too long for a run."""
        ...

    async def block(self, until: datetime) -> None:
        """The provider asked for silence until then."""
        ...

    async def reserve(self, name: str, rate: RateLimit) -> None:
        """See `core.spec.Source.reserve`."""
        ...


class Orchestrator(Protocol):
    """Prefect, as the console and the command line see it."""

    async def apply(self, pair_ids: Sequence[UUID] | None = None) -> int:
        """Bring deployments in line with the rows; returns how many were changed."""
        ...

    async def trigger(
        self,
        pair_id: UUID,
        *,
        initiated_by: Trigger,
        full: bool = False,
        request_id: UUID | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Ask for a run of a pair now, or for the run of a request; returns the flow run's id."""
        ...

    async def discover(self, pair_id: UUID, discovery_id: UUID, *, apply: bool = False) -> UUID:
        """Ask for a discovery of a pair's integration × entity; returns the flow run's id."""
        ...

    async def migrate(self, migration_id: UUID, *, apply: bool = False) -> UUID:
        """Ask for a legacy migration, simulated or with `apply` written; returns the flow run's id."""
        ...

    async def cancel(self, flow_run_id: UUID) -> None: ...
