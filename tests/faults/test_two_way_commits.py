"""T2: a two-way run killed at each of its commits, with creates, edits and deletions on both sides."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from core.entities import ConflictPolicy, Entity
from tests.faults.conftest import LONG
from tests.faults.once import die
from tests.world.room import Room, issues

BATCH, STEP = (2, 1) if LONG else (5, 3)
CASES = [("world-keys", "after")]
if LONG:
    CASES += [("world", "before"), ("world", "after"), ("world-keys", "before"), ("world-single", "after")]
SEED = 20270212


@pytest.mark.parametrize(("style", "when"), CASES)
@pytest.mark.timeout(900)
async def test_killed_at_any_commit_both_sides_are_equal(
    connect_world: Callable[..., Room], style: str, when: str
) -> None:
    """Every round begins with both sides changed. The one whose run survives is the last. The gate takes
    every third commit, of one way to write."""
    room = connect_world(style)
    room.pair(policy=ConflictPolicy.ERP_WINS)
    ids = [room.product(f"E{n}") for n in range(4)]
    room.world.populate("products", 4, seed=SEED)
    await room.sync()
    for place in itertools.count(1, STEP):
        edits = change(room, ids, place)
        room.forget()
        survived = die(room.pairs[Entity.PRODUCTS], Entity.PRODUCTS, BATCH, place, when)
        room.expire()
        for run in await room.run(full=True):
            assert run.error is None, (place, run.error, issues(room))
        assert room.judge() == [], (place, issues(room))
        assert len(room.writes()) <= 2 * edits
        room.forget()
        await room.sync()
        assert room.writes() == [], place
        if survived:
            break
    assert place > 20
    print(f"T2 pass two-way {style} commits={place - 1} {when} seed={SEED}")


def change(room: Room, ids: list[UUID], place: int) -> int:
    """How many records were changed."""
    ids.append(room.product(f"E-{place}"))
    ids.append(room.product(f"F-{place}"))
    for offset in range(3):
        room.erp.edit("product", ids[place % 4 + offset], price=Decimal(100 + place))
    made = room.world.create("products", sku=f"W-{place}", name="De fora", price="5.00")
    for id_ in ("1", "2", "3"):
        room.world.edit("products", id_, name=f"De fora {place}")
    if place % 3 == 0:
        room.erp.delete("product", ids.pop(-3))
    if place % 3 == 1 and place > 1:
        room.world.delete("products", str(int(made["id"]) - 1))
    return 12
