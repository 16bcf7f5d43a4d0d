"""T4: creates whose answers are lost. None is made twice, and none waits for a person."""

import functools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.entities import Direction, RunStatus
from core.http import client
from tests.faults.conftest import LONG
from tests.world.room import Room, issues

CREATES = 10_000 if LONG else 1_000
SHARE = 0.3
SEED = 20261125
TIMEOUT_SECONDS = 1.0
RUNS = 12
KINDS = ("lost_answer", "500_after_commit", "reset", "timeout_after_commit")

Connect = Callable[..., Room]


def storm(path: str = "^/products") -> list[dict[str, Any]]:
    """Together they strike that share of the creates; a time-out costs time and is rarer."""
    shares = dict(zip(KINDS, (0.12, 0.1, 0.08, 0.03), strict=True))
    return [
        {
            "kind": kind,
            "match": {"method": "POST", "path": path},
            "probability": share,
            "seed": SEED + place,
            "seconds": TIMEOUT_SECONDS + 1,
        }
        for place, (kind, share) in enumerate(shares.items())
    ]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls end soon, so that a lost answer costs no half minute."""
    quick = functools.partial(client, timeout=httpx.Timeout(TIMEOUT_SECONDS))
    monkeypatch.setattr("tasks.connection.client", quick)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "style",
    ["world-ten", "world-both", *(("world-keys", "world-single", "world-single-keys") if LONG else ())],
)
@pytest.mark.timeout(3600 if LONG else 300)
async def test_no_create_is_doubled_and_none_stays_unknown(connect_world: Connect, style: str) -> None:
    room = connect_world(style)
    room.pair(direction=Direction.EXPORT)
    count = CREATES if "single" not in style or LONG else CREATES // 6
    room.erp.add_many("product", [{"sku": f"P{n}", "name": f"P{n}", "price": 1} for n in range(count)])
    room.world.faults(*storm())
    started = time.monotonic()
    runs = 0
    while unsettled(room) and runs < RUNS:
        runs += 1
        await room.export()
    seconds = time.monotonic() - started
    assert unsettled(room) == 0, issues(room)
    lost = sum(one["fired"] for one in room.world.fired())
    calls = sum(one["matched"] for one in room.world.fired()[:1])
    assert lost > 0.15 * calls
    room.world.faults()
    await room.sync()
    assert room.world.counts()["products"] == count
    assert room.judge() == []
    print(f"T4 pass {style} creates={count} lost={lost}/{calls} runs={runs} {seconds:.0f}s seed={SEED}")


@pytest.mark.usefixtures("impatient")
async def test_where_nobody_can_say_nothing_is_sent_twice(connect_world: Connect) -> None:
    """Neither keys nor a look-up: the lost ones wait for a person, and only they."""
    room = connect_world("world-blind")
    room.pair(direction=Direction.EXPORT)
    count = CREATES // 5
    room.erp.add_many("product", [{"sku": f"P{n}", "name": f"P{n}", "price": 1} for n in range(count)])
    room.world.faults(*storm())
    for _ in range(3):
        assert (await room.export()).status in (RunStatus.SUCCESS, RunStatus.PARTIAL)
    room.world.faults()
    await room.export()
    waiting = room.query("SELECT count(*) FROM sync.outbox WHERE state = 'unknown'")[0][0]
    assert waiting > 0
    mapped = room.query("SELECT count(*) FROM sync.mapping")[0][0]
    assert mapped + waiting == count
    references = [item["reference"] for item in room.world.objects("products")]
    assert len(references) == len(set(references))
    open_issues = "SELECT count(DISTINCT internal_id) FROM sync.issue WHERE state = 'open'"
    assert room.query(open_issues)[0][0] == waiting
    print(f"T4 pass world-blind creates={count} waiting={waiting} doubles=0 seed={SEED}")


def unsettled(room: Room) -> int:
    """Records that are not outside, or of which nobody knows."""
    found = room.query(
        "SELECT (SELECT count(*) FROM erp.product p WHERE NOT EXISTS"
        " (SELECT FROM sync.mapping m WHERE m.internal_id = p.id)) + (SELECT count(*) FROM sync.outbox)"
    )
    return int(found[0][0])
