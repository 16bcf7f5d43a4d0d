"""The invariants of a synchronisation, checked after quiet from what both sides hold.

Pure functions over plain data: the world's truth and history as `sandbox.world.process` gives them, and rows
of our database. Nothing of the product judges itself. Letters are those of the fault programme: L nothing
lost, D nothing doubled, C conservation, K cursor, S status truth, R rate.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

Row = Mapping[str, Any]
LEASE_GRACE = timedelta(seconds=60)
UNFINISHED = {"intent", "sent", "unknown"}
# Runs that had no effect of their own.
IDLE = {"skipped", "cancelled"}


class Violation(NamedTuple):
    invariant: str
    entity: str
    subject: str
    what: str


class Mapped(NamedTuple):
    entity: str
    internal_id: str
    external_id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """How one entity is judged. `fields` are compared: both sides name them as the world does.

    `direction`: import (the world leads), export (the ERP leads) or both.
    """

    key: str
    fields: Sequence[str]
    direction: str = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """`truth` by kind; `limit` is (requests, seconds) where the world has one."""

    truth: Mapping[str, Sequence[Row]]
    history: Sequence[Row] = ()
    limit: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Rows as plain data; ids as text, moments with their zone.

    records: live ERP records by entity: `id`, perhaps `change_seq`, and the compared fields.
    logs: id, entity, direction, status, processed, success, errors, skipped; also created, updated, pair_id,
    slot_at, ended_at, and for running ones lease_expires_at.
    issues: sync_log_id, entity, external_id, internal_id, state.
    outbox: entity, internal_id, external_id, state.
    cursors: entity, and what they have of watermark, scanning, change_seq.
    watermarks: (entity, moment) as observed in time; a moment None stands for a recorded reset.
    slots: (pair_id, moment) that were due; `reasons` are those with a recorded reason not to run.
    """

    mappings: Sequence[tuple[str, str, str, str]] = ()
    records: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    logs: Sequence[Row] = ()
    issues: Sequence[Row] = ()
    outbox: Sequence[Row] = ()
    cursors: Sequence[Row] = ()
    watermarks: Sequence[tuple[str, datetime | None]] = ()
    slots: Sequence[tuple[str, datetime]] = ()
    reasons: Sequence[tuple[str, datetime]] = ()


def check(entities: Mapping[str, Entity], outside: Outside, ours: Ours, *, now: datetime) -> list[Violation]:
    """Every violation, by invariant. `now` is the database's clock."""
    found = [
        violation
        for name, entity in entities.items()
        for part in (lost, doubled, passed)
        for violation in part(name, entity, outside, ours)
    ]
    found += conservation(entities, outside, ours)
    found += unfinished(ours)
    found += status(ours, now)
    found += rate(outside)
    return sorted(set(found))


def lost(name: str, entity: Entity, outside: Outside, ours: Ours) -> Iterator[Violation]:
    """What one side has and the other has not, or has otherwise, with no open issue that says so."""
    live, mapped, excused = _live(outside, name), _mapped(ours, name), _excused(ours, name)
    made = {first["id"] for first in _created_by_api(outside, name)}
    # An orphan's other side stays where it is.
    orphans = _mapped(ours, name, orphans=True)
    for id_ in live.keys() - {one.external_id for one in (*mapped, *orphans)}:
        if entity.direction != "export" and ("external", id_) not in excused:
            yield Violation("L", name, id_, "the world's object has no mapping and no open issue")
        elif entity.direction == "export" and id_ in made:
            # An answer was lost, and what it was about never looked for.
            yield Violation("L", name, id_, "our creation has no mapping")
    records = {record["id"]: record for record in ours.records.get(name, ())}
    for id_ in records.keys() - {one.internal_id for one in (*mapped, *orphans)}:
        if entity.direction != "import" and ("internal", id_) not in excused:
            yield Violation("L", name, id_, "the ERP's record has no mapping and no open issue")
    for one in mapped:
        named = {("external", one.external_id), ("internal", one.internal_id)}
        if one.state != "conflict" and not excused & named:
            yield from _pair(name, entity, one, live.get(one.external_id), records.get(one.internal_id))
    confirmed = {row["external_id"] for row in _of(ours.outbox, name) if row["state"] == "confirmed"}
    for id_ in confirmed - {truth["object"]["id"] for truth in outside.truth.get(name, ())}:
        yield Violation("L", name, str(id_), "confirmed in the outbox, never made")


def _pair(
    name: str, entity: Entity, one: Mapped, item: Row | None, record: Row | None
) -> Iterator[Violation]:
    if item is None:
        yield Violation("L", name, one.external_id, "an active mapping leads to nothing in the world")
    if record is None:
        yield Violation("L", name, one.internal_id, "an active mapping leads to nothing in the ERP")
    if item is None or record is None:
        return
    for column in entity.fields:
        if not same(item.get(column), record.get(column)):
            # Field names alone: values may be personal.
            yield Violation("L", name, one.external_id, f"the sides differ in {column}")


def doubled(name: str, entity: Entity, outside: Outside, ours: Ours) -> Iterator[Violation]:
    live = _live(outside, name)
    for column in (entity.key, "reference"):
        for value in _repeated(item.get(column) for item in live.values()):
            yield Violation("D", name, value, f"several live objects of one {column}")
    for value in _repeated(first.get("reference") for first in _created_by_api(outside, name)):
        yield Violation("D", name, value, "several creations for one reference")
    for value in _repeated(record.get(entity.key) for record in ours.records.get(name, ())):
        yield Violation("D", name, value, f"several ERP records of one {entity.key}")
    mapped = _mapped(ours, name)
    for value in _repeated(one.external_id for one in mapped):
        yield Violation("D", name, value, "several mappings of one object")
    for value in _repeated(one.internal_id for one in mapped):
        yield Violation("D", name, value, "several mappings of one ERP record")
    confirmed = (row for row in _of(ours.outbox, name) if row["state"] == "confirmed")
    for value in _repeated(row["external_id"] for row in confirmed):
        yield Violation("D", name, value, "several outbox rows made one object")


def passed(name: str, entity: Entity, outside: Outside, ours: Ours) -> Iterator[Violation]:
    """A cursor beyond something that is not done, beyond everything, or behind its own past."""
    histories = (truth["history"] for truth in outside.truth.get(name, ()))
    moments = (version["object"]["updated_at"] for history in histories for version in history)
    newest = max(map(datetime.fromisoformat, moments), default=None)
    missing = {one.subject for one in lost(name, entity, outside, ours)}
    updated = {
        id_: datetime.fromisoformat(item["updated_at"])
        for id_, item in _live(outside, name).items()
        if id_ in missing
    }
    for cursor in _of(ours.cursors, name):
        watermark: datetime | None = cursor.get("watermark")
        if watermark is not None:
            if newest is None or watermark > newest:
                yield Violation("K", name, "cursor", "the watermark is beyond everything the world has")
            for id_ in (id_ for id_, moment in updated.items() if moment < watermark):
                yield Violation("K", name, id_, "the watermark has passed an object that is not done")
        for record in ours.records.get(name, ()):
            if record["id"] in missing and record.get("change_seq", 0) <= cursor.get("change_seq", -1):
                yield Violation("K", name, record["id"], "the cursor has passed a record that is not done")
    last: datetime | None = None
    for observed in (moment for of, moment in ours.watermarks if of == name):
        if observed is not None and last is not None and observed < last:
            yield Violation("K", name, "cursor", "the watermark moved back without a recorded reset")
        last = observed


def unfinished(ours: Ours) -> Iterator[Violation]:
    for cursor in ours.cursors:
        if cursor.get("scanning"):
            yield Violation("K", cursor["entity"], "cursor", "a scan is unfinished")
    for row in ours.outbox:
        if row["state"] in UNFINISHED:
            yield Violation("K", row["entity"], row["internal_id"], f"the outbox still says {row['state']}")


def conservation(entities: Mapping[str, Entity], outside: Outside, ours: Ours) -> Iterator[Violation]:
    issues = Counter(issue["sync_log_id"] for issue in ours.issues)
    for log in ours.logs:
        if log["processed"] != log["success"] + log["errors"] + log["skipped"]:
            yield Violation("C", log["entity"], log["id"], "processed is not success + errors + skipped")
        if "created" in log and log["success"] != log["created"] + log["updated"]:
            yield Violation("C", log["entity"], log["id"], "success is not created + updated")
        if log["errors"] != issues[log["id"]]:
            yield Violation("C", log["entity"], log["id"], "errors are not as many as issues")
    for name in entities:
        imports = [log for log in _of(ours.logs, name) if log["direction"] == "import"]
        shown = sum(call["items"] for call in outside.history if _reads(call, name))
        if sum(log["processed"] for log in imports) > shown:
            yield Violation("C", name, "import", "more was processed than the world ever showed")


def status(ours: Ours, now: datetime) -> Iterator[Violation]:
    for log in ours.logs:
        running = log["status"] == "running"
        if running == (log.get("ended_at") is not None):
            yield Violation("S", log["entity"], log["id"], "status and end contradict each other")
        expires = log.get("lease_expires_at")
        if running and (expires is None or expires < now - LEASE_GRACE):
            yield Violation("S", log["entity"], log["id"], "running without a live lease")
    served = Counter((log.get("pair_id"), log.get("slot_at")) for log in ours.logs)
    effective = Counter(
        (log.get("pair_id"), log.get("slot_at")) for log in ours.logs if log["status"] not in IDLE
    )
    for slot in ours.slots:
        if not served[slot] and slot not in ours.reasons:
            yield Violation("S", "", f"{slot[0]} {slot[1]:%H:%M}", "a slot has neither a run nor a reason")
        if effective[slot] > 1:
            yield Violation("S", "", f"{slot[0]} {slot[1]:%H:%M}", "a slot had several runs")


def rate(outside: Outside) -> Iterator[Violation]:
    """Counted anew from the log of calls; the world's own meter is not asked."""
    if outside.limit is None:
        return
    requests, seconds = outside.limit
    arrivals = sorted(call["at"] for call in outside.history if call["path"] != "/oauth/token")
    first = 0
    for place, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - seconds:
            first += 1
        if place - first + 1 > requests:
            yield Violation("R", "", f"{arrival:.3f}", f"more than {requests} calls in {seconds} s")
            return


def same(one: Any, other: Any) -> bool:
    """Equal values; numbers also as text of another form."""
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        try:
            return one is not None and other is not None and Decimal(str(one)) == Decimal(str(other))
        except InvalidOperation:
            return False
    return bool(one == other)


def _live(outside: Outside, name: str) -> dict[str, Row]:
    objects = (truth["object"] for truth in outside.truth.get(name, ()))
    return {item["id"]: item for item in objects if not item.get("deleted")}


def _created_by_api(outside: Outside, name: str) -> Iterator[Row]:
    """First versions, also of what was deleted since."""
    firsts = (truth["history"][0] for truth in outside.truth.get(name, ()))
    return (first["object"] for first in firsts if first["author"] == "api")


def _mapped(ours: Ours, name: str, *, orphans: bool = False) -> list[Mapped]:
    mapped = (Mapped(*row) for row in ours.mappings)
    return [one for one in mapped if one.entity == name and (one.state == "orphan") is orphans]


def _excused(ours: Ours, name: str) -> set[tuple[str, str]]:
    """Ids that an open issue names."""
    found = set()
    for issue in _of(ours.issues, name):
        if issue["state"] == "open":
            found |= {("external", issue.get("external_id")), ("internal", issue.get("internal_id"))}
    return {(side, id_) for side, id_ in found if id_ is not None}


def _reads(call: Row, name: str) -> bool:
    parts: list[str] = call["path"].split("/")
    return call["method"] == "GET" and parts[1:2] == [name]


def _of(rows: Iterable[Row], name: str) -> list[Row]:
    return [row for row in rows if row["entity"] == name]


def _repeated(values: Iterable[Any]) -> list[str]:
    counts: defaultdict[str, int] = defaultdict(int)
    for value in values:
        if value is not None:
            counts[str(value)] += 1
    return [value for value, count in counts.items() if count > 1]
