"""The world on its disk: every object with every version it had, settings, keys and tokens, and the calls.

Writes are committed before they are answered; the log of calls within FLUSH_SECONDS. The operating system
keeps what is committed, so the death of the process loses nothing.
"""

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sandbox.world import moments
from sandbox.world.kinds import KINDS, Record
from sandbox.world.switches import Switches

FLUSH_SECONDS = 0.2
# Keys are `number of the kind * 2^40 + id`: a list by id is a walk along the table.
SHIFT = 40
BASE = {kind: (number + 1) << SHIFT for number, kind in enumerate(KINDS)}
KIND_OF = {base: kind for kind, base in BASE.items()}
SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    key INTEGER PRIMARY KEY, kind TEXT, updated INTEGER, deleted INTEGER, natural_key TEXT, reference TEXT,
    body TEXT);
CREATE INDEX IF NOT EXISTS by_updated ON object (kind, updated, key, deleted);
CREATE INDEX IF NOT EXISTS by_natural ON object (kind, natural_key) WHERE natural_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_reference ON object (kind, reference) WHERE reference IS NOT NULL;
CREATE TABLE IF NOT EXISTS change (
    seq INTEGER PRIMARY KEY, key INTEGER, version INTEGER, at REAL, author TEXT, body TEXT);
CREATE INDEX IF NOT EXISTS change_by_key ON change (key, version);
CREATE TABLE IF NOT EXISTS call (seq INTEGER PRIMARY KEY, entry TEXT);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS idempotency (
    kind TEXT, name TEXT, digest BLOB, id INTEGER, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS grant_token (
    token TEXT PRIMARY KEY, use TEXT, family TEXT, expires REAL, spent INTEGER NOT NULL DEFAULT 0);
"""
PUT = "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?)"
NOTE = "INSERT INTO change (key, version, at, author, body) VALUES (?, ?, ?, ?, ?)"
OWNED = 0o700

encode = msgspec.json.Encoder(decimal_format="string").encode
decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what the log of calls tells of it. `token` where it made the object."""

    kind: str
    id: str
    version: int
    token: str | None


class Disk:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(OWNED, parents=True, exist_ok=True)
        self.db = sqlite3.connect(folder / "world.sqlite", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -65536"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.executescript(SCHEMA)
        self.switches = Switches(**self.setting("switches", {}))
        self.changes: list[Change] = []
        self._totals: dict[tuple[Any, ...], int] = {}
        self._last = {kind: self._newest(kind) for kind in KINDS}

    def begin(self) -> None:
        if not self.db.in_transaction:
            self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        if self.db.in_transaction:
            self.db.execute("COMMIT")

    def setting(self, name: str, default: Any) -> Any:
        found = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return msgspec.json.decode(found[0]) if found else default

    def set(self, name: str, value: Any) -> None:
        self.begin()
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, encode(value).decode()))
        self.commit()

    def save_switches(self) -> None:
        self.set("switches", self.switches)

    def body(self, kind: str, id_: int) -> str | None:
        """JSON of an object or a tombstone."""
        found = self.db.execute("SELECT body FROM object WHERE key = ?", (BASE[kind] + id_,)).fetchone()
        return found[0] if found else None

    def record(self, kind: str, id_: int) -> Record | None:
        body = self.body(kind, id_)
        return decode(body) if body is not None else None

    def create(self, kind: str, fields: Record, author: str) -> Record:
        self.begin()
        self._last[kind] += 1
        moment = moments.text(self.switches.now_ms())
        record = {
            "id": str(self._last[kind]),
            "version": 1,
            "created_at": moment,
            "updated_at": moment,
            "token": secrets.token_hex(16),
        }
        return self._keep(kind, record | fields, author)

    def update(self, kind: str, record: Record, fields: Record, author: str) -> Record:
        """`record` is the current one; `fields` may hold `deleted`."""
        self.begin()
        made = {"version": record["version"] + 1, "updated_at": moments.text(self.switches.now_ms())}
        return self._keep(kind, record | fields | made, author)

    def fill(self, kind: str, many: Iterator[Record]) -> int:
        """Create that many at once."""
        count = 0
        for fields in many:
            self.create(kind, fields, "start")
            count += 1
        self.changes.clear()
        self.commit()
        return count

    def page(self, kind: str, after: int, limit: int, *, deleted: bool) -> list[tuple[int, str]]:
        """Ids and bodies by id."""
        base = BASE[kind]
        query = (
            "SELECT key - ?, body FROM object WHERE key > ? AND key < ? AND deleted <= ? ORDER BY key LIMIT ?"
        )
        values = (base, base + after, base + (1 << SHIFT), deleted, limit)
        return self.db.execute(query, values).fetchall()

    def changed(
        self, kind: str, updated: int, after: int, limit: int, *, deleted: bool
    ) -> list[tuple[int, int, str]]:
        """Updates (ms), ids and bodies behind that place in the order of update and id."""
        base = BASE[kind]
        query = (
            "SELECT updated, key - ?, body FROM object WHERE kind = ? AND (updated, key) > (?, ?)"
            " AND deleted <= ? ORDER BY updated, key LIMIT ?"
        )
        return self.db.execute(query, (base, kind, updated, base + after, deleted, limit)).fetchall()

    def total(self, kind: str, since: int | None, *, deleted: bool) -> int:
        asked = (kind, since, deleted)
        if asked not in self._totals:
            query = "SELECT count(*) FROM object WHERE kind = ? AND updated >= ? AND deleted <= ?"
            lowest = -(1 << 62) if since is None else since
            self._totals[asked] = self.db.execute(query, (kind, lowest, deleted)).fetchone()[0]
        return self._totals[asked]

    def found(self, kind: str, column: str, values: list[Any], *, deleted: bool) -> list[str]:
        """Bodies of those whose `id`, `natural_key` or `reference` is among the values, by id."""
        if column == "id":
            column, values = "key", [BASE[kind] + int(value) for value in values]
        marks = ", ".join("?" * len(values))
        query = f"SELECT body FROM object WHERE kind = ? AND {column} IN ({marks})"  # noqa: S608 - our words
        query += " AND deleted <= ? ORDER BY key"
        return [body for (body,) in self.db.execute(query, (kind, *values, deleted))]

    def holder(self, kind: str, natural: str, *, other_than: str | None) -> str | None:
        """Id of another live object with that natural key."""
        query = "SELECT key FROM object WHERE kind = ? AND natural_key = ? AND deleted = 0 AND key <> ?"
        own = BASE[kind] + int(other_than or 0)
        found = self.db.execute(query, (kind, natural, own)).fetchone()
        return str(found[0] - BASE[kind]) if found else None

    def last(self, kind: str) -> int:
        """The newest id."""
        return self._last[kind]

    def living(self, kind: str | None = None) -> list[int]:
        """Keys of live objects."""
        low, high = (BASE[kind], BASE[kind] + (1 << SHIFT)) if kind else (0, 1 << 62)
        query = "SELECT key FROM object WHERE key BETWEEN ? AND ? AND deleted = 0 ORDER BY key"
        return [key for (key,) in self.db.execute(query, (low, high))]

    @contextmanager
    def behind(self, kind: str, count: int) -> Iterator[None]:
        """Inside, the objects of that kind are as they were before its last `count` changes."""
        self.begin()
        self.db.execute("SAVEPOINT past")
        self._totals.clear()
        low, high = BASE[kind], BASE[kind] + (1 << SHIFT)
        query = (
            "SELECT key, min(seq) FROM (SELECT key, seq FROM change WHERE key BETWEEN ? AND ?"
            " ORDER BY seq DESC LIMIT ?) GROUP BY key"
        )
        older = "SELECT body FROM change WHERE key = ? AND seq < ? ORDER BY version DESC LIMIT 1"
        try:
            for key, seq in self.db.execute(query, (low, high, count)).fetchall():
                before = self.db.execute(older, (key, seq)).fetchone()
                if before is None:
                    self.db.execute("DELETE FROM object WHERE key = ?", (key,))
                else:
                    self._put(kind, key, decode(before[0]), before[0])
            yield
        finally:
            self.db.execute("ROLLBACK TO past")
            self.db.execute("RELEASE past")
            self._totals.clear()

    def _newest(self, kind: str) -> int:
        query = "SELECT max(key) FROM object WHERE key BETWEEN ? AND ?"
        found = self.db.execute(query, (BASE[kind], BASE[kind] + (1 << SHIFT))).fetchone()[0]
        return (found or BASE[kind]) - BASE[kind]

    def _keep(self, kind: str, record: Record, author: str) -> Record:
        key, body = BASE[kind] + int(record["id"]), encode(record).decode()
        self._put(kind, key, record, body)
        self.db.execute(NOTE, (key, record["version"], time.monotonic(), author, body))
        made = record["token"] if record["version"] == 1 else None
        self.changes.append(Change(kind, record["id"], record["version"], made))
        self._totals.clear()
        return record

    def _put(self, kind: str, key: int, record: Record, body: str) -> None:
        natural, reference = _text(record.get(KINDS[kind])), _text(record.get("reference"))
        updated = moments.milliseconds(record["updated_at"])
        self.db.execute(PUT, (key, kind, updated, bool(record.get("deleted")), natural, reference, body))


def _text(value: Any) -> str | None:
    # A person may have planted something else.
    return value if isinstance(value, str) else None
