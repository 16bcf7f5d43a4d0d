"""The cursor of an export passes no change, whatever the size of a batch and the order of commits."""

import pytest

from core.entities import Direction
from tests.world.erp import add
from tests.world.room import Room


@pytest.fixture
def room(room: Room) -> Room:
    room.pair(direction=Direction.EXPORT)
    return room


def outside(room: Room) -> list[str]:
    return sorted(item["sku"] for item in room.world.objects("products"))


async def test_a_transaction_larger_than_a_batch_arrives_whole(room: Room) -> None:
    """All its rows have one number: the id says where the next batch begins."""
    room.erp.add_many("product", [{"sku": f"P{n:02}", "name": f"P{n}"} for n in range(25)])
    await room.sync(batch_size=10)
    assert outside(room) == [f"P{n:02}" for n in range(25)]
    assert len(room.writes()) == 25


async def test_a_commit_that_comes_late_is_not_passed(room: Room) -> None:
    with room.erp.transaction() as cursor:
        add(cursor, room.tenant.id, "product", {"sku": "A", "name": "A"})
        room.product("B")
        await room.sync()
        assert outside(room) == [], "what came later waits for what came first"
    await room.sync()
    assert outside(room) == ["A", "B"]
