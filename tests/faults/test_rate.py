"""T12: an export as fast as the external system allows, and never faster."""

import asyncio
import time
from collections.abc import Callable

import pytest

from core.entities import Direction, Entity, RunStatus
from tests.faults.conftest import LONG
from tests.world.room import Room, issues

CHANGES = 20_000 if LONG else 2_000
REQUESTS, SECONDS = 5, 1.0
SEED = 20261126


@pytest.mark.timeout(900)
async def test_price_changes_leave_at_the_allowed_speed(connect_world: Callable[..., Room]) -> None:
    room = connect_world(requests=REQUESTS, seconds=SECONDS)
    room.pair(direction=Direction.IMPORT)
    room.world.populate("products", CHANGES, seed=SEED)
    room.query("UPDATE sync.integration SET settings = '{}'")
    await room.sync()
    limit = f'{{"requests": "{REQUESTS}", "seconds": "{SECONDS}"}}'
    room.query("UPDATE sync.integration SET settings = CAST(:limit AS jsonb)", limit=limit)
    room.query("UPDATE sync.pair SET direction = 'export'")
    room.directions["products"] = "export"
    room.erp.query("UPDATE erp.product SET price = price + 1 RETURNING id")
    await asyncio.sleep(SECONDS)  # the calls of the import are out of the window
    room.world.switch(requests=REQUESTS, seconds=SECONDS)
    room.world.clear_meter()
    room.forget()
    started = time.monotonic()
    run = await room.phase(Entity.PRODUCTS, Direction.EXPORT)
    took = time.monotonic() - started
    assert run.status is RunStatus.SUCCESS, (run.error, issues(room))
    meter = room.world.meter()
    room.world.switch(requests=0)
    assert len(room.writes()) == CHANGES
    assert meter["violations"] == 0, meter
    share = meter["rate"] / (REQUESTS / SECONDS)
    assert share >= 0.95, meter
    assert took <= CHANGES / 100 / REQUESTS * SECONDS / 0.95 + 3
    print(f"T12 pass {share:.1%} of {REQUESTS}/s violations=0 changes={CHANGES} {took:.1f}s seed={SEED}")
