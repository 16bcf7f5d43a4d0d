"""Exports of stock: what can be sold, of one branch or of all of them."""

from decimal import Decimal

import pytest

from core.entities import Direction, Entity
from tests.world.room import Room


@pytest.fixture
def room(room: Room) -> Room:
    room.pair(direction=Direction.EXPORT)
    return room


async def test_stock_is_what_can_be_sold(room: Room) -> None:
    room.pair(Entity.STOCK, Direction.EXPORT)
    products = [room.product(f"P{n}") for n in range(3)]
    levels = [
        room.erp.add(
            "stock_level",
            branch_id=room.tenant.branch_id,
            product_id=product,
            on_hand=on_hand,
            reserved=reserved,
            safety=safety,
        )
        for product, (on_hand, reserved, safety) in zip(
            products, [(10, 3, 2), (4, 3, 2), (7, 0, 0)], strict=True
        )
    ]
    await room.sync(Entity.STOCK)
    assert room.world.counts()["stock"] == 0, "what is not outside has no stock there"
    await room.sync(Entity.PRODUCTS)
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [5, 0, 7]
    assert room.judge() == []
    room.forget()
    room.erp.edit("stock_level", levels[1], reserved=9)
    room.erp.edit("stock_level", levels[2], reserved=8)
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [5, 0, 0]
    assert len(room.writes()) == 1, "what is published did not change for the other"


@pytest.mark.parametrize("linked", [False, True])
async def test_stock_of_one_branch_or_of_all(room: Room, linked: bool) -> None:
    room.pair(Entity.STOCK, Direction.EXPORT)
    other = room.erp.add("branch", code="2", name="Loja 2")
    if linked:
        room.query("UPDATE sync.integration SET branch_id = :branch", branch=other)
    product = room.product("A")
    ours = {
        branch: room.erp.add("stock_level", branch_id=branch, product_id=product, on_hand=on_hand)
        for branch, on_hand in ((room.tenant.branch_id, 5), (other, 3))
    }
    await room.sync()
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [3 if linked else 8]
    room.erp.edit("stock_level", ours[room.tenant.branch_id], on_hand=6)
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [3 if linked else 9]
    room.erp.edit("stock_level", ours[other], on_hand=1)
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [1 if linked else 7]
    room.erp.edit("stock_level", ours[other], on_hand=2, reserved=4)
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [0 if linked else 6]
    room.erp.delete("stock_level", ours[room.tenant.branch_id])
    await room.sync(Entity.STOCK)
    assert [item["quantity"] for item in room.world.objects("stock")] == [0]


async def test_variants_travel_with_their_product_and_have_stock(room: Room) -> None:
    room.pair(Entity.STOCK, Direction.EXPORT)
    product = room.product("CAM")
    sizes = {
        size: room.erp.add(
            "product_variant",
            product_id=product,
            sku=f"CAM-{size}",
            price=Decimal("30.00"),
            options={"Tamanho": size},
        )
        for size in ("P", "M")
    }
    room.erp.add(
        "stock_level",
        branch_id=room.tenant.branch_id,
        product_id=product,
        variant_id=sizes["M"],
        on_hand=4,
    )
    await room.sync()
    await room.sync(Entity.STOCK)
    assert room.judge() == []
    assert [item["variant"] for item in room.world.objects("stock")] == ["1/CAM-M"]
    room.forget()
    room.erp.edit("product_variant", sizes["P"], price=Decimal("31.00"))
    await room.sync()
    assert len(room.writes()) == 1
    room.erp.delete("product_variant", sizes["M"])
    room.erp.add("product_variant", product_id=product, sku="CAM-G", price=Decimal("33.00"))
    await room.sync()
    shown = room.external(product)["variants"]
    assert {one["sku"]: one["price"] for one in shown} == {"CAM-P": "31.00", "CAM-G": "33.00"}
    assert room.judge() == []
