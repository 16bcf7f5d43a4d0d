"""POST, PATCH and DELETE, alone and in batches."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.world.checks import as_object, check
from sandbox.world.disk import Disk, encode
from sandbox.world.kinds import KINDS, Record
from sandbox.world.refused import RefusedError, invalid

MOST = 100


@dataclass(frozen=True, slots=True)
class Created:
    item: Record
    replayed: bool = False


class Writes:
    """Every method raises RefusedError, and leaves the commit to its caller."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def create(self, kind: str, fields: Any, key: str | None) -> Created:
        digest = hashlib.blake2b(encode(fields), digest_size=16).digest()
        known = self._replay(kind, key, digest)
        if known is not None:
            return Created(known, replayed=True)
        check(kind, fields, partial=False)
        self._free(kind, fields, None)
        made = self._disk.create(kind, fields, "api")
        if key is not None:
            # Also where keys are ignored: the switch may change.
            query = "INSERT OR IGNORE INTO idempotency VALUES (?, ?, ?, ?)"
            self._disk.db.execute(query, (kind, key, digest, int(made["id"])))
        return Created(made)

    def update(self, kind: str, id_: int, fields: Any, version: int | None) -> Record:
        current = self.current(kind, id_)
        check(kind, fields, partial=True)
        if version is not None and version != current["version"]:
            raise RefusedError(412, "stale", version=current["version"])
        self._free(kind, fields, current["id"])
        return self._disk.update(kind, current, fields, "api")

    def delete(self, kind: str, id_: int) -> Record:
        return self._disk.update(kind, self.current(kind, id_), {"deleted": True}, "api")

    def current(self, kind: str, id_: int) -> Record:
        record = self._disk.record(kind, id_)
        if record is None:
            raise RefusedError(404, "not_found")
        if record.get("deleted"):
            raise RefusedError(410, "gone") if self._disk.switches.gone else RefusedError(404, "not_found")
        return record

    def batch(self, kind: str, body: Any) -> Record:
        if not isinstance(body, dict) or not all(isinstance(items, list) for items in body.values()):
            raise RefusedError(422, "invalid", 'Must be {"create": […], "update": […]}.')
        for name in body:
            if name not in {"create", "update"}:
                raise invalid(name, "Only create and update.")
        if sum(map(len, body.values())) > MOST:
            raise RefusedError(413, "too_many_items")
        return {
            "create": [self._settled(self._create_one, kind, item) for item in body.get("create", [])],
            "update": [self._settled(self._update_one, kind, item) for item in body.get("update", [])],
        }

    def _settled(self, act: Callable[[str, Record], tuple[int, Record]], kind: str, item: Any) -> Record:
        try:
            status, record = act(kind, dict(as_object(item)))
        except RefusedError as error:
            return {"status": error.status, "error": error.body}
        return {"status": status, "item": record}

    def _create_one(self, kind: str, item: Record) -> tuple[int, Record]:
        key = item.pop("idempotency_key", None)
        if not isinstance(key, str | None):
            raise invalid("idempotency_key", "Must be text.")
        return 201, self.create(kind, item, key).item

    def _update_one(self, kind: str, item: Record) -> tuple[int, Record]:
        id_, version = item.pop("id", None), item.pop("if_match", None)
        if not (isinstance(id_, str) and id_.isascii() and id_.isdecimal() and len(id_) <= 12):
            raise invalid("id", "Must be an id.")
        if not isinstance(version, int | None):
            raise invalid("if_match", "Must be an integer.")
        return 200, self.update(kind, int(id_), item, version)

    def _replay(self, kind: str, key: str | None, digest: bytes) -> Record | None:
        if key is None or not self._disk.switches.idempotency:
            return None
        query = "SELECT digest, id FROM idempotency WHERE kind = ? AND name = ?"
        found = self._disk.db.execute(query, (kind, key)).fetchone()
        if found is None:
            return None
        if found[0] != digest:
            raise RefusedError(409, "key_reused", id=str(found[1]))
        return self._disk.record(kind, found[1])

    def _free(self, kind: str, fields: Record, own: str | None) -> None:
        natural = fields.get(KINDS[kind])
        if natural is None or not self._disk.switches.unique_natural:
            return
        holder = self._disk.holder(kind, natural, other_than=own)
        if holder is not None:
            raise RefusedError(409, "duplicate", field=KINDS[kind], id=holder)
