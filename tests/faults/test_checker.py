"""The checker itself: a whole synchronisation passes, and each invariant broken once by hand is reported."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.world.process import start
from tests.faults.checker import Entity, Ours, Outside, Violation, check, same
from tests.sandbox.conftest import client_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LATE = {"updated_at": (NOW - MINUTE).isoformat()}
ENTITIES = {
    "products": Entity(key="sku", fields=("name", "price")),
    "orders": Entity(key="number", fields=("status",), direction="import"),
    "stock": Entity(key="sku", fields=("quantity",), direction="export"),
}


def truth(id_: str, author: str = "person", **fields: Any) -> dict[str, Any]:
    item = {"id": id_, "version": 1, "updated_at": NOW.isoformat(), "token": f"t{id_}", **fields}
    return {"object": item, "history": [{"version": 1, "at": 1.0, "author": author, "object": item}]}


def gone(line: dict[str, Any]) -> dict[str, Any]:
    item = line["object"] | {"deleted": True, "version": 2}
    return {"object": item, "history": [*line["history"], {"version": 2, "author": "api", "object": item}]}


def set_back(line: dict[str, Any]) -> dict[str, Any]:
    """Written once more, by a clock that was turned back."""
    item = line["object"] | LATE | {"version": 2}
    return {"object": item, "history": [*line["history"], {"version": 2, "author": "person", "object": item}]}


def listed(kind: str, at: float, items: int) -> dict[str, Any]:
    return {"at": at, "method": "GET", "path": f"/{kind}", "items": items, "changes": []}


def log(id_: str, entity: str, direction: str, **fields: Any) -> dict[str, Any]:
    counts = {"processed": 2, "success": 1, "errors": 0, "skipped": 1, "created": 1, "updated": 0}
    ended = {"status": "success", "ended_at": NOW, "pair_id": entity, "slot_at": NOW - MINUTE}
    return {"id": id_, "entity": entity, "direction": direction, **counts, **ended, **fields}


def issue(entity: str, external_id: str | None, **fields: Any) -> dict[str, Any]:
    ids = {"sync_log_id": None, "external_id": external_id, "internal_id": None}
    return {"entity": entity, "state": "open", **ids, **fields}


def whole() -> tuple[Outside, Ours]:
    """Two of each entity, one way or the other, and all is well."""
    outside = Outside(
        truth={
            "products": [
                truth("1", sku="A", name="a", price="12.90"),
                truth("2", "api", sku="B", name="b", price=None, reference="p2"),
                truth("4", "api", sku="D", name="d", reference="p4"),
                gone(truth("3", "api", sku="B", name="b", reference="p1")),
            ],
            "orders": [
                set_back(truth("1", number="1", status="paid")),
                truth("2", number="2", status="odd", **LATE),
            ],
            "stock": [
                truth("1", "api", sku="A", quantity=1, reference="s1"),
                truth("2", sku="X", quantity=1),
            ],
        },
        history=[
            listed("products", 1.0, 2),
            {"at": 1.2, "method": "POST", "path": "/oauth/token", "items": 0, "changes": []},
            listed("orders", 1.5, 2),
            listed("stock", 2.0, 0),
        ],
        limit=(2, 1.0),
    )
    ours = Ours(
        mappings=[
            ("products", "p1", "1", "active"),
            ("products", "p2", "2", "active"),
            ("products", "p3", "3", "orphan"),
            ("orders", "o1", "1", "active"),
            ("stock", "s1", "1", "active"),
        ],
        records={
            "products": [
                {"id": "p1", "sku": "A", "name": "a", "price": Decimal("12.9"), "change_seq": 5},
                {"id": "p2", "sku": "B", "name": "b", "price": None, "change_seq": 6},
            ],
            "orders": [{"id": "o1", "number": "1", "status": "paid"}],
            "stock": [{"id": "s1", "sku": "A", "quantity": Decimal(1)}],
        },
        logs=[
            log("l1", "products", "import"),
            log("l2", "orders", "import", success=1, skipped=0, errors=1),
            log("l3", "stock", "export", status="running", ended_at=None, lease_expires_at=NOW - SECOND),
            log("l4", "products", "import", status="skipped", processed=0, success=0, skipped=0, created=0),
        ],
        issues=[issue("orders", "2", sync_log_id="l2"), issue("products", "4")],
        outbox=[{"entity": "stock", "internal_id": "s1", "external_id": "1", "state": "confirmed"}],
        cursors=[
            {"entity": "products", "watermark": NOW, "scanning": False, "change_seq": 6},
            {"entity": "orders", "watermark": NOW, "scanning": False},
        ],
        watermarks=[
            ("products", NOW - MINUTE),
            ("products", NOW),
            ("products", NOW),
            ("products", None),
            ("products", NOW - MINUTE),
        ],
        slots=[("products", NOW - MINUTE), ("orders", NOW - MINUTE), ("orders", NOW)],
        reasons=[("orders", NOW)],
    )
    return outside, ours


def test_a_whole_synchronisation_passes() -> None:
    outside, ours = whole()
    assert check(ENTITIES, outside, ours, now=NOW) == []


def with_truth(kind: str, *lines: dict[str, Any]) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    """More objects, or others of the same id."""

    def broken(outside: Outside, ours: Ours) -> tuple[Outside, Ours]:
        merged = {line["object"]["id"]: line for line in [*outside.truth[kind], *lines]}
        return dataclasses.replace(outside, truth={**outside.truth, kind: list(merged.values())}), ours

    return broken


def with_rows(**columns: Any) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    """Rows added to those of our database."""

    def broken(outside: Outside, ours: Ours) -> tuple[Outside, Ours]:
        merged: dict[str, Any] = {name: [*getattr(ours, name), *rows] for name, rows in columns.items()}
        return outside, dataclasses.replace(ours, **merged)

    return broken


def changed(column: str, place: int, **fields: Any) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    """Some fields of one row."""

    def broken(outside: Outside, ours: Ours) -> tuple[Outside, Ours]:
        rows = list(getattr(ours, column))
        rows[place] = {**rows[place], **fields}
        merged: dict[str, Any] = {column: rows}
        return outside, dataclasses.replace(ours, **merged)

    return broken


def record(entity: str, *rows: dict[str, Any]) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    def broken(outside: Outside, ours: Ours) -> tuple[Outside, Ours]:
        merged = {row["id"]: row for row in [*ours.records.get(entity, ()), *rows]}
        return outside, dataclasses.replace(ours, records={**ours.records, entity: list(merged.values())})

    return broken


def without(column: str, place: int) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    def broken(outside: Outside, ours: Ours) -> tuple[Outside, Ours]:
        rows = list(getattr(ours, column))
        del rows[place]
        merged: dict[str, Any] = {column: rows}
        return outside, dataclasses.replace(ours, **merged)

    return broken


def calls(*extra: dict[str, Any]) -> Callable[[Outside, Ours], tuple[Outside, Ours]]:
    return lambda outside, ours: (
        dataclasses.replace(outside, history=[*outside.history, *extra]),
        ours,
    )


PRODUCTS, ORDERS, STOCK = "products", "orders", "stock"
BROKEN = {
    "object without mapping": (
        with_truth(PRODUCTS, truth("9", sku="Z")),
        [("L", PRODUCTS, "9", "the world's object has no mapping and no open issue")],
    ),
    "order without mapping": (
        with_truth(ORDERS, truth("9", number="9")),
        [("L", ORDERS, "9", "the world's object has no mapping and no open issue")],
    ),
    "issue resolved and still no mapping": (
        changed("issues", 0, state="resolved"),
        [
            ("K", ORDERS, "2", "the watermark has passed an object that is not done"),
            ("L", ORDERS, "2", "the world's object has no mapping and no open issue"),
        ],
    ),
    "our creation without mapping": (
        with_truth(STOCK, truth("9", "api", sku="Z", reference="s9")),
        [("L", STOCK, "9", "our creation has no mapping")],
    ),
    "record without mapping": (
        record(STOCK, {"id": "s9", "sku": "Z"}),
        [("L", STOCK, "s9", "the ERP's record has no mapping and no open issue")],
    ),
    "mapping to a tombstone": (
        with_truth(ORDERS, gone(truth("1", number="1", status="paid"))),
        [("L", ORDERS, "1", "an active mapping leads to nothing in the world")],
    ),
    "mapping to no record": (
        with_rows(mappings=[(STOCK, "s9", "2", "active")]),
        [("L", STOCK, "s9", "an active mapping leads to nothing in the ERP")],
    ),
    "sides differ": (
        record(PRODUCTS, {"id": "p1", "sku": "A", "name": "a", "price": Decimal("12.91"), "change_seq": 7}),
        [("L", PRODUCTS, "1", "the sides differ in price")],
    ),
    "confirmed and never made": (
        with_rows(outbox=[{"entity": STOCK, "internal_id": "s1", "external_id": "77", "state": "confirmed"}]),
        [("L", STOCK, "77", "confirmed in the outbox, never made")],
    ),
    "two objects of one key": (
        with_truth(STOCK, truth("9", sku="X", quantity=1)),
        [("D", STOCK, "X", "several live objects of one sku")],
    ),
    "two objects of one reference": (
        with_truth(STOCK, truth("9", sku="Z", reference="s1")),
        [("D", STOCK, "s1", "several live objects of one reference")],
    ),
    "a second creation, deleted since": (
        with_truth(STOCK, gone(truth("9", "api", sku="Z", reference="s1"))),
        [("D", STOCK, "s1", "several creations for one reference")],
    ),
    "two records of one key": (
        record(ORDERS, {"id": "o9", "number": "1"}),
        [("D", ORDERS, "1", "several ERP records of one number")],
    ),
    "two mappings of one object": (
        with_rows(mappings=[(ORDERS, "o1", "1", "active")]),
        [
            ("D", ORDERS, "1", "several mappings of one object"),
            ("D", ORDERS, "o1", "several mappings of one ERP record"),
        ],
    ),
    "two outbox rows of one object": (
        with_rows(outbox=[{"entity": STOCK, "internal_id": "s2", "external_id": "1", "state": "confirmed"}]),
        [("D", STOCK, "1", "several outbox rows made one object")],
    ),
    "processed too many": (
        changed("logs", 2, processed=3),
        [("C", STOCK, "l3", "processed is not success + errors + skipped")],
    ),
    "success too many": (
        changed("logs", 2, created=2),
        [("C", STOCK, "l3", "success is not created + updated")],
    ),
    "an issue is missing": (
        changed("logs", 2, errors=1, skipped=0),
        [("C", STOCK, "l3", "errors are not as many as issues")],
    ),
    "more than was shown": (
        changed("logs", 0, processed=3, skipped=2),
        [("C", PRODUCTS, "import", "more was processed than the world ever showed")],
    ),
    "watermark passed an object": (
        with_truth(ORDERS, truth("9", number="9", **LATE)),
        [
            ("K", ORDERS, "9", "the watermark has passed an object that is not done"),
            ("L", ORDERS, "9", "the world's object has no mapping and no open issue"),
        ],
    ),
    "change_seq passed a record": (
        record(PRODUCTS, {"id": "p9", "sku": "Z", "change_seq": 6}),
        [
            ("K", PRODUCTS, "p9", "the cursor has passed a record that is not done"),
            ("L", PRODUCTS, "p9", "the ERP's record has no mapping and no open issue"),
        ],
    ),
    "watermark beyond everything": (
        changed("cursors", 1, watermark=NOW + SECOND),
        [("K", ORDERS, "cursor", "the watermark is beyond everything the world has")],
    ),
    "watermark moved back": (
        with_rows(watermarks=[(PRODUCTS, NOW - 2 * MINUTE)]),
        [("K", PRODUCTS, "cursor", "the watermark moved back without a recorded reset")],
    ),
    "scan unfinished": (
        changed("cursors", 0, scanning=True),
        [("K", PRODUCTS, "cursor", "a scan is unfinished")],
    ),
    "unknown left": (
        with_rows(outbox=[{"entity": STOCK, "internal_id": "s1", "external_id": None, "state": "unknown"}]),
        [("K", STOCK, "s1", "the outbox still says unknown")],
    ),
    "running, lease expired": (
        changed("logs", 2, lease_expires_at=NOW - MINUTE - SECOND),
        [("S", STOCK, "l3", "running without a live lease")],
    ),
    "running, no lease": (
        changed("logs", 2, lease_expires_at=None),
        [("S", STOCK, "l3", "running without a live lease")],
    ),
    "ended and running": (
        changed("logs", 2, ended_at=NOW),
        [("S", STOCK, "l3", "status and end contradict each other")],
    ),
    "a slot without run": (
        without("reasons", 0),
        [("S", "", "orders 12:00", "a slot has neither a run nor a reason")],
    ),
    "a slot with two runs": (
        changed("logs", 3, status="success"),
        [("S", "", "products 11:59", "a slot had several runs")],
    ),
    "too fast": (
        calls(listed("categories", 2.4, 0)),
        [("R", "", "2.400", "more than 2 calls in 1.0 s")],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_violation_is_reported(case: str) -> None:
    broken, expected = BROKEN[case]
    outside, ours = broken(*whole())
    assert check(ENTITIES, outside, ours, now=NOW) == [Violation(*one) for one in expected]


def test_a_conflict_and_an_open_issue_excuse() -> None:
    outside, ours = whole()
    other = record(PRODUCTS, {"id": "p1", "sku": "A", "name": "other", "price": None, "change_seq": 5})
    outside, ours = other(outside, ours)
    assert {one.invariant for one in check(ENTITIES, outside, ours, now=NOW)} >= {"L"}
    waiting = [("products", "p1", "1", "conflict"), *ours.mappings[1:]]
    assert check(ENTITIES, outside, dataclasses.replace(ours, mappings=waiting), now=NOW) == []
    named = issue(PRODUCTS, None, internal_id="p1")
    excused = dataclasses.replace(ours, issues=[*ours.issues, named])
    assert check(ENTITIES, outside, excused, now=NOW) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("12.90", Decimal("12.9"), True),
        (12, Decimal("12.00"), True),
        ("12.90", "12.9", False),
        (None, Decimal(0), False),
        ("x", Decimal(0), False),
        (None, None, True),
        ("a", "a ", False),
    ],
)
def test_equal_values(one: Any, other: Any, expected: bool) -> None:
    assert (same(one, other), same(other, one)) == (expected, expected)


def test_the_world_speaks_as_the_checker_reads() -> None:
    with start() as world, client_of(world) as client:
        for _ in range(2):
            client.post("/stock", json={"sku": "A", "quantity": 1, "reference": "s1"})
        client.delete("/stock/2")
        client.get("/stock")
        outside = Outside(
            truth={"stock": list(world.truth("stock"))}, history=world.history(), limit=(3, 60.0)
        )
    ours = Ours(mappings=[("stock", "s1", "1", "active")], records={"stock": [{"id": "s1", "quantity": 1}]})
    found = check({"stock": ENTITIES["stock"]}, outside, ours, now=NOW)
    assert [(one.invariant, one.what) for one in found] == [
        ("D", "several creations for one reference"),
        ("R", "more than 3 calls in 60.0 s"),
    ]
