"""What travels between the tasks of a run. Plain classes: Prefect walks through dataclasses and lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.entities import Entity, Matching
from core.ports import Change, Counts, Cursor, Issue, Store
from core.reading import Reader
from core.records import Record
from core.spec import Provider, Raw, Resource, Source


@dataclass(frozen=True, slots=True)
class Mapped:
    """A raw record and what it was mapped to, with its canonical bytes and their hash."""

    raw: Raw
    record: Record
    canonical: bytes
    hash: bytes


class Batch:
    """Up to about a thousand records on their way; each task fills its part and drops what it used.

    `cursor` is the pair's cursor once this batch is committed; `last` ends the run.
    """

    __slots__ = ("changes", "cursor", "issues", "last", "mapped", "raw", "skipped", "total")

    def __init__(self, raw: Sequence[Raw], cursor: Cursor, total: int | None, *, last: bool) -> None:
        self.raw = raw
        self.cursor = cursor
        self.total = total
        self.last = last
        self.mapped: list[Mapped] = []
        self.changes: list[Change] = []
        self.issues: list[Issue] = []
        self.skipped = 0


class Job:
    """One run of one import pair: everything the four steps need."""

    __slots__ = (
        "batch_size",
        "concurrency",
        "counts",
        "cursor",
        "entity",
        "full",
        "matching",
        "provider",
        "reader",
        "resource",
        "source",
        "store",
        "total",
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
        self.reader: Reader | None = None
