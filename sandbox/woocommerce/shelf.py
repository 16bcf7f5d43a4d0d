"""One kind of record: what the shop began with, and an overlay of what was changed, created or deleted."""

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from sandbox.woocommerce.dates import seconds
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.timeline import Ordered

RENDERED = 2000


class Beginning(Protocol):
    """Records of a shop nobody has touched, a function of their id."""

    kind: str

    def __contains__(self, id_: int) -> bool: ...

    def order(self, by: str) -> Ordered | None: ...

    def created(self, id_: int) -> int: ...

    def modified(self, id_: int) -> int: ...

    def body(self, id_: int) -> str: ...

    def facts(self, id_: int) -> Record:
        """The fields that lists filter by; cheaper than the whole record."""


class Shelf:
    """Keeps what differs from the beginning: the changed fields of a record, or None where it is gone."""

    def __init__(self, beginning: Beginning, database: sqlite3.Connection | None = None) -> None:
        self.beginning, self.kind = beginning, beginning.kind
        self.version = 0
        self.changes: dict[int, Record | None] = {}
        self._rendered: OrderedDict[int, str] = OrderedDict()
        self._database = database
        if database is not None:
            rows = database.execute("SELECT id, change FROM overlay WHERE kind = ?", (self.kind,))
            self.changes = {id_: json.loads(change) for id_, change in rows}

    def __contains__(self, id_: int) -> bool:
        if id_ in self.changes:
            return self.changes[id_] is not None
        return id_ in self.beginning

    def body(self, id_: int) -> str:
        """JSON of a record that exists."""
        change = self.changes.get(id_)
        if change is None:
            return self.beginning.body(id_)
        known = self._rendered.get(id_)
        if known is None:
            known = self._rendered[id_] = encode(self.record(id_))
            if len(self._rendered) > RENDERED:
                self._rendered.popitem(last=False)
        return known

    def get(self, id_: int) -> Record | None:
        return self.record(id_) if id_ in self else None

    def record(self, id_: int) -> Record:
        """A copy, to be changed at will. Raises KeyError."""
        if id_ not in self:
            raise KeyError(id_)
        change = self.changes.get(id_)
        if id_ not in self.beginning:
            return dict(change or {})
        begun: Record = json.loads(self.beginning.body(id_))
        return begun if change is None else begun | change

    def put(self, id_: int, record: Record) -> None:
        change = record
        if id_ in self.beginning:
            begun = json.loads(self.beginning.body(id_))
            change = {key: value for key, value in record.items() if key not in begun or begun[key] != value}
        self._note(id_, change)

    def remove(self, id_: int) -> None:
        self._note(id_, None)

    def _note(self, id_: int, change: Record | None) -> None:
        self.version += 1
        self._rendered.pop(id_, None)
        # The order of the overlay is the order of writing.
        self.changes.pop(id_, None)
        self.changes[id_] = change
        if self._database is not None:
            values = (self.kind, id_, json.dumps(change))
            self._database.execute("INSERT OR REPLACE INTO overlay VALUES (?, ?, ?)", values)

    def created(self, id_: int) -> int:
        change = self.changes.get(id_)
        if change and change.get("date_created_gmt"):
            return seconds(change["date_created_gmt"])
        return self.beginning.created(id_)

    def modified(self, id_: int) -> int:
        change = self.changes.get(id_)
        if change and change.get("date_modified_gmt"):
            return seconds(change["date_modified_gmt"])
        return self.beginning.modified(id_)

    def trashed(self, id_: int) -> bool:
        """Nothing begins in the trash."""
        change = self.changes.get(id_)
        return bool(change) and (change or {}).get("status") == "trash"

    def living(self) -> Iterator[int]:
        """Ids in the overlay that exist."""
        return (id_ for id_, change in self.changes.items() if change is not None)


def open_database(path: str) -> sqlite3.Connection:
    """A file that keeps the overlay over restarts."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(
        "CREATE TABLE IF NOT EXISTS overlay (kind TEXT, id INTEGER, change TEXT, PRIMARY KEY (kind, id))"
    )
    return database
