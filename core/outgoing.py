"""ERP records on their way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from core.errors import RecordError, SyncError
from core.ports import Cursor, Issue
from core.records import Record
from core.sides import Clash, Linked, Lost, Projected, Synced
from core.spec import Outgoing
from core.trees import Tree


@dataclass(slots=True)
class Item:
    """An ERP record on its way out. `target` is what the external system should hold, `fields` what is
    written of it; `seen` is the external side the decision was made on, `source` the ERP's own record where
    a person corrected it."""

    row: Projected
    tree: Tree
    hash: bytes
    link: Linked | None = None
    external_id: str | None = None
    seen: Record | None = None
    revision: str | None = None
    source: Record | None = None
    target: Record | None = None
    fields: frozenset[str] = frozenset()
    intent: UUID | None = None


class Outbatch:
    """Changed ERP records on their way out; plain, as `core.batch.Batch` is."""

    __slots__ = (
        *("clashes", "cursor", "issues", "items", "lapsed", "last", "orphans", "rows", "skipped"),
        *("synced", "unchanged", "waiting"),
    )

    def __init__(self, rows: Sequence[Projected], cursor: Cursor, *, last: bool) -> None:
        self.rows = rows
        self.cursor = cursor
        self.last = last
        self.items: list[Item] = []
        self.waiting: Sequence[Item] = ()
        self.issues: list[Issue] = []
        self.synced: list[Synced] = []
        self.clashes: list[Clash] = []
        self.orphans: list[tuple[UUID, Lost]] = []
        self.unchanged: list[UUID] = []
        self.lapsed: list[UUID] = []
        self.skipped = 0


def outgoing(item: Item) -> Outgoing:
    assert item.target is not None  # noqa: S101
    return Outgoing(
        record=item.target,
        fields=item.fields,
        reference=str(item.row.internal_id),
        key=str(item.intent or ""),
        external_id=item.external_id,
        version=item.revision,
    )


def issue(item: Item, error: BaseException) -> Issue:
    """A record that could not be written."""
    if not isinstance(error, SyncError):
        error = RecordError("O registro externo tem um campo ausente ou de tipo inesperado.", field="")
    record = item.source or item.row.record
    external_id = item.external_id or (item.link.external_id if item.link else "")
    return Issue(external_id, error, msgspec.json.encode(record), item.row.internal_id)
