"""Conflicts resolved: each side gets what was chosen, and the next comparison brings nothing back."""

import asyncio
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Entity
from core.errors import ConfigurationError, ConflictError
from core.hashing import canonical
from core.merging import Merged, merge
from core.records import Address, Customer, Product, Record, StockLevel, Variant
from core.resolving import Typed
from core.trees import Tree, encoded, tree
from db import conflicts
from db.audit import By
from db.projection import View, project
from db.session import tenant_transaction
from tests.conftest import Database, Tenant
from tests.database.test_mappings import Ground

BY = By("ana", "preço certo")


@dataclass(frozen=True, slots=True)
class Case:
    """A record in conflict."""

    entity: Entity
    internal_id: uuid.UUID
    mapping_id: uuid.UUID
    conflict_id: uuid.UUID
    external: Tree


@pytest.fixture
def ground(database: Database, tenant: Tenant) -> Ground:
    return Ground(database, tenant)


async def erp_tree(engine: AsyncEngine, ground: Ground, case: Case) -> Tree:
    async with tenant_transaction(engine, ground.tenant.id) as connection:
        view = View(ground.integration, ground.tenant.branch_id)
        row = (await project(connection, view, case.entity, [case.internal_id]))[0]
    return plain(tree(row.record, frozenset(case.external)))


def plain(found: Tree) -> Tree:
    """As JSON holds it."""
    held: Tree = msgspec.json.decode(encoded(found))
    return held


async def clash(
    engine: AsyncEngine,
    ground: Ground,
    entity: Entity,
    internal_id: uuid.UUID,
    before: Record | None,
    now: Record,
    fields: frozenset[str],
) -> Case:
    """The conflict that a run would have noted: `before` is what both sides held when last in step."""
    mapping, conflict = uuid.uuid4(), uuid.uuid4()
    ground.sql(
        "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, internal_id, state,"
        " external_hash, internal_hash) VALUES (:id, :tenant, :integration, :entity, :external, :internal,"
        " 'conflict', 'x', 'y')",
        id=mapping,
        entity=entity.value,
        external=now.external_id,
        internal=internal_id,
    )
    external = plain(tree(now, fields))
    case = Case(entity, internal_id, mapping, conflict, external)
    base = plain(tree(before, fields)) if before else None
    if before is not None:
        ground.sql(
            "INSERT INTO sync.mapping_snapshot VALUES (:id, :tenant, CAST(:record AS json), NULL)",
            id=mapping,
            record=canonical(before).decode(),
        )
    ours = await erp_tree(engine, ground, case)
    paths = merge(base, base, ours, external, lambda _path: None).conflicts
    assert paths
    ground.sql(
        "INSERT INTO sync.conflict (id, tenant_id, integration_id, mapping_id, base, erp, external, fields)"
        " VALUES (:id, :tenant, :integration, :mapping, CAST(:base AS json), CAST(:erp AS json),"
        " CAST(:external AS json), CAST(:paths AS jsonb))",
        id=conflict,
        mapping=mapping,
        base=msgspec.json.encode({"erp": base, "external": base}).decode(),
        erp=encoded(ours).decode(),
        external=encoded(external).decode(),
        paths=msgspec.json.encode(paths).decode(),
    )
    return case


async def compared(engine: AsyncEngine, ground: Ground, case: Case) -> Merged:
    """What the next run makes of it: nothing may be in conflict, and nothing may come back to the ERP."""
    row = ground.sql(
        "SELECT s.record::text, s.erp, m.state, m.external_hash, m.internal_hash FROM sync.mapping m"
        " JOIN sync.mapping_snapshot s ON s.mapping_id = m.id WHERE m.id = :id",
        id=case.mapping_id,
    )[0]
    assert (row.state, row.external_hash, row.internal_hash) == ("active", None, None)
    kind = {Entity.PRODUCTS: Product, Entity.CUSTOMERS: Customer, Entity.STOCK: StockLevel}[case.entity]
    seen = msgspec.json.decode(row.record, type=kind)
    ours = await erp_tree(engine, ground, case)
    base = plain(tree(seen, frozenset(case.external)))
    return merge(row.erp, base, ours, case.external, lambda _path: None)


def seq(ground: Ground) -> int:
    return int(ground.sql("SELECT max(change_seq) FROM erp.product")[0][0])


FIELDS = frozenset({"name", "price", "description", "variants", "category_ids"})
BEFORE = Product(external_id="77", sku="A", name="Caneca", price=Decimal("10.00"), description="d")


async def product_case(engine: AsyncEngine, ground: Ground) -> Case:
    """Name and price changed on both sides, the description outside alone."""
    product = ground.product("A")
    ground.sql(
        "UPDATE erp.product SET name = 'Caneca ERP', price = 12.5, gtin = '7891000100103', description = 'd'"
    )
    now = msgspec.structs.replace(BEFORE, name="Caneca loja", price=Decimal("11.00"), description="nova")
    return await clash(engine, ground, Entity.PRODUCTS, product, BEFORE, now, FIELDS)


async def test_each_side_gets_what_was_chosen_for_it(engine: AsyncEngine, ground: Ground) -> None:
    case = await product_case(engine, ground)
    choices = {"name": "external", "price": Typed("13.90")}
    shown = await conflicts.preview(engine, ground.tenant.id, case.conflict_id, choices, None)  # type: ignore[arg-type]
    assert [(d.path, d.base, d.erp, d.external, d.final, d.to_erp, d.to_external) for d in shown] == [
        ("name", "Caneca", "Caneca ERP", "Caneca loja", "Caneca loja", True, False),
        ("price", "10.00", "12.50", "11.00", "13.90", True, True),
    ]
    assert ground.sql("SELECT name FROM erp.product") == [("Caneca ERP",)], "a preview writes nothing"
    before = seq(ground)
    done = await conflicts.settle(engine, ground.tenant.id, case.conflict_id, choices, None, BY)  # type: ignore[arg-type]
    assert (done.external_id, done.behind) == ("77", True), "the description is still to come"
    row = ground.sql("SELECT name, price, description, gtin FROM erp.product")[0]
    assert (row.name, str(row.price), row.description, row.gtin) == (
        *("Caneca loja", "13.9000", "d", "7891000100103"),
    )
    assert seq(ground) > before
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert (merged.external["name"], merged.external["price"]) == ("Caneca loja", "13.90")
    assert (merged.erp["name"], merged.erp["price"]) == ("Caneca loja", "13.90")
    assert merged.erp["description"] == "nova", "what only the shop changed is still to come"
    assert merged.base["price"] != merged.erp["price"], "the export has the price to write"
    conflict = ground.sql("SELECT state, resolution, resolved_by FROM sync.conflict")[0]
    assert tuple(conflict) == ("resolved", {"fields": {"name": "external", "price": "value"}}, "ana")
    assert ground.actions() == [("conflict.resolve", str(case.mapping_id), "ana", "preço certo")]
    with pytest.raises(conflicts.ConflictUnknown, match="já foi resolvido"):
        await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "erp", BY)


async def test_the_erp_wins_without_any_change_of_its_own(engine: AsyncEngine, ground: Ground) -> None:
    """The export reads changed rows alone, so the row has to count as changed."""
    case = await product_case(engine, ground)
    before = seq(ground)
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "erp", BY)
    assert seq(ground) > before
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert (merged.external["name"], merged.external["price"]) == ("Caneca ERP", "12.50")
    assert (merged.erp["name"], merged.erp["price"]) == ("Caneca ERP", "12.50")


async def test_the_erp_wins_also_where_it_went_back_to_the_base(engine: AsyncEngine, ground: Ground) -> None:
    case = await product_case(engine, ground)
    ground.sql("UPDATE erp.product SET price = 10")
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "erp", BY)
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert merged.external["price"] == "10.00"


async def test_the_external_side_wins_and_nothing_is_left_to_write(
    engine: AsyncEngine, ground: Ground
) -> None:
    case = await product_case(engine, ground)
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert merged.external == case.external
    assert merged.base == merged.erp


async def test_what_was_never_in_step_is_settled_too(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    now = Product(external_id="77", sku="A", name="Da loja", price=Decimal("9.90"))
    case = await clash(engine, ground, Entity.PRODUCTS, product, None, now, FIELDS)
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {"name": "erp"}, "external", BY)
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert merged.external == case.external | {"name": "Caneca"}
    assert merged.erp["price"] == "9.90"


async def test_variants_and_skus_with_dots(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    ground.sql(
        "INSERT INTO erp.product_variant (tenant_id, product_id, sku, price)"
        " SELECT :tenant, :product, sku, 12 FROM unnest(ARRAY['A.1', 'A.1.price', 'A-2', 'only-erp']) sku",
        product=product,
    )
    variants = [Variant(external_id=f"7{n}", sku=sku, price=Decimal("10.00")) for n, sku in
                enumerate(("A.1", "A.1.price", "A-2"))]  # fmt: skip
    before = Product(external_id="77", sku="A", name="Caneca", variants=tuple(variants))
    moved = [msgspec.structs.replace(variant, price=Decimal("11.00")) for variant in variants]
    now = msgspec.structs.replace(before, variants=tuple(moved))
    fields = frozenset({"variants"})
    case = await clash(engine, ground, Entity.PRODUCTS, product, before, now, fields)
    row = ground.sql("SELECT fields FROM sync.conflict")[0]
    assert set(row[0]) == {"variants.A.1.price", "variants.A.1.price.price", "variants.A-2.price"}
    choices = {"variants.A.1.price": "erp", "variants.A.1.price.price": Typed("15.00")}
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, choices, "external", BY)  # type: ignore[arg-type]
    prices = dict(tuple(row) for row in ground.sql("SELECT sku, price::text FROM erp.product_variant"))
    assert prices == {"A.1": "12.0000", "A.1.price": "15.0000", "A-2": "11.0000", "only-erp": "12.0000"}
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert merged.external["variants"]["A.1"]["price"] == "12.00"
    assert merged.external["variants"]["A.1.price"]["price"] == "15.00"
    assert merged.external["variants"]["A-2"]["price"] == "11.00"


async def test_a_variant_that_one_side_took_away(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    before = Product(
        external_id="77", sku="A", name="Caneca",
        variants=(Variant(external_id="71", sku="A-1", price=Decimal("10.00")),),
    )  # fmt: skip
    moved = msgspec.structs.replace(before.variants[0], price=Decimal("11.00"))
    now = msgspec.structs.replace(before, variants=(moved,))
    case = await clash(engine, ground, Entity.PRODUCTS, product, before, now, frozenset({"variants"}))
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    assert ground.sql("SELECT sku, price::text FROM erp.product_variant") == [("A-1", "11.0000")]
    assert (await compared(engine, ground, case)).conflicts == ()


async def test_stock_keeps_what_is_not_for_sale(engine: AsyncEngine, ground: Ground) -> None:
    product, level = ground.product("A"), uuid.uuid4()
    ground.sql(
        "INSERT INTO erp.stock_level (id, tenant_id, branch_id, product_id, on_hand, reserved, safety)"
        " VALUES (:level, :tenant, :branch, :product, 20, 3, 2)",
        level=level,
        branch=ground.tenant.branch_id,
        product=product,
    )
    before = StockLevel(external_id="77", product_id="77", on_hand=Decimal("10"))
    now = msgspec.structs.replace(before, on_hand=Decimal("8"))
    case = await clash(engine, ground, Entity.STOCK, level, before, now, frozenset({"on_hand"}))
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    assert ground.sql("SELECT on_hand::int, reserved::int FROM erp.stock_level") == [(13, 3)]
    merged = await compared(engine, ground, case)
    assert (merged.conflicts, merged.external["on_hand"]) == ((), "8")


async def test_one_address_is_changed_and_the_others_stay(engine: AsyncEngine, ground: Ground) -> None:
    customer = uuid.uuid4()
    ground.sql("INSERT INTO erp.customer (id, tenant_id, name) VALUES (:id, :tenant, 'Ana')", id=customer)
    ground.sql(
        "INSERT INTO erp.address (tenant_id, customer_id, kind, position, street, city) VALUES"
        " (:tenant, :id, 'billing', 0, 'Rua ERP', 'Recife'),"
        " (:tenant, :id, 'shipping', 1, 'Antiga', 'Olinda'),"
        " (:tenant, :id, 'shipping', 2, 'Rua C', 'Olinda')",
        id=customer,
    )
    billing = Address(kind="billing", street="Rua A", city="Recife")
    shipping = Address(kind="shipping", street="Rua B", city="Olinda")
    before = Customer(external_id="5", name="Ana", addresses=(billing, shipping))
    moved = msgspec.structs.replace(billing, street="Rua loja")
    now = msgspec.structs.replace(before, addresses=(moved, shipping))
    fields = frozenset({"name", "addresses"})
    case = await clash(engine, ground, Entity.CUSTOMERS, customer, before, now, fields)
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    streets = ground.sql("SELECT street FROM erp.address ORDER BY position")
    assert [row[0] for row in streets] == ["Rua loja", "Antiga", "Rua C"]
    assert (await compared(engine, ground, case)).conflicts == ()


async def test_categories_that_the_shop_does_not_know_stay(engine: AsyncEngine, ground: Ground) -> None:
    product, known, unknown, other = (uuid.uuid4() for _ in range(4))
    for id_, external in ((known, "1"), (unknown, None), (other, "2")):
        ground.sql("INSERT INTO erp.category (id, tenant_id, name) VALUES (:id, :tenant, 'C')", id=id_)
        if external:
            ground.sql(
                "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
                " VALUES (:tenant, :integration, 'categories', :external, :id)",
                external=external,
                id=id_,
            )
    ground.sql(
        "INSERT INTO erp.product (id, tenant_id, name, category_ids) VALUES (:id, :tenant, 'P', :ids)",
        id=product,
        ids=[known, unknown],
    )
    before = Product(external_id="77", sku=None, name="P")
    now = msgspec.structs.replace(before, category_ids=("2", "99"))
    case = await clash(engine, ground, Entity.PRODUCTS, product, before, now, frozenset({"category_ids"}))
    await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    assert set(ground.sql("SELECT category_ids FROM erp.product")[0][0]) == {other, unknown}
    merged = await compared(engine, ground, case)
    assert merged.conflicts == ()
    assert merged.external["category_ids"] == ["2", "99"], (
        "a category the ERP lacks is not taken away outside"
    )


async def test_a_choice_that_cannot_be_is_refused_and_nothing_is_written(
    engine: AsyncEngine, ground: Ground
) -> None:
    case = await product_case(engine, ground)
    tenant, id_ = ground.tenant.id, case.conflict_id
    refusals: list[tuple[dict[str, Any], Any, str]] = [
        ({"name": "erp"}, None, "Falta escolher: price"),
        ({"colour": "erp"}, "erp", "Não está em conflito: colour"),
        ({"price": Typed("caro")}, "erp", "Valor não aceito"),
        ({"name": Typed(5)}, "erp", "Valor não aceito"),
        ({"name": Typed(None)}, "erp", "Valor não aceito"),
        ({"price": Typed("99999999999999")}, "erp", "não cabe"),
    ]
    for choices, default, words in refusals:
        with pytest.raises(ConfigurationError, match=words):
            await conflicts.settle(engine, tenant, id_, choices, default, BY)
    assert ground.sql("SELECT state FROM sync.conflict") == [("open",)]
    ground.sql("UPDATE erp.product SET deleted_at = now()")
    with pytest.raises(conflicts.RecordGone):
        await conflicts.settle(engine, tenant, id_, {}, "erp", BY)
    with pytest.raises(conflicts.ConflictUnknown):
        await conflicts.settle(engine, tenant, uuid.uuid4(), {}, "erp", BY)


async def test_a_sku_that_another_product_has_is_a_conflict_of_its_own(
    engine: AsyncEngine, ground: Ground
) -> None:
    product = ground.product("A")
    ground.product("B")
    before = Product(external_id="77", sku="Z", name="Caneca")
    now = msgspec.structs.replace(before, sku="B")
    case = await clash(engine, ground, Entity.PRODUCTS, product, before, now, frozenset({"sku"}))
    with pytest.raises(ConflictError, match="uq_product_sku"):
        await conflicts.settle(engine, ground.tenant.id, case.conflict_id, {}, "external", BY)
    many = await conflicts.settle_all(engine, ground.tenant.id, ground.integration, "external", BY)
    assert (many.resolved, list(many.failed)) == ([], [case.conflict_id])
    assert ground.sql("SELECT state FROM sync.conflict") == [("open",)]


async def test_many_at_once_in_favour_of_one_side(
    engine: AsyncEngine, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "_PAGE", 2)
    pair = ground.sql(
        "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction)"
        " VALUES (:tenant, :integration, 'products', 'both') RETURNING id"
    )[0][0]
    for n in range(5):
        product = ground.product(f"P{n}")
        before = Product(external_id=str(n), sku=f"P{n}", name="Antes")
        now = msgspec.structs.replace(before, name="Loja")
        await clash(engine, ground, Entity.PRODUCTS, product, before, now, frozenset({"name"}))
    listed = await conflicts.conflicts(engine, ground.tenant.id, integration_id=ground.integration)
    assert [row["fields"] for row in listed] == [["name"]] * 5
    settled = await asyncio.gather(
        *(conflicts.settle_all(engine, ground.tenant.id, ground.integration, "external", BY) for _ in "ab")
    )
    resolved = [one for many in settled for one in many.resolved]
    assert {one.external_id for one in resolved} == {"0", "1", "2", "3", "4"}
    assert len(resolved) == 5
    assert {(one.pair_id, one.behind) for one in resolved} == {(pair, False)}
    assert ground.sql("SELECT DISTINCT name FROM erp.product") == [("Loja",)]
    assert await conflicts.conflicts(engine, ground.tenant.id) == []
    assert len(await conflicts.conflicts(engine, ground.tenant.id, state="resolved")) == 5
