"""Two-way pairs: both sides change, and end as one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core.entities import ConflictPolicy, Direction, Entity
from tests.world.room import Room, issues

Connect = Callable[..., Room]


@pytest.fixture
def room(room: Room) -> Room:
    room.pair()
    return room


async def linked(room: Room, *skus: str, **columns: Any) -> list[UUID]:
    """Products that are on both sides and in step."""
    ids = [room.product(sku, **columns) for sku in skus]
    await room.sync()
    await room.sync()
    room.forget()
    return ids


def outside(room: Room, id_: UUID, **fields: Any) -> None:
    room.world.edit("products", room.external(id_)["id"], **fields)


def conflicts(room: Room) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in room.query("SELECT state, fields FROM sync.conflict ORDER BY id")]


def states(room: Room) -> list[tuple[str, str | None]]:
    rows = room.query("SELECT state, orphaned_by FROM sync.mapping WHERE entity = 'products' ORDER BY id")
    return [tuple(row) for row in rows]


async def quiet(room: Room) -> None:
    """Nothing is written any more, on either side."""
    room.forget()
    before = [row["change_seq"] for row in room.erp.query("SELECT change_seq FROM erp.product ORDER BY id")]
    await room.sync()
    after = [row["change_seq"] for row in room.erp.query("SELECT change_seq FROM erp.product ORDER BY id")]
    assert (room.writes(), after) == ([], before)


async def test_each_side_makes_and_edits_and_both_are_equal(room: Room) -> None:
    ours = [room.product(f"E{n}") for n in range(20)]
    room.world.populate("products", 30, seed=1)
    await room.sync()
    assert room.world.counts()["products"] == 50
    assert len(room.writes()) == 20
    assert room.judge() == []
    await quiet(room)
    room.erp.edit("product", ours[0], price=Decimal("77.00"))
    room.world.edit("products", "3", name="De fora")
    room.forget()
    await room.sync()
    assert len(room.writes()) == 1
    assert room.erp.one("product", room.internal("3"))["name"] == "De fora"
    assert room.judge() == []
    await quiet(room)


async def test_an_edit_is_one_write_and_its_echo_none(room: Room) -> None:
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    await room.sync()
    assert len(room.writes()) == 1
    seq = room.erp.one("product", id_)["change_seq"]
    for _ in range(3):
        await room.sync()
    assert len(room.writes()) == 1
    assert room.erp.one("product", id_)["change_seq"] == seq
    outside(room, id_, price="9.00")
    await room.sync()
    seq = room.erp.one("product", id_)["change_seq"]
    for _ in range(3):
        await room.sync()
    assert len(room.writes()) == 1
    assert room.erp.one("product", id_)["change_seq"] == seq


@pytest.mark.parametrize("policy", list(ConflictPolicy))
async def test_different_fields_are_merged_without_asking(
    connect_world: Connect, policy: ConflictPolicy
) -> None:
    room = connect_world()
    room.pair(policy=policy)
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    outside(room, id_, name="De fora")
    await room.sync()
    assert (room.external(id_)["price"], room.external(id_)["name"]) == ("8.00", "De fora")
    assert room.erp.one("product", id_)["name"] == "De fora"
    assert len(room.writes()) == 1
    assert conflicts(room) == []
    assert room.judge() == []
    await quiet(room)


@pytest.mark.parametrize(
    ("policy", "erp_last", "expected"),
    [
        (ConflictPolicy.ERP_WINS, False, "8.00"),
        (ConflictPolicy.EXTERNAL_WINS, True, "9.00"),
        (ConflictPolicy.NEWEST, True, "8.00"),
        (ConflictPolicy.NEWEST, False, "9.00"),
    ],
)
async def test_one_field_on_both_sides_goes_by_the_policy(
    connect_world: Connect, policy: ConflictPolicy, erp_last: bool, expected: str
) -> None:
    room = connect_world()
    room.pair(policy=policy)
    (id_,) = await linked(room, "A")
    edits: list[Callable[[], None]] = [
        lambda: outside(room, id_, price="9.00", name="De fora"),
        lambda: room.erp.edit("product", id_, price=Decimal("8.00"), gtin="7890000000000"),
    ]
    for edit in edits if erp_last else reversed(edits):
        edit()
    await room.sync()
    found, ours = room.external(id_), room.erp.one("product", id_)
    assert (found["price"], ours["price"]) == (expected, Decimal(expected))
    assert (found["name"], ours["name"]) == ("De fora", "De fora")
    assert (found["gtin"], ours["gtin"]) == ("7890000000000", "7890000000000")
    assert len(room.writes()) == 1
    assert conflicts(room) == []
    await quiet(room)


async def test_the_erp_goes_back_to_what_it_had_before_it_won(connect_world: Connect) -> None:
    room = connect_world()
    room.pair(policy=ConflictPolicy.ERP_WINS)
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    outside(room, id_, price="9.00")
    await room.phase(Entity.PRODUCTS, Direction.IMPORT)
    room.erp.edit("product", id_, price=Decimal("10.00"))
    await room.sync()
    assert room.external(id_)["price"] == "10.00"
    assert room.judge() == []
    await quiet(room)


async def test_asking_freezes_the_record_and_nothing_else(room: Room) -> None:
    first, second = await linked(room, "A", "B")
    room.erp.edit("product", first, price=Decimal("8.00"), gtin="7890000000000")
    outside(room, first, price="9.00", name="De fora")
    room.erp.edit("product", second, price=Decimal("8.00"))
    await room.sync()
    assert conflicts(room) == [("open", ["price"])]
    base, erp, external = room.query("SELECT base, erp, external FROM sync.conflict")[0]
    assert (base["erp"]["price"], base["external"]["price"]) == ("10.00", "10.00")
    assert (erp["price"], external["price"]) == ("8.00", "9.00")
    assert len(room.writes()) == 1
    assert states(room).count(("conflict", None)) == 1
    room.erp.edit("product", first, description="mais")
    outside(room, first, colour="azul", description="menos")
    await room.sync()
    await room.sync()
    assert len(room.writes()) == 1
    assert room.erp.one("product", first)["name"] == "Produto A"
    assert room.external(first)["name"] == "De fora"
    assert len(conflicts(room)) == 1
    assert room.judge() == []


async def test_a_conflict_that_both_sides_settled_is_none(room: Room) -> None:
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    outside(room, id_, price="9.00")
    await room.sync()
    assert conflicts(room) == [("open", ["price"])]
    outside(room, id_, price="8.00")
    await room.sync()
    assert conflicts(room) == [("resolved", ["price"])]
    assert states(room) == [("active", None)]
    await quiet(room)
    assert room.judge() == []


async def test_equal_changes_are_no_conflict(room: Room) -> None:
    (id_,) = await linked(room, "A")
    room.erp.edit("product", id_, price=Decimal("8.00"))
    outside(room, id_, price="8.0")
    await room.sync()
    assert (conflicts(room), room.writes()) == ([], [])
    await quiet(room)
    assert room.judge() == []


async def test_deleted_in_the_erp_stays_deleted(room: Room) -> None:
    (id_,) = await linked(room, "A")
    external = room.external(id_)["id"]
    room.erp.delete("product", id_)
    await room.sync()
    assert states(room) == [("orphan", "erp")]
    room.world.edit("products", external, name="De fora")
    await room.sync(full=True)
    assert room.writes() == []
    assert room.erp.query("SELECT id FROM erp.product WHERE deleted_at IS NULL") == []
    assert states(room) == [("orphan", "erp")]


async def test_deleted_outside_is_not_made_again(room: Room) -> None:
    ids = await linked(room, *[f"P{n}" for n in range(12)])
    room.world.delete("products", room.external(ids[0])["id"])
    room.erp.edit("product", ids[0], price=Decimal("8.00"))
    await room.sync()
    await room.sync()
    assert room.writes() == []
    assert states(room).count(("orphan", "external")) == 1
    assert room.erp.one("product", ids[0])["deleted_at"] is None


@pytest.mark.parametrize("policy", list(ConflictPolicy))
async def test_what_both_have_is_linked_and_not_doubled(
    connect_world: Connect, policy: ConflictPolicy
) -> None:
    room = connect_world()
    room.pair(policy=policy)
    there = room.world.create("products", sku="A", name="Caneca", price="5.00")
    id_ = room.product("A", name="Caneca", price=Decimal("7.00"))
    same = room.product("B", name="Bule", price=Decimal("3.00"), length_cm=Decimal(12))
    room.world.create("products", sku="B", name="Bule", price="3.00")
    await room.sync()
    await room.sync()
    assert room.world.counts()["products"] == 2
    assert len(room.erp.query("SELECT id FROM erp.product")) == 2
    assert room.external(id_)["id"] == there["id"]
    assert room.erp.one("product", same)["length_cm"] == Decimal(12), "the world knows no length"
    if policy is ConflictPolicy.ASK:
        assert conflicts(room) == [("open", ["price"])]
        assert room.writes() == []
    else:
        erp_wins = policy is not ConflictPolicy.EXTERNAL_WINS
        assert room.external(id_)["price"] == ("7.00" if erp_wins else "5.00")
        assert conflicts(room) == []
    assert room.judge() == []


async def test_what_the_world_rounds_does_not_bounce(connect_world: Connect) -> None:
    room = connect_world("world-lossy")
    room.pair()
    (id_,) = await linked(room, "A", name="Caneca de porcelana", price=Decimal("10.55"))
    await quiet(room)
    room.erp.edit("product", id_, price=Decimal("10.58"), description="nova")
    await room.sync()
    await quiet(room)
    ours = room.erp.one("product", id_)
    assert (ours["price"], ours["name"]) == (Decimal("10.58"), "Caneca de porcelana")
    outside(room, id_, gtin="7890000000000")
    await room.sync()
    ours = room.erp.one("product", id_)
    assert (ours["price"], ours["name"], ours["gtin"]) == (
        Decimal("10.58"),
        "Caneca de porcelana",
        "7890000000000",
    )
    outside(room, id_, price="12.30")
    await room.sync()
    assert room.erp.one("product", id_)["price"] == Decimal("12.30")
    await quiet(room)


async def test_variants_of_both_sides_meet(room: Room) -> None:
    product = room.product("CAM")
    sizes = {
        size: room.erp.add("product_variant", product_id=product, sku=f"CAM-{size}", price=Decimal(30))
        for size in ("P", "M")
    }
    await room.sync()
    await room.sync()
    assert room.judge() == []
    room.forget()
    variants = room.external(product)["variants"]
    variants[0] |= {"price": "33.00"}
    outside(room, product, variants=[*variants, {"sku": "CAM-G", "price": "35.00", "active": True}])
    other = next(size for size in sizes if variants[0]["sku"] != f"CAM-{size}")
    room.erp.edit("product_variant", sizes[other], price=Decimal("31.00"))
    await room.sync()
    prices = {one["sku"]: one["price"] for one in room.external(product)["variants"]}
    assert prices == {f"CAM-{other}": "31.00", variants[0]["sku"]: "33.00", "CAM-G": "35.00"}
    assert len(room.writes()) == 1
    assert conflicts(room) == []
    assert room.judge() == []
    await quiet(room)


async def test_stock_sold_outside_and_counted_here(room: Room) -> None:
    room.pair(Entity.STOCK)
    product = room.product("A")
    level = room.erp.add(
        "stock_level", branch_id=room.tenant.branch_id, product_id=product, on_hand=10, reserved=2, safety=1
    )
    for _ in range(2):
        await room.sync()
        await room.sync(Entity.STOCK)
    assert room.external(level)["quantity"] == 7
    room.world.edit("stock", room.external(level)["id"], quantity=5)
    room.forget()
    await room.sync(Entity.STOCK)
    assert room.erp.one("stock_level", level)["on_hand"] == Decimal(8)
    assert room.writes() == []
    room.erp.edit("stock_level", level, reserved=6)
    await room.sync(Entity.STOCK)
    assert room.external(level)["quantity"] == 1
    assert room.judge() == []


async def test_categories_customers_and_orders_both_ways(room: Room) -> None:
    entities = (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS, Entity.ORDERS)
    for entity in entities:
        if entity is not Entity.PRODUCTS:
            room.pair(entity)
    for kind in ("categories", "products", "customers", "orders"):
        room.world.populate(kind, 20, seed=2)
    parent = room.erp.add("category", name="Louça", slug="louca")
    child = room.erp.add("category", name="Canecas", slug="canecas", parent_id=parent)
    room.product("X", category_ids=[child])
    room.erp.add("customer", name="Ana Lima", document="52998224725", email="ana@exemplo.test")
    for _ in range(3):
        for entity in entities:
            await room.sync(entity)
    assert room.judge() == []
    room.forget()
    for entity in entities:
        await room.sync(entity, full=True)
    assert room.writes() == []
    room.world.mutate(seed=4, count=30)
    room.erp.query("UPDATE erp.customer SET phone = '1133334444' WHERE name LIKE '%%a%%' RETURNING id")
    room.erp.query("UPDATE erp.\"order\" SET note = 'urgente' RETURNING id")
    for _ in range(2):
        for entity in entities:
            await room.run(entity)
    assert room.judge() == []
    assert [row for row in issues(room) if row[6] == "open"] == []
