"""T1: SIGKILL of the worker at random moments of two-way runs of three entities."""

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import psutil
import pytest

from core.entities import ConflictPolicy, Entity, Trigger
from deployments.apply import Prefect
from tests.faults.conftest import LONG
from tests.world.room import Room, issues

KILLS, EVERY = int(os.environ.get("KILLS", "500")), int(os.environ.get("EVERY", "25"))
RECORDS = 300
SLOT_TRIES = 6
"""Killed between our last commit and Prefect's, a pair has its slot back once the mirror has looked."""
LONGEST = 0.8
"""Seconds from the beginning of a run within which it is killed."""
SEED = int(os.environ.get("SEED", "20261127"))
ENTITIES = (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS)
INTERRUPTED = (
    "SELECT l.pair_id, (SELECT min(n.started_at) FROM sync.sync_log n WHERE n.pair_id = l.pair_id"
    " AND n.started_at > :at AND n.status NOT IN ('interrupted', 'skipped')) FROM sync.sync_log l"
    " WHERE l.status = 'interrupted' AND l.ended_at > :at"
)
"""Runs that a kill ended, also those that had no log yet, and when each pair was at work again."""
BUSY = (
    "SELECT count(*) FROM sync.pair p WHERE lease_log_id IS NOT NULL OR (SELECT l.status FROM sync.sync_log l"
    " WHERE l.pair_id = p.id AND l.status <> 'skipped' ORDER BY l.started_at DESC, l.id DESC LIMIT 1)"
    " NOT IN ('success', 'partial')"
)
SERVED = (
    "SELECT count(DISTINCT pair_id) FROM sync.sync_log WHERE direction = 'export'"
    " AND status IN ('success', 'partial') AND started_at > :since"
)
RUNNING = "SELECT count(*) FROM sync.sync_log WHERE status = 'running'"

Until = Callable[..., Awaitable[Any]]
Start = Callable[..., "subprocess.Popen[bytes]"]


class Workers:
    """One that works; the next one is there at once."""

    def __init__(self, start: Start, until: Until) -> None:
        self._until = until
        self._nursery = psutil.Process(start("tests.faults.nursery").pid)
        self._active: psutil.Process | None = None

    async def follow(self) -> None:
        """The next one begins to work."""
        await self._until(self._stopped, 60)
        self._nursery.resume()
        await self._until(self._born, 10)

    def kill(self) -> None:
        if self._active is not None:
            self._active.kill()
            self._active.wait()
            self._active = None

    async def _stopped(self) -> bool:
        return bool(self._nursery.status() == psutil.STATUS_STOPPED)

    async def _born(self) -> bool:
        self._active = next(iter(self._nursery.children()), None)
        return self._active is not None


def change(room: Room, chance: random.Random, turn: int) -> None:
    """Creates, edits and a deletion on both sides."""
    for kind in ("categories", "products", "customers"):
        room.world.mutate(seed=SEED + turn, count=60, kind=kind, create=0.05)
    rows = [{"sku": f"E{turn}-{n}", "name": f"E{n}", "price": Decimal(n + 1)} for n in range(8)]
    room.erp.add_many("product", rows)
    room.erp.add_many("category", [{"slug": f"e{turn}-{n}", "name": f"E{n}"} for n in range(3)])
    room.erp.add_many("customer", [{"name": f"Cliente {turn}-{n}"} for n in range(3)])
    room.erp.query(
        "UPDATE erp.product SET price = %(price)s WHERE id IN (SELECT id FROM erp.product"
        " WHERE deleted_at IS NULL ORDER BY md5(id::text || %(turn)s) LIMIT 150) RETURNING id",
        price=Decimal(turn + 1),
        turn=str(turn),
    )
    room.erp.query(
        "UPDATE erp.customer SET email = %(mail)s WHERE id IN (SELECT id FROM erp.customer"
        " ORDER BY md5(id::text || %(turn)s) LIMIT 10) RETURNING id",
        mail=f"c{turn}@exemplo.test",
        turn=str(turn),
    )
    if chance.random() < 0.5:
        room.erp.query(
            "UPDATE erp.product SET deleted_at = now() WHERE id IN (SELECT id FROM erp.product"
            " WHERE deleted_at IS NULL ORDER BY md5(id::text || %(turn)s) LIMIT 1) RETURNING id",
            turn=str(turn),
        )


class Siege:
    """Runs of the pairs, asked for and waited for."""

    def __init__(self, room: Room, prefect: Prefect, until: Until) -> None:
        self.room, self.prefect, self.until = room, prefect, until
        self.chance = random.Random(SEED)

    async def begin(self, pairs: int) -> bool:
        """Whether a run is under way; a pair whose slot is not free yet begins none."""
        await self._trigger(pairs)
        with contextlib.suppress(AssertionError):
            return bool(await self.until(self._running, 20))
        return False

    async def settle(self) -> None:
        """An undisturbed run of each, then both sides must be equal."""
        since = self._now()
        for _ in range(SLOT_TRIES):
            await self._trigger(len(ENTITIES))
            with contextlib.suppress(AssertionError):
                await self.until(lambda: self._served(since), 20)
                break
        assert await self._served(since)
        await self.until(self._quiet, 120)
        assert self.room.judge() == [], issues(self.room)[-5:]

    async def kill(self, workers: Workers) -> list[float]:
        """Seconds after which the runs that it ended went on."""
        workers.kill()
        at = self._now()
        await workers.follow()
        await self.until(self._quiet, 120)
        hit = self.room.query(INTERRUPTED, at=at)
        assert all(again for _, again in hit), hit
        return [(again - at).total_seconds() for _, again in hit]

    async def _trigger(self, count: int) -> None:
        for pair in self.chance.sample(list(self.room.pairs.values()), count):
            await self.prefect.trigger(pair, initiated_by=Trigger.MANUAL)

    async def _quiet(self) -> bool:
        return not self.room.query(BUSY)[0][0]

    async def _running(self) -> bool:
        return bool(self.room.query(RUNNING)[0][0])

    async def _served(self, since: datetime) -> bool:
        """Whether every pair had a whole run since."""
        return bool(self.room.query(SERVED, since=since)[0][0] == len(ENTITIES))

    def _now(self) -> datetime:
        found: datetime = self.room.query("SELECT clock_timestamp()")[0][0]
        return found


@pytest.mark.skipif(not LONG, reason="make faults: the gate kills at commits (test_two_way_commits)")
@pytest.mark.timeout(5 * 3600)
async def test_killed_anywhere_both_sides_are_equal(
    connect_world: Callable[..., Room],
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    until: Until,
) -> None:
    room = connect_world()
    for entity in ENTITIES:
        room.pair(entity, policy=ConflictPolicy.ERP_WINS)
        room.world.populate(entity.value, RECORDS, seed=SEED)
    names = ("CLOUDTOSYS_KEYS", "CLOUDTOSYS_PROVIDERS", "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS")
    environment |= {name: os.environ[name] for name in names}
    environment["CLOUDTOSYS_LOOK_AGAIN_SECONDS"] = "0.5,1"
    await prefect.apply(list(room.pairs.values()))
    workers, siege = Workers(start, until), Siege(room, prefect, until)
    start("deployments.sentinel")
    try:
        resumed = await besiege(siege, workers)
    finally:
        workers.kill()
    assert max(resumed) <= 90
    shown = f"resumed median {statistics.median(resumed):.1f}s max {max(resumed):.1f}s"
    print(f"T1 pass kills={KILLS} runs={len(resumed)} lost=0 doubled=0 {shown} seed={SEED}")


async def besiege(siege: Siege, workers: Workers) -> list[float]:
    """Seconds after which the runs that were killed went on."""
    await workers.follow()
    await siege.settle()
    resumed: list[float] = []
    kills = turn = 0
    while kills < KILLS:
        turn += 1
        change(siege.room, siege.chance, turn)
        if not await siege.begin(siege.chance.choice((1, 1, 2))):
            continue
        await asyncio.sleep(siege.chance.uniform(0.0, LONGEST))
        seconds = await siege.kill(workers)
        resumed += seconds
        kills += bool(seconds)
        if turn % EVERY == 0:
            await siege.settle()
            print(f"T1 kills={kills} of {KILLS} max={max(resumed, default=0):.1f}s", flush=True)
    await siege.settle()
    return resumed
