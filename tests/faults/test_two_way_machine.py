"""T9: creates, edits and deletions on both sides, runs that fail or die, conflicts resolved at random.

Once healed both sides equal the model, nothing is written any more, and there were at most two writes for
each edit.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.entities import ConflictPolicy, Entity, RunStatus
from db import conflicts, mappings
from db.audit import By
from db.session import engine
from db.settings import psycopg_url
from sandbox.world.process import start
from tests.conftest import Database, new_tenant
from tests.faults.conftest import LONG
from tests.faults.model import SIDES, Known, Side, Values
from tests.faults.once import die
from tests.world.fixtures import furnish
from tests.world.room import Room, issues

EXAMPLES, STEPS = (100, 100) if LONG else (3, 30)
SEED = int(os.environ.get("SEED", "20270909"))
NAMES, PRICES, GTINS = ("A", "B", "C"), ("1.00", "2.00", "3.00", "4.00"), (None, "7891", "7892")
SIZES = ("P", "M")
# Who can be asked neither by reference nor by SKU, or answers that from the past, may double what both sides
# make at one time.
STYLES = ("world", "world-both", "world-single")
STALE = {"kind": "stale", "match": {"method": "GET", "path": "limit=|ids="}}
BY = By("teste")
TROUBLES: tuple[dict[str, Any], ...] = (
    *({"kind": kind, "match": {"method": "POST"}} for kind in ("lost_answer", "500_after_commit", "reset")),
    {"kind": "500", "match": {"method": "POST"}, "times": 9},
    *({"kind": kind, "match": {"method": "GET"}} for kind in ("html", "truncated", "empty", "reset")),
    STALE,
    {**STALE, "behind": 4, "times": 3},
)

values = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(NAMES),
        "price": st.sampled_from(PRICES),
        "gtin": st.sampled_from(GTINS),
        "active": st.booleans(),
        "P": st.sampled_from(PRICES),
        "M": st.sampled_from(PRICES),
    },
).filter(bool)
whole = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "price": st.sampled_from(PRICES),
        "gtin": st.sampled_from(GTINS),
        "active": st.booleans(),
    },
    optional={"P": st.sampled_from(PRICES), "M": st.sampled_from(PRICES)},
)
pick = st.integers(0, 1 << 20)


class Machine(RuleBasedStateMachine):
    """`make` furnishes an empty world."""

    make: Callable[[ExitStack, str], Room]
    room: Room
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.known: list[Known] = []
        self.edits = self.allowed = 0
        self.made = 0

    @initialize(policy=st.sampled_from(ConflictPolicy), style=st.sampled_from(STYLES))
    def connect(self, policy: ConflictPolicy, style: str) -> None:
        self.room = type(self).make(self.opened, style)
        self.policy = policy
        self.pair = self.room.pair(policy=policy)

    # What people and programs do

    @rule(fields=whole)
    def create_in_the_erp(self, fields: Values) -> None:
        self._make_in_the_erp(self._new(), fields)

    @rule(fields=whole)
    def create_outside(self, fields: Values) -> None:
        self._make_outside(self._new(), fields)

    @rule(ours=whole, theirs=whole)
    def create_on_both_sides(self, ours: Values, theirs: Values) -> None:
        record = self._new()
        self._make_in_the_erp(record, ours)
        self._make_outside(record, {**{size: ours[size] for size in SIZES if size in ours}, **theirs})

    @precondition(lambda self: self._of("erp"))
    @rule(which=pick, fields=values)
    def edit_in_the_erp(self, which: int, fields: Values) -> None:
        self._edit_in_the_erp(_at(self._of("erp"), which), fields)

    @precondition(lambda self: self._of("external"))
    @rule(which=pick, fields=values)
    def edit_outside(self, which: int, fields: Values) -> None:
        self._edit_outside(_at(self._of("external"), which), fields)

    @precondition(lambda self: self._both())
    @rule(which=pick, ours=values, theirs=values, erp_first=st.booleans())
    def edit_on_both_sides(self, which: int, ours: Values, theirs: Values, erp_first: bool) -> None:
        record = _at(self._both(), which)
        if erp_first:
            self._edit_in_the_erp(record, ours)
        self._edit_outside(record, theirs)
        if not erp_first:
            self._edit_in_the_erp(record, ours)

    @precondition(lambda self: len(self._of("erp")) > 2)
    @rule(which=pick)
    def delete_in_the_erp(self, which: int) -> None:
        record = _at(self._of("erp"), which)
        assert record.internal_id
        self.room.erp.delete("product", record.internal_id)
        record.deleted.add("erp")

    @precondition(lambda self: len(self._of("external")) > 2)
    @rule(which=pick)
    def delete_outside(self, which: int) -> None:
        record = _at(self._of("external"), which)
        assert record.external_id
        self.room.world.delete("products", record.external_id)
        record.deleted.add("external")

    # What the integration does

    @rule(place=st.integers(1, 60), when=st.sampled_from(["before", "after"]))
    def run_and_die(self, place: int, when: str) -> None:
        die(self.pair, Entity.PRODUCTS, 3, place, when)
        self.room.expire()
        self._blur()

    @rule(fault=st.sampled_from(TROUBLES), full=st.booleans())
    def run_in_trouble(self, fault: dict[str, Any], full: bool) -> None:
        self.room.world.faults({"times": 1, **fault})
        self._run(full=full)
        self.room.world.faults()
        self._blur()

    @rule(choose=pick)
    def heal(self, choose: int) -> None:
        """Undisturbed runs, and a person who decides what is asked."""
        chance = random.Random(choose)
        for _ in range(4):
            ended = self._run(full=True)
            assert [run.error for run in ended] == [None] * 2, [run.error for run in ended]
            if not self._decide(chance):
                break
        else:
            raise AssertionError("conflicts without end")
        self._compare()
        self._quiet()

    def teardown(self) -> None:
        try:
            self.room.world.faults()
            self.heal(SEED)
        finally:
            self.opened.close()

    # Both sides

    def _new(self) -> Known:
        self.made += 1
        self.known.append(Known(f"S{self.made}"))
        return self.known[-1]

    def _of(self, side: Side) -> list[Known]:
        """Records that can be edited there."""
        id_ = "internal_id" if side == "erp" else "external_id"
        return [one for one in self.known if getattr(one, id_) and side not in one.deleted]

    def _both(self) -> list[Known]:
        return [one for one in self._of("erp") if one.external_id and one.living]

    def _make_in_the_erp(self, record: Known, fields: Values) -> None:
        record.internal_id = self.room.product(record.sku, **_columns(fields))
        for size in SIZES:
            if size in fields:
                price = Decimal(fields[size])
                sku = f"{record.sku}-{size}"
                self.room.erp.add("product_variant", product_id=record.internal_id, sku=sku, price=price)
        self._edited(record, "erp", fields)

    def _make_outside(self, record: Known, fields: Values) -> None:
        sent = {name: value for name, value in fields.items() if name not in SIZES}
        variants = [_variant(record.sku, size, fields[size]) for size in SIZES if size in fields]
        made = self.room.world.create("products", sku=record.sku, variants=variants, **sent)
        record.external_id = made["id"]
        self._edited(record, "external", fields)

    def _edit_in_the_erp(self, record: Known, fields: Values) -> None:
        assert record.internal_id
        sizes = _sizes_of(record, "erp")
        fields = {name: value for name, value in fields.items() if name not in SIZES or name in sizes}
        if columns := _columns(fields):
            self.room.erp.edit("product", record.internal_id, **columns)
        for size in sizes & fields.keys():
            self.room.erp.query(
                "UPDATE erp.product_variant SET price = %(price)s WHERE product_id = %(id)s"
                " AND sku = %(sku)s AND deleted_at IS NULL RETURNING id",
                price=Decimal(fields[size]),
                id=record.internal_id,
                sku=f"{record.sku}-{size}",
            )
        self._edited(record, "erp", fields)

    def _edit_outside(self, record: Known, fields: Values) -> None:
        assert record.external_id
        sizes = _sizes_of(record, "external")
        fields = {name: value for name, value in fields.items() if name not in SIZES or name in sizes}
        sent = {name: value for name, value in fields.items() if name not in SIZES}
        if sizes & fields.keys():
            there = self.room.object("products", record.external_id)["variants"]
            prices = {f"{record.sku}-{size}": fields[size] for size in sizes & fields.keys()}
            sent["variants"] = [{**one, "price": prices.get(one["sku"], one["price"])} for one in there]
        if sent:
            self.room.world.edit("products", record.external_id, **sent)
        self._edited(record, "external", fields)

    def _edited(self, record: Known, side: Side, fields: Values) -> None:
        if fields:
            record.edit(side, fields)
            self.edits += 1

    # Runs, and what came of them

    def _run(self, *, full: bool) -> list[Any]:
        ended: list[Any] = self.runner.run(self.room.run(full=full, batch_size=7))
        return ended

    def _blur(self) -> None:
        pending = [one for one in self.known if one.pending]
        self.allowed += 2 * len(pending)
        for record in pending:
            record.blurred = True

    def _decide(self, chance: random.Random) -> int:
        """Resolve every open conflict, and say of what scans missed that it is gone."""
        room = self.room
        tenant, integration = room.tenant.id, room.integration_id
        opened = engine(psycopg_url(room.database.url))

        async def decide() -> int:
            found = await conflicts.conflicts(
                opened, tenant, integration_id=integration, entity="products", state="open", limit=500
            )
            for row in found:
                record = next(one for one in self.known if one.sku == self._sku(row["internal_id"]))
                if record.chosen is not None:
                    record.blurred = True
                record.chosen = chance.choice(SIDES)
                self.edits += 1
                await conflicts.settle(opened, tenant, row["id"], {}, record.chosen, BY)
            gone = await mappings.confirm_missing(opened, tenant, integration, "products", BY)
            return len(found) + gone

        return int(self.runner.run(decide()))

    def _sku(self, internal_id: Any) -> str:
        return str(self.room.erp.one("product", internal_id)["sku"])

    def _compare(self) -> None:
        ours, theirs = self._ours(), self._theirs()
        for record in self.known:
            here, there = ours.get(record.sku), theirs.get(record.sku)
            if record.agreed is None and here is not None and there is not None:
                record.revive()
            if not record.living:
                for side, found in (("erp", here), ("external", there)):
                    # Before they were in step, the other side's was a record of its own.
                    if side in record.deleted and record.agreed is not None:
                        assert found is None, f"{record.sku} was deleted ({side}) and is there again"
                continue
            assert here is not None, f"{record.sku} is not in the ERP"
            assert there is not None, f"{record.sku} is not outside"
            assert here == there, record
            for name, value in here.items():
                allowed = record.expected(name, self.policy)
                assert value in allowed, (record, name, value, allowed, self.policy)
            record.settle(here)
        assert self.room.judge() == [], issues(self.room)
        written = len([1 for call in self.room.world.history() for _ in call["changes"]])
        assert written <= 2 * self.edits + self.allowed, (written, self.edits, self.allowed)

    def _quiet(self) -> None:
        self.room.forget()
        before = self._sequences()
        ended = self._run(full=False)
        assert [run.status for run in ended] == [RunStatus.SUCCESS] * 2, issues(self.room)
        assert (self.room.writes(), self._sequences()) == ([], before)

    def _sequences(self) -> list[Any]:
        return self.room.erp.query("SELECT change_seq FROM erp.product ORDER BY id")

    def _ours(self) -> dict[str, Values]:
        rows = self.room.erp.query(
            "SELECT id, sku, name, price, gtin, active, (SELECT jsonb_object_agg(right(v.sku, 1),"
            " v.price::numeric(15,2)::text) FROM erp.product_variant v WHERE v.product_id = p.id"
            " AND v.deleted_at IS NULL) AS sizes FROM erp.product p WHERE deleted_at IS NULL"
        )
        found = {}
        for row in rows:
            record = next(one for one in self.known if one.sku == row["sku"])
            record.internal_id = row["id"]
            plain = {name: row[name] for name in ("name", "gtin", "active")}
            found[row["sku"]] = {**plain, "price": f"{row['price']:.2f}", **(row["sizes"] or {})}
        assert len(found) == len(rows)
        return found

    def _theirs(self) -> dict[str, Values]:
        found: dict[str, Values] = {}
        for item in self.room.world.objects("products"):
            assert item["sku"] not in found, f"{item['sku']} is there twice"
            record = next(one for one in self.known if one.sku == item["sku"])
            record.external_id = item["id"]
            plain = {name: item.get(name) for name in ("name", "gtin")}
            sizes = {one["sku"][-1]: f"{Decimal(one['price']):.2f}" for one in item.get("variants") or ()}
            price = f"{Decimal(item['price']):.2f}"
            found[item["sku"]] = {**plain, "active": item.get("active", True), "price": price, **sizes}
        return found


def _at(records: list[Known], place: int) -> Known:
    return records[place % len(records)]


def _columns(fields: Values) -> Values:
    columns = {name: value for name, value in fields.items() if name not in SIZES}
    return {**columns, "price": Decimal(columns["price"])} if "price" in columns else columns


def _variant(sku: str, size: str, price: str) -> Values:
    return {"sku": f"{sku}-{size}", "price": price, "active": True, "gtin": None, "options": {}}


def _sizes_of(record: Known, side: Side) -> set[str]:
    """Variants that are known to be on that side."""
    made = record.agreed if record.agreed is not None else record.edits[side]
    return set(SIZES) & made.keys()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.mark.timeout(7200 if LONG else 900)
def test_both_sides_equal_the_model(
    database: Database, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(opened: ExitStack, style: str) -> Room:
        world = opened.enter_context(start())
        return furnish(world, database, new_tenant(database, "Loja"), monkeypatch, style)

    made = type("Bound", (Machine,), {"make": staticmethod(make), "runner": runner})
    rules = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    seed(SEED)(made)
    run_state_machine_as_test(made, settings=rules)
    runner.run(engine(psycopg_url(database.url)).dispose())
    print(f"T9 pass examples={EXAMPLES} steps={EXAMPLES * STEPS} seed={SEED}")
