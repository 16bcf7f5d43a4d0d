"""Two-way pairs: somebody edits a record while a run has it in hand."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core import engine, exporting
from core.entities import ConflictPolicy, Direction, Entity, RunStatus
from tests.providers.test_two_way import conflicts, linked, outside, quiet
from tests.world.room import Room
from tests.world.steps import changes

Connect = Callable[..., Room]


@pytest.fixture
def room(room: Room) -> Room:
    room.pair()
    return room


async def test_an_edit_between_our_look_and_our_write_is_not_lost(room: Room) -> None:
    """Of another field: it arrives in the ERP with the next import."""
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    await edit_meanwhile(room, id_, name="De fora", description="nova")
    assert room.external(id_)["name"] == "De fora"
    await room.sync()
    ours = room.erp.one("product", id_)
    assert (ours["name"], ours["description"], ours["price"]) == ("De fora", "nova", Decimal("8.00"))
    assert conflicts(room) == []
    assert room.judge() == []
    await quiet(room)


async def test_with_versions_not_even_of_the_same_field(connect_world: Connect) -> None:
    room = connect_world("world-careful")
    room.pair()
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    run = await edit_meanwhile(room, id_, price="9.00")
    assert run.status is RunStatus.PARTIAL
    assert room.external(id_)["price"] == "9.00"
    await room.run()
    assert conflicts(room) == [("open", ["price"])]
    assert room.external(id_)["price"] == "9.00"


async def edit_meanwhile(room: Room, id_: UUID, **fields: Any) -> Any:
    """An export between whose look and whose write somebody edits the record outside."""
    await room.phase(Entity.PRODUCTS, Direction.IMPORT)
    async with room.open(Entity.PRODUCTS, Direction.EXPORT) as run:
        job = run.job
        assert job is not None
        batch = exporting.map_records(job, await exporting.fetch(job, job.cursor))
        batch = await exporting.transform(job, batch)
        outside(room, id_, **fields)
        cursor = await exporting.upsert(job, batch)
        while cursor is not None:
            batch = exporting.map_records(job, await exporting.fetch(job, cursor))
            cursor = await exporting.upsert(job, await exporting.transform(job, batch))
    return run


async def test_an_erp_edit_behind_the_importing_batch_is_not_lost(room: Room) -> None:
    """The ERP changes a field while the import brings in another one of the same record."""
    (id_,) = await linked(room, "A")
    outside(room, id_, name="De fora")
    async with room.open(Entity.PRODUCTS, Direction.IMPORT) as run:
        job = run.job
        assert job is not None
        batch = await engine.transform(job, engine.map_records(job, await engine.fetch(job, job.cursor)))
        room.erp.edit("product", id_, price=Decimal("8.00"))
        assert await engine.upsert(job, batch) is None
    await room.sync()
    ours = room.erp.one("product", id_)
    assert (ours["name"], ours["price"]) == ("De fora", Decimal("8.00"))
    assert room.external(id_)["price"] == "8.00"
    assert room.judge() == []


async def test_an_erp_edit_behind_the_exporting_batch_is_not_lost(room: Room) -> None:
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    async with room.open(Entity.PRODUCTS, Direction.EXPORT) as run:
        job = run.job
        assert job is not None
        batch = exporting.map_records(job, await exporting.fetch(job, job.cursor))
        batch = await exporting.transform(job, batch)
        room.erp.edit("product", id_, price=Decimal("9.00"))
        await exporting.upsert(job, batch)
    await room.sync()
    assert room.external(id_)["price"] == "9.00"
    assert room.judge() == []


@pytest.mark.parametrize("policy", list(ConflictPolicy))
async def test_edits_behind_a_create_whose_answer_was_lost(
    connect_world: Connect, policy: ConflictPolicy
) -> None:
    """What was sent is the base of both sides, so that nobody has to be asked and no edit is overruled."""
    room = connect_world()
    room.pair(policy=policy)
    id_ = room.product("A")
    room.world.faults({"kind": "lost_answer", "match": {"method": "POST"}, "times": 1})
    async with room.open(Entity.PRODUCTS, Direction.EXPORT) as run:
        assert run.job is not None
        await changes(run, run.job)
    assert room.query("SELECT state FROM sync.outbox") == [("unknown",)]
    room.erp.edit("product", id_, price=Decimal("8.00"))
    room.world.edit("products", "1", name="De fora")
    await room.sync()
    await room.sync()
    ours, theirs = room.erp.one("product", id_), room.external(id_)
    assert (ours["price"], ours["name"]) == (Decimal("8.00"), "De fora")
    assert (theirs["price"], theirs["name"]) == ("8.00", "De fora")
    assert conflicts(room) == []
    assert room.judge() == []


async def test_an_edit_behind_a_keyed_create_goes_out_as_an_edit(connect_world: Connect) -> None:
    """The key is sent again with what it was sent with; anything else would be refused."""
    room = connect_world("world-keys")
    room.pair(direction=Direction.EXPORT)
    id_ = room.product("A")
    room.world.faults({"kind": "lost_answer", "match": {"method": "POST"}, "times": 3})
    async with room.open(Entity.PRODUCTS, Direction.EXPORT) as run:
        assert run.job is not None
        await changes(run, run.job)
    room.erp.edit("product", id_, price=Decimal("8.00"))
    await room.sync()
    await room.sync()
    assert room.external(id_)["price"] == "8.00"
    assert room.world.counts()["products"] == 1
    assert room.judge() == []


async def test_a_variant_edited_between_our_look_and_our_write(room: Room) -> None:
    """The list of variants is written as a whole; the other variant's new price still arrives in the ERP."""
    product = room.product("CAM")
    sizes = {
        size: room.erp.add("product_variant", product_id=product, sku=f"CAM-{size}", price=Decimal(30))
        for size in ("P", "M")
    }
    await room.sync()
    await room.sync()
    room.erp.edit("product_variant", sizes["P"], price=Decimal(31))
    await room.phase(Entity.PRODUCTS, Direction.IMPORT)
    there = room.external(product)["variants"]
    prices = {"CAM-P": "30.00", "CAM-M": "35.00"}
    outside(room, product, variants=[{**one, "price": prices[one["sku"]]} for one in there])
    await room.phase(Entity.PRODUCTS, Direction.EXPORT)
    await room.sync()
    assert room.erp.one("product_variant", sizes["M"])["price"] == Decimal(35)
    assert {one["price"] for one in room.external(product)["variants"]} == {"31.00", "35.00"}
    assert conflicts(room) == []
    assert room.judge() == []
    await quiet(room)


async def test_an_answer_from_the_past_decides_nothing(room: Room) -> None:
    """The ERP goes back to the old price, and the external system shows the old one from a cache."""
    (id_,) = await linked(room, "A")
    outside(room, id_, price="9.00")
    await room.sync()
    room.erp.edit("product", id_, price=Decimal("10.00"))
    stale = {"kind": "stale", "match": {"method": "GET", "path": "ids="}, "times": 1}
    room.world.faults(stale)
    await room.sync()
    assert room.world.fired()[0]["fired"] == 1
    await room.sync()
    assert room.external(id_)["price"] == "10.00"
    assert room.judge() == []
