"""What travels between the tasks of a run. Plain classes: Prefect walks through dataclasses and lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.entities import ConflictPolicy, Entity, Matching
from core.erp import Erp
from core.ports import Change, Counts, Cursor, Issue, Store
from core.reading import Reader
from core.records import Record
from core.sides import Noted
from core.spec import Provider, Raw, Resource, Source, Writing


@dataclass(frozen=True, slots=True)
class Mapped:
    """A raw record and what it was mapped to, with its canonical bytes and their hash."""

    raw: Raw
    record: Record
    canonical: bytes
    hash: bytes


class Batch:
    """Up to about a thousand records on their way; each task fills its part and drops what it used.

    `cursor` is the pair's cursor once this batch is committed; `last` ends the run. `noted` is what a two-way
    pair notes besides the changes, `seen` the external ids of a complete scan, `returned` the mappings of
    records that were missed before.
    """

    __slots__ = (
        *("changes", "cursor", "issues", "last", "mapped", "noted", "raw", "returned", "seen", "skipped"),
        "total",
    )

    def __init__(self, raw: Sequence[Raw], cursor: Cursor, total: int | None, *, last: bool) -> None:
        self.raw = raw
        self.cursor = cursor
        self.total = total
        self.last = last
        self.mapped: list[Mapped] = []
        self.changes: list[Change] = []
        self.issues: list[Issue] = []
        self.noted = Noted()
        self.seen: list[str] = []
        self.returned: list[UUID] = []
        self.skipped = 0


class Job:
    """One run of one pair in one direction: everything the four steps need.

    `two_way` pairs compare both sides by `policy`. For exports: `due` are records to write besides what
    changed (`selective`: instead of it), `doubtful` those whose create has an unknown outcome, and
    `look_again` the seconds after which a lost create is looked for, time after time; `intents` are creates
    to be sent again under their old key.
    """

    __slots__ = (
        "batch_size",
        "concurrency",
        "counts",
        "cursor",
        "doubtful",
        "due",
        "entity",
        "erp",
        "full",
        "intents",
        "isolating",
        "look_again",
        "matching",
        "orphaned",
        "poisoned",
        "policy",
        "provider",
        "reader",
        "resource",
        "selective",
        "source",
        "store",
        "suspect",
        "total",
        "two_way",
    )

    def __init__(
        self,
        *,
        provider: Provider,
        entity: Entity,
        source: Source,
        store: Store,
        cursor: Cursor,
        matching: Matching = Matching.SKU,
        full: bool = False,
        concurrency: int = 1,
        batch_size: int = 1000,
        erp: Erp | None = None,
        two_way: bool = False,
        policy: ConflictPolicy = ConflictPolicy.ASK,
        look_again: Sequence[float] = (15.0, 45.0),
    ) -> None:
        self.provider = provider
        self.entity = entity
        self.resource: Resource = provider.resources[entity]
        self.source = source
        self.store = store
        self.cursor = cursor
        self.matching = matching
        self.full = full
        self.concurrency = concurrency
        self.batch_size = batch_size
        self.counts = Counts()
        self.total: int | None = None
        self.orphaned = 0
        self.isolating = False
        self.suspect: str | None = None
        self.poisoned: frozenset[str] = frozenset()
        self.reader: Reader | None = None
        self.erp = erp
        self.two_way = two_way
        self.policy = policy
        self.look_again = look_again
        self.due: Sequence[UUID] = ()
        self.selective = False
        self.doubtful: set[UUID] = set()
        self.intents: Mapping[UUID, UUID] = {}

    @property
    def erp_side(self) -> Erp:
        """The ERP's side of an export or a two-way pair."""
        assert self.erp is not None  # noqa: S101 - given where the direction asks for it
        return self.erp

    @property
    def writing(self) -> Writing:
        """How records are written outside."""
        assert self.resource.writing is not None  # noqa: S101 - checked when the run was opened
        return self.resource.writing
