"""Exports: what the ERP changes, and only that, arrives outside once."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.entities import Direction, Entity, Matching, RunStatus
from tests.world.room import Room, issues

Connect = Callable[..., Room]


@pytest.fixture
def room(room: Room) -> Room:
    room.pair(direction=Direction.EXPORT)
    return room


def mapping(room: Room) -> list[tuple[str, str | None]]:
    rows = room.query("SELECT state, orphaned_by FROM sync.mapping WHERE entity = 'products' ORDER BY id")
    return [tuple(row) for row in rows]


async def test_creates_updates_and_skips(room: Room) -> None:
    ids = [room.product(f"P{n}") for n in range(250)]
    run = await room.export()
    assert run.job is not None
    assert (run.job.counts.created, run.job.counts.processed) == (250, 250)
    assert room.judge() == []
    room.forget()
    room.erp.edit("product", ids[7], price=Decimal("11.50"))
    await room.sync()
    assert [change["version"] for change in room.writes()] == [2]
    assert room.external(ids[7])["price"] == "11.50"
    room.forget()
    await room.sync()
    assert room.writes() == []
    assert room.judge() == []


async def test_only_what_the_erp_changed_is_sent(room: Room) -> None:
    """What somebody filled in outside stays, as long as the ERP does not touch it."""
    id_ = room.product("A", description="da loja")
    await room.sync()
    external = room.external(id_)["id"]
    room.world.edit("products", external, description="com fotos", colour="azul")
    room.erp.edit("product", id_, price=Decimal("9.90"))
    await room.sync()
    found = room.external(id_)
    assert (found["price"], found["description"], found["colour"]) == ("9.90", "com fotos", "azul")
    assert found["version"] == 3


async def test_a_change_and_its_undoing_write_nothing(room: Room) -> None:
    id_ = room.product("A")
    await room.sync()
    room.forget()
    room.erp.edit("product", id_, price=Decimal("9.90"))
    room.erp.edit("product", id_, price=Decimal("10.00"))
    await room.sync()
    assert room.writes() == []


async def test_what_is_refused_becomes_an_issue_and_heals(room: Room) -> None:
    good, bad = room.product("A"), room.product("B", name=" ")
    run = await room.export()
    assert run.status is RunStatus.PARTIAL
    assert room.external(good)["sku"] == "A"
    found = issues(room)
    assert [(row[:3], row[5], row[6]) for row in found] == [
        (("export", "RecordError", "name"), str(bad), "open")
    ]
    assert room.judge() == []
    assert (await room.export()).status is RunStatus.SUCCESS, "a person's data is not tried again by itself"
    room.erp.edit("product", bad, name="Bule")
    await room.sync()
    assert room.external(bad)["name"] == "Bule"
    assert [row[6] for row in issues(room)] == ["resolved"]
    assert room.judge() == []


async def test_deleted_in_the_erp_is_left_alone_outside(room: Room) -> None:
    id_ = room.product("A")
    await room.sync()
    external = room.external(id_)["id"]
    room.forget()
    room.erp.delete("product", id_)
    await room.sync()
    assert mapping(room) == [("orphan", "erp")]
    room.erp.edit("product", id_, price=Decimal("1.00"))
    await room.sync()
    assert room.writes() == []
    room.erp.edit("product", id_, deleted_at=None, price=Decimal("2.00"))
    await room.sync()
    assert mapping(room) == [("active", None)]
    assert room.object("products", external)["price"] == "2.00"
    assert room.world.counts()["products"] == 1


async def test_deleted_outside_is_not_made_again(room: Room) -> None:
    ids = [room.product(f"P{n}") for n in range(30)]
    await room.sync()
    room.world.delete("products", room.external(ids[3])["id"])
    for price in ("2.00", "3.00"):
        for id_ in ids:
            room.erp.edit("product", id_, price=Decimal(price))
        run = await room.export()
        assert run.status is RunStatus.SUCCESS, issues(room)
    assert mapping(room).count(("orphan", "external")) == 1
    assert room.world.counts()["products"] == 29


async def test_a_world_that_lost_everything_orphans_nothing(room: Room) -> None:
    """Many 404 at once are a wrong address, not as many deletions."""
    ids = [room.product(f"P{n}") for n in range(10)]
    await room.sync()
    gone = [room.external(id_)["id"] for id_ in ids]
    for external in gone:
        room.world.delete("products", external)
    for id_ in ids:
        room.erp.edit("product", id_, price=Decimal("2.00"))
    assert (await room.export()).status is RunStatus.PARTIAL
    assert set(mapping(room)) == {("active", None)}
    assert {row[1] for row in issues(room)} == {"NotFoundError"}
    assert room.world.counts()["products"] == 0


async def test_what_exists_outside_is_linked_not_doubled(room: Room) -> None:
    there = room.world.create("products", sku="A", name="Caneca", price="5.00", colour="azul")
    id_ = room.product("A", price=Decimal("7.00"))
    await room.sync()
    found = room.external(id_)
    assert (found["id"], found["price"], found["colour"]) == (there["id"], "7.00", "azul")
    assert room.world.counts()["products"] == 1
    assert room.judge() == []


async def test_by_id_nothing_is_linked_by_its_sku(connect_world: Connect) -> None:
    room = connect_world(matching=Matching.ID)
    room.pair(direction=Direction.EXPORT)
    room.world.create("products", sku="A", name="Caneca", price="5.00")
    id_ = room.product("A")
    await room.sync()
    assert room.external(id_)["id"] == "2"


async def test_two_candidates_wait_for_a_person(room: Room) -> None:
    for _ in range(2):
        room.world.create("products", sku="A", name="Caneca", price="5.00")
    room.product("A")
    assert (await room.export()).status is RunStatus.PARTIAL
    assert [row[1] for row in issues(room)] == ["ConflictError"]
    assert room.writes() == []
    assert mapping(room) == []


async def test_the_counterpart_of_another_record_is_not_taken(room: Room) -> None:
    first = room.product("A")
    await room.sync()
    room.erp.edit("product", first, sku="B")
    second = room.product("A")
    run = await room.export()
    assert run.status is RunStatus.SUCCESS or [row[1] for row in issues(room)] == ["ConflictError"]
    await room.export()
    await room.export()
    external = {room.external(first)["id"]}
    found = room.query("SELECT external_id FROM sync.mapping WHERE internal_id = :id", id=second)
    assert external.isdisjoint(row[0] for row in found)
    assert room.external(first)["sku"] == "B"


async def test_a_link_made_by_hand_is_written_in_full(room: Room) -> None:
    there = room.world.create("products", sku="X", name="Caneca", price="5.00", colour="azul")
    id_ = room.product("A", price=Decimal("7.00"))
    room.query(
        "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, synced_at)"
        " VALUES (:tenant, :integration, 'products', :external, :id, NULL)",
        tenant=room.tenant.id,
        integration=room.integration_id,
        external=there["id"],
        id=id_,
    )
    await room.sync()
    found = room.object("products", there["id"])
    assert (found["sku"], found["price"], found["colour"]) == ("A", "7.00", "azul")
    assert room.world.counts()["products"] == 1
    assert room.judge() == []


async def test_a_reference_that_came_later_completes_its_record(room: Room) -> None:
    room.pair(Entity.CATEGORIES, Direction.EXPORT)
    category = room.erp.add("category", name="Canecas", slug="canecas")
    id_ = room.product("A", category_ids=[category])
    await room.sync(Entity.PRODUCTS)
    assert room.external(id_)["categories"] == []
    room.forget()
    await room.sync(Entity.PRODUCTS)
    assert room.writes() == []
    await room.sync(Entity.CATEGORIES)
    await room.sync(Entity.PRODUCTS)
    assert room.external(id_)["categories"] == [room.external(category)["id"]]
    assert room.judge() == []
    room.forget()
    await room.sync(Entity.PRODUCTS)
    assert room.writes() == []


async def test_a_child_category_finds_its_parent(room: Room) -> None:
    room.pair(Entity.CATEGORIES, Direction.EXPORT)
    parent = room.erp.add("category", name="Louça", slug="louca")
    room.erp.add("category", name="Canecas", slug="canecas", parent_id=parent)
    await room.sync(Entity.CATEGORIES)
    await room.sync(Entity.CATEGORIES)
    assert room.judge() == []


async def test_customers_and_orders(room: Room) -> None:
    room.pair(Entity.CUSTOMERS, Direction.EXPORT)
    room.pair(Entity.ORDERS, Direction.EXPORT)
    customer = room.erp.add("customer", name="Ana Lima", document="52998224725", email="ana@exemplo.test")
    room.erp.add("address", customer_id=customer, kind="billing", city="Recife", state="PE")
    product = room.product("A")
    order = room.erp.add(
        "order",
        number="1001",
        status="paid",
        total=Decimal("20.00"),
        items_total=Decimal("20.00"),
        customer_id=customer,
        placed_at="2026-11-01T10:00:00Z",
    )
    room.erp.add(
        "order_item",
        order_id=order,
        position=0,
        product_id=product,
        sku="A",
        name="A",
        quantity=2,
        unit_price=10,
        total=20,
    )
    for entity in (Entity.PRODUCTS, Entity.CUSTOMERS, Entity.ORDERS):
        await room.sync(entity)
    assert room.judge() == []
    shown = room.external(order)
    assert (shown["customer"], shown["items"][0]["product"]) == (
        room.external(customer)["id"],
        room.external(product)["id"],
    )
    assert room.external(customer)["addresses"][0]["city"] == "Recife"
    room.erp.query("UPDATE erp.address SET city = 'Olinda' RETURNING id")
    room.erp.edit("order", order, status="shipped")
    await room.sync(Entity.CUSTOMERS)
    await room.sync(Entity.ORDERS)
    assert room.external(customer)["addresses"][0]["city"] == "Olinda"
    assert room.external(order)["status"] == "shipped"


async def test_what_the_world_rounds_is_written_once(connect_world: Connect) -> None:
    room = connect_world("world-lossy")
    room.pair(direction=Direction.EXPORT)
    id_ = room.product("A", name="Caneca de porcelana", price=Decimal("10.55"))
    await room.sync()
    assert room.external(id_)["price"] == "10.5"
    room.forget()
    await room.sync()
    room.erp.edit("product", id_, description="nova")
    await room.sync()
    assert len(room.writes()) == 1
    room.erp.edit("product", id_, price=Decimal("10.58"))
    await room.sync()
    await room.sync()
    assert len(room.writes()) == 2
    assert room.erp.one("product", id_)["price"] == Decimal("10.58")


@pytest.mark.parametrize("style", ["world-single", "world-single-keys", "world-careful", "world-keys"])
async def test_one_by_one_and_with_keys(connect_world: Connect, style: str) -> None:
    room = connect_world(style)
    room.pair(direction=Direction.EXPORT)
    ids = [room.product(f"P{n}", name=" " if n == 3 else f"P{n}") for n in range(12)]
    assert (await room.export()).status is RunStatus.PARTIAL
    room.world.delete("products", room.external(ids[0])["id"])
    room.world.edit("products", room.external(ids[1])["id"], description="de fora")
    for id_ in ids:
        room.erp.edit("product", id_, name="Novo", price=Decimal("4.00"))
    run = await room.export()
    assert run.status is RunStatus.SUCCESS, issues(room)
    assert room.external(ids[1])["description"] == "de fora"
    assert room.external(ids[3])["name"] == "Novo"
    assert mapping(room).count(("orphan", "external")) == 1
    assert [row[6] for row in issues(room)] == ["resolved"]


@pytest.mark.parametrize("fault", ["500", "html", "reset", "429"])
async def test_a_world_in_trouble_is_met_again(room: Room, fault: str) -> None:
    """Updates are repeated; what was not written is read again by the next run."""
    ids = [room.product(f"P{n}") for n in range(120)]
    await room.sync()
    for id_ in ids:
        room.erp.edit("product", id_, price=Decimal("3.00"))
    times = 1 if fault == "429" else 8
    room.world.faults({"kind": fault, "match": {"method": "POST"}, "times": times})
    await room.export()
    room.world.faults()
    await room.export()
    assert {item["price"] for item in room.world.objects("products")} == {"3.00"}
    assert [row for row in issues(room) if row[6] == "open"] == []
    assert room.judge() == []


async def test_an_unlinked_record_is_found_by_our_reference(room: Room) -> None:
    id_ = room.product("A")
    await room.sync()
    external = room.external(id_)["id"]
    room.query("DELETE FROM sync.mapping")
    room.erp.edit("product", id_, sku="B")
    await room.sync()
    assert room.external(id_)["id"] == external
    assert room.world.counts()["products"] == 1


async def test_a_pair_with_nothing_to_do_asks_for_nothing(room: Room) -> None:
    room.product("A")
    await room.sync()
    room.forget()
    await room.sync()
    assert room.calls() == []
