"""The control surface under /__sandbox__/, for tests: secret in `X-Sandbox-Token`, bodies in JSON."""

import dataclasses
import time
from collections.abc import Callable
from secrets import compare_digest
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from sandbox.wire import Reply
from sandbox.world import samples
from sandbox.world.disk import Disk, encode
from sandbox.world.faults import Script
from sandbox.world.grants import Grants
from sandbox.world.journal import Journal, lines
from sandbox.world.kinds import KINDS, Record
from sandbox.world.meter import Meter
from sandbox.world.switches import UNAVAILABLE, Switches

JSON = (b"content-type", b"application/json")
LINES = (b"content-type", b"application/x-ndjson")


class Control:
    """A person at the external system: what is created, edited and deleted here is not checked."""

    def __init__(
        self, disk: Disk, journal: Journal, grants: Grants, script: Script, meter: Meter, secret: str
    ) -> None:
        self._disk, self._journal, self._grants = disk, journal, grants
        self._script, self._meter, self._secret = script, meter, secret
        self.switched: Callable[[], None] = lambda: None
        self._actions: dict[tuple[str, str], Callable[[Record], Any]] = {
            ("GET", "counts"): lambda _: journal.counts(),
            ("GET", "meter"): lambda _: meter.report() | {"oauth": grants.counts},
            ("DELETE", "meter"): lambda _: meter.clear(),
            ("DELETE", "history"): lambda _: journal.clear(),
            ("GET", "faults"): lambda _: script.fired(),
            ("POST", "faults"): lambda body: script.load(body["script"]),
            ("POST", "create"): self._create,
            ("POST", "edit"): self._edit,
            ("POST", "delete"): self._delete,
            ("POST", "populate"): self._populate,
            ("POST", "mutate"): self._mutate,
            ("GET", "switches"): lambda _: disk.switches,
            ("POST", "switches"): self._switch,
            ("POST", "freeze"): lambda _: self._switch({"frozen_at": time.time()}),
            ("POST", "consent"): lambda _: grants.consent(),
            ("POST", "expire"): lambda _: grants.expire(),
            ("POST", "revoke"): lambda _: grants.revoke(),
        }

    def answer(self, method: str, path: str, query: str, secret: str, raw: bytes) -> Reply:
        """`path` is what follows /__sandbox__/."""
        if not compare_digest(secret.encode(), self._secret.encode()):
            return Reply(403, [JSON], b'{"error":"X-Sandbox-Token"}')
        asked = dict(parse_qsl(query))
        after, limit = int(asked.get("after", 0)), int(asked.get("limit", 5000))
        name, _, kind = path.partition("/")
        if (method, path) == ("GET", "history"):
            return Reply(200, [LINES], lines(self._journal.calls(after, limit)))
        if method == "GET" and name == "truth" and kind in KINDS:
            return Reply(200, [LINES], lines(self._journal.truth(kind, after, limit)))
        action = self._actions.get((method, path))
        if action is None:
            return Reply(404, [JSON], b'{"error":"unknown action"}')
        try:
            found = action(msgspec.json.decode(raw or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return Reply(400, [JSON], encode({"error": f"{type(error).__name__}: {error}"}))
        finally:
            self._disk.changes.clear()
            self._disk.commit()
        return Reply(200, [JSON], encode(found))

    def _create(self, body: Record) -> Record:
        return self._disk.create(_kind(body), body["fields"], "person")

    def _edit(self, body: Record) -> Record:
        return self._disk.update(_kind(body), self._current(body), body["fields"], "person")

    def _delete(self, body: Record) -> Record:
        return self._disk.update(_kind(body), self._current(body), {"deleted": True}, "person")

    def _current(self, body: Record) -> Record:
        record = self._disk.record(body["kind"], int(body["id"]))
        if record is None:
            raise ValueError(f"there is no {body['kind']} {body['id']}")
        return record

    def _populate(self, body: Record) -> int:
        kind = _kind(body)
        many = samples.objects(kind, self._disk.last(kind) + 1, int(body["count"]), int(body.get("seed", 0)))
        return self._disk.fill(kind, many)

    def _mutate(self, body: Record) -> list[Record]:
        return samples.mutate(
            self._disk,
            int(body["seed"]),
            int(body["count"]),
            body.get("kind"),
            body.get("create", 0.0),
            body.get("delete", 0.0),
        )

    def _switch(self, body: Record) -> Switches:
        switches = msgspec.convert(dataclasses.asdict(self._disk.switches) | body, Switches)
        unknown = body.keys() - {field.name for field in dataclasses.fields(Switches)}
        if unknown or switches.unavailable not in UNAVAILABLE or set(switches.forbidden) - set(KINDS):
            raise ValueError(f"no such switch or value: {body}")
        self._disk.switches = switches
        self._disk.save_switches()
        self._meter.limit(switches.requests, switches.seconds)
        self.switched()
        return switches


def _kind(body: Record) -> str:
    kind: str = body["kind"]
    if kind not in KINDS:
        raise ValueError(f"no such kind: {kind}")
    return kind
