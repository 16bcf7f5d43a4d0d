"""What happened: the log of calls, and every object with its versions."""

import time
from typing import Any

from sandbox.world.disk import BASE, KIND_OF, SHIFT, Change, Disk, decode, encode
from sandbox.world.kinds import KINDS, Record


class Journal:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def note(
        self,
        arrived: float,
        call: tuple[str, str, str],
        status: int,
        outcome: int | None,
        items: int,
        changes: list[Change],
        fault: str | None,
    ) -> None:
        method, path, query = call
        entry = {
            "at": arrived,
            "ended": time.monotonic(),
            "method": method,
            "path": path,
            "query": query,
            "status": status,
            "outcome": outcome,
            "items": items,
            "changes": [
                {"kind": one.kind, "id": one.id, "version": one.version, "token": one.token}
                for one in changes
            ],
            "fault": fault,
        }
        self._disk.begin()
        self._disk.db.execute("INSERT INTO call (entry) VALUES (?)", (encode(entry).decode(),))

    def calls(self, after: int, limit: int) -> list[Record]:
        """With `seq`, by which the next ones are asked."""
        rows = self._disk.db.execute(
            "SELECT seq, entry FROM call WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )
        return [{"seq": seq} | decode(entry) for seq, entry in rows]

    def clear(self) -> None:
        self._disk.begin()
        self._disk.db.execute("DELETE FROM call")
        self._disk.commit()

    def truth(self, kind: str, after: int, limit: int) -> list[Record]:
        """Objects and tombstones by id: {"object": current, "history": [{version, at, author, object}]}."""
        base = BASE[kind]
        keys = "SELECT key FROM object WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
        query = (
            f"SELECT key, version, at, author, body FROM change WHERE key IN ({keys}) ORDER BY key, version"  # noqa: S608 - our own words
        )
        found: dict[int, list[Record]] = {}
        for key, version, at, author, body in self._disk.db.execute(
            query, (base + after, base + (1 << SHIFT), limit)
        ):
            line = {"version": version, "at": at, "author": author, "object": decode(body)}
            found.setdefault(key, []).append(line)
        return [{"object": history[-1]["object"], "history": history} for history in found.values()]

    def counts(self) -> dict[str, int]:
        return {kind: self._disk.total(kind, None, deleted=False) for kind in KINDS}


def place(key: int) -> tuple[str, int]:
    """Kind and id of a key."""
    base = key >> SHIFT << SHIFT
    return KIND_OF[base], key - base


def lines(records: list[Any]) -> bytes:
    return b"\n".join(map(encode, records))
