"""An import leaves alone what its external system has no field for."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from core.entities import Direction, Entity
from providers import registry
from tests.world.provider import PROVIDERS
from tests.world.room import Room

WORLD = PROVIDERS[0]
PRODUCTS = WORLD.resources[Entity.PRODUCTS]
FORGETFUL = replace(
    WORLD,
    key="world-forgetful",
    resources={
        **WORLD.resources,
        Entity.PRODUCTS: replace(PRODUCTS, fields=frozenset({"sku", "name", "price", "description"})),
    },
)


async def test_fields_and_variants_that_it_does_not_know_stay(
    connect_world: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._BY_KEY, FORGETFUL.key, FORGETFUL)
    room = connect_world(FORGETFUL.key)
    room.pair(direction=Direction.IMPORT)
    id_ = room.product("A", gtin="7890000000000", length_cm=Decimal(12), description="nossa")
    variant = room.erp.add("product_variant", product_id=id_, sku="A-P", price=Decimal("3.00"))
    there = room.world.create("products", sku="A", name="De fora", price="5.00")
    await room.sync()
    ours = room.erp.one("product", id_)
    assert (ours["name"], ours["price"], ours["description"]) == ("De fora", Decimal("5.00"), "")
    assert (ours["gtin"], ours["length_cm"]) == ("7890000000000", Decimal(12))
    assert room.erp.one("product_variant", variant)["deleted_at"] is None
    room.world.edit("products", there["id"], name="Outra vez")
    await room.sync()
    ours = room.erp.one("product", id_)
    assert (ours["name"], ours["gtin"], ours["length_cm"]) == ("Outra vez", "7890000000000", Decimal(12))
