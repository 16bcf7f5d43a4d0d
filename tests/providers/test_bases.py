"""What both sides were when they were last in step is kept up to date: later changes are judged by it."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.entities import Direction, Entity
from tests.providers.test_two_way import conflicts, linked, outside, quiet
from tests.world.room import Room

Connect = Callable[..., Room]


@pytest.fixture
def room(room: Room) -> Room:
    room.pair()
    return room


@pytest.mark.parametrize("direction", [Direction.EXPORT, Direction.BOTH])
async def test_a_change_that_was_exported_and_is_undone_is_exported_too(
    connect_world: Connect, direction: Direction
) -> None:
    room = connect_world()
    room.pair(direction=direction)
    (id_,) = await linked(room, "A")
    for price in ("8.00", "10.00", "8.00"):
        room.erp.edit("product", id_, price=Decimal(price))
        await room.sync()
        assert room.external(id_)["price"] == price
    assert room.judge() == []


async def test_what_was_exported_is_no_edit_of_the_other_side(room: Room) -> None:
    """Else the next edit of the same field would meet it as a conflict."""
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    await room.sync()
    room.erp.edit("product", id_, price=Decimal("9.00"))
    outside(room, id_, name="De fora")
    await room.sync()
    assert conflicts(room) == []
    assert (room.external(id_)["price"], room.erp.one("product", id_)["name"]) == ("9.00", "De fora")
    await quiet(room)


async def test_what_was_imported_is_no_edit_of_the_erp(room: Room) -> None:
    (id_,) = await linked(room, "A")
    outside(room, id_, price="8.00")
    await room.sync()
    outside(room, id_, price="9.00")
    room.erp.edit("product", id_, name="Daqui")
    await room.sync()
    assert conflicts(room) == []
    assert room.erp.one("product", id_)["price"] == Decimal("9.00")
    assert room.external(id_)["name"] == "Daqui"
    await quiet(room)


async def test_a_conflict_stays_one_when_the_pair_only_exports_from_now(room: Room) -> None:
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    outside(room, id_, price="9.00")
    await room.sync()
    room.query("UPDATE sync.pair SET direction = 'export'")
    room.erp.edit("product", id_, price=Decimal("7.00"))
    await room.phase(Entity.PRODUCTS, Direction.EXPORT)
    assert room.external(id_)["price"] == "9.00"
    assert conflicts(room) == [("open", ["price"])]
