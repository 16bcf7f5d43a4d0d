"""A run that waits long keeps its pair; one that is gone does not."""

import asyncio

import pytest

from core.entities import Direction, Entity, RunStatus, Trigger
from tasks.job import open_run
from tests.world.room import Room


async def test_a_run_that_waits_for_longer_than_its_lease_keeps_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDTOSYS_LEASE_SECONDS", "1")
    pair = room.pair(direction=Direction.IMPORT)
    async with room.open(Entity.PRODUCTS, Direction.IMPORT) as run:
        await asyncio.sleep(2.2)
        async with open_run(
            pair, Entity.PRODUCTS, full=False, initiated_by=Trigger.MANUAL, flow_run_id=None, slot_at=None
        ) as other:
            assert other is None
    assert run.status is RunStatus.SUCCESS
    statuses = room.query("SELECT status FROM sync.sync_log ORDER BY started_at")
    assert statuses == [("success",), ("skipped",)]
