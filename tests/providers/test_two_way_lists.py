"""Lists in two-way pairs: categories that one side does not know, and changes that only one side made."""

import pytest

from core.entities import Entity
from tests.world.room import Room


@pytest.fixture
def room(room: Room) -> Room:
    room.pair(Entity.CATEGORIES)
    room.pair()
    return room


async def test_a_category_that_only_the_erp_knows_stays(room: Room) -> None:
    shared = room.erp.add("category", name="Canecas", slug="canecas")
    await room.sync(Entity.CATEGORIES)
    product = room.product("P1", category_ids=[shared])
    await room.sync()
    await room.sync()
    own = room.erp.add("category", name="Só no ERP", slug="so-no-erp")
    room.erp.edit("product", product, category_ids=[shared, own])
    await room.sync()
    room.world.edit("products", room.external(product)["id"], name="Outro nome")
    await room.sync()
    row = room.erp.one("product", product)
    assert (row["name"], row["category_ids"]) == ("Outro nome", [shared, own])


async def test_categories_changed_outside_alone_are_no_conflict(room: Room) -> None:
    ids = [room.erp.add("category", name=name, slug=name) for name in ("a", "b")]
    await room.sync(Entity.CATEGORIES)
    product = room.product("P1", category_ids=ids[:1])
    await room.sync()
    room.erp.edit("product", product, name="Com base")
    await room.sync()
    external = [room.external(id_)["id"] for id_ in ids]
    room.world.edit("products", room.external(product)["id"], categories=external)
    await room.sync()
    assert room.query("SELECT count(*) FROM sync.conflict") == [(0,)]
    assert room.erp.one("product", product)["category_ids"] == ids
