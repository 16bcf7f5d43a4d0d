"""What travels between the tasks of a run. Plain classes: Prefect walks through dataclasses and lists."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.entities import ConflictPolicy, Entity, Matching
from core.erp import Doubt, Erp
from core.overriding import Override
from core.ports import Change, Chosen, Counts, Cursor, Issue, Store
from core.reading import Reader
from core.records import Record
from core.sides import Noted
from core.spec import Provider, Raw, Resource, Source, Writing


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a raw record was mapped to, with its canonical bytes and their hash. `payload` is the raw record
    as JSON, a third of what it takes decoded."""

    payload: bytes
    record: Record
    canonical: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """A backfill's range of the external system's time, [since, until)."""

    since: datetime
    until: datetime

    def holds(self, record: Record) -> bool:
        """A record without a time may have changed within the range as well."""
        return record.updated_at is None or self.since <= record.updated_at < self.until


class Batch:
    """Up to about 1,600 records on their way; each task fills its part and drops what it used.

    `cursor` is the run's cursor once this batch is committed; `last` ends the run. `noted` is what a two-way
    pair notes besides the changes, `seen` the external ids of a complete scan; `returned`, `unchanged`,
    `gone` and `lapsed` are what `Store.commit` asks for; `compared` is what the comparison began with,
    `taken` what a queue wants acknowledged, `written` the counts of a batch that is committed.
    """

    __slots__ = (
        *("changes", "compared", "cursor", "gone", "issues", "lapsed", "last", "mapped", "noted", "raw"),
        *("returned", "seen", "taken", "skipped", "total", "unchanged", "written"),
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
        self.unchanged: list[str] = []
        self.gone: list[str] = []
        self.lapsed: list[UUID] = []
        self.taken: Sequence[Raw] = ()
        self.written: Counts | None = None
        self.skipped = 0
        self.compared: tuple[list[Mapped], int, int, int] = ([], 0, 0, 0)

    def remember(self) -> None:
        """Keep what the comparison begins with."""
        self.compared = (self.mapped, len(self.issues), len(self.unchanged), self.skipped)

    def empty(self) -> None:
        """Let go of the records: Prefect may hold a task's parameters until its next one."""
        self.mapped, self.changes, self.issues, self.noted = [], [], [], Noted()
        self.taken, self.compared = (), ([], 0, 0, 0)

    def forget(self) -> None:
        """Undo the comparison: it will be made again."""
        self.mapped, issues, unchanged, self.skipped = self.compared
        self.changes, self.noted = [], Noted()
        self.issues, self.unchanged = self.issues[:issues], self.unchanged[:unchanged]


class Job:
    """One run of one pair in one direction: everything the four steps need.

    `two_way` pairs compare both sides by `policy`. For exports: `due` are records to write besides what
    changed (`selective`: instead of it), `doubtful` those whose create has an unknown outcome, and
    `look_again` the seconds after which a lost create is looked for, time after time; `intents` are creates
    to be sent again as they were, under their old key; `in_hand` the records of the newest batch.

    A `dry_run` counts what it would write, and in `refused` its issues by error class, under "Database" those
    that the database found. `force` writes also
    what has not changed. `overrides` are corrections by the record's id. `done` once the last batch is
    committed.

    For imports: `chosen` are the records of a run that reads no list, `failed` those that a normal run tries
    again at its end; `window` bounds a backfill. `hinted`: a webhook named the chosen ones, and what it named
    may be nothing of ours.
    """

    __slots__ = (
        "batch_size",
        "chosen",
        "concurrency",
        "counts",
        "cursor",
        "done",
        "doubtful",
        "dry_run",
        "due",
        "entity",
        "erp",
        "failed",
        "force",
        "full",
        "hinted",
        "in_hand",
        "intents",
        "isolating",
        "look_again",
        "matching",
        "orphaned",
        "overrides",
        "poisoned",
        "policy",
        "provider",
        "reader",
        "refused",
        "resource",
        "selective",
        "source",
        "store",
        "suspect",
        "total",
        "two_way",
        "window",
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
        batch_size: int = 1600,
        erp: Erp | None = None,
        two_way: bool = False,
        policy: ConflictPolicy = ConflictPolicy.ASK,
        look_again: Sequence[float] = (15.0, 45.0),
        dry_run: bool = False,
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
        self.dry_run = dry_run
        self.refused: Counter[str] = Counter()
        self.due: Sequence[UUID] = ()
        self.selective = False
        self.doubtful: set[UUID] = set()
        self.in_hand: set[UUID] = set()
        self.intents: Mapping[UUID, Doubt] = {}
        self.chosen: Chosen | None = None
        self.failed: Chosen | None = None
        self.window: Window | None = None
        self.overrides: Mapping[str, Override] = {}
        self.force = False
        self.hinted = False
        self.done = False

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
