"""Mappings made, noted, broken and judged by a person: unique both ways, audited, and of one tenant."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.errors import ConfigurationError
from db import listings, mappings
from db.audit import By
from tests.conftest import Database, Tenant, new_tenant

BY = By("ana@exemplo.invalid", "catálogo antigo")


class Ground:
    """An integration of a tenant, and the database as an administrator sees it."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database = database
        self.tenant = tenant
        self.integration = uuid.uuid4()
        self.sql(
            "INSERT INTO sync.integration (id, tenant_id, provider, name)"
            " VALUES (:integration, :tenant, 'woocommerce', 'Loja')"
        )

    def sql(self, statement: str, **values: Any) -> Any:
        values = {"tenant": self.tenant.id, "integration": self.integration} | values
        with create_engine(self.database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def product(self, sku: str) -> uuid.UUID:
        made = self.sql(
            "INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, :sku, 'Caneca') RETURNING id",
            sku=sku,
        )
        return uuid.UUID(str(made[0][0]))

    def actions(self) -> list[tuple[str, str, str, str | None]]:
        rows = self.sql("SELECT action, target, actor, reason FROM sync.audit_log ORDER BY at, id")
        return [tuple(row) for row in rows]


@pytest.fixture
def ground(database: Database, tenant: Tenant) -> Ground:
    return Ground(database, tenant)


async def link(
    engine: AsyncEngine, ground: Ground, internal: uuid.UUID, external: str, kind: str = "products"
) -> uuid.UUID:
    return await mappings.create(
        engine,
        ground.tenant.id,
        ground.integration,
        kind,
        internal_id=internal,
        external_id=external,
        by=BY,
        notes=" à mão ",
    )


async def test_a_mapping_made_by_hand_has_nothing_to_skip_by(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    ground.sql(
        "INSERT INTO sync.outbox (tenant_id, integration_id, entity, internal_id, idempotency_key, state)"
        " VALUES (:tenant, :integration, 'products', :product, 'k', 'unknown')",
        product=product,
    )
    made = await link(engine, ground, product, " 77 ")
    row = ground.sql(
        "SELECT external_id, internal_id, state, notes, synced_at, external_hash, internal_hash"
        " FROM sync.mapping"
    )
    assert [tuple(found) for found in row] == [("77", product, "active", "à mão", None, None, None)]
    assert ground.actions() == [("mapping.create", str(made), BY.actor, BY.reason)]
    assert ground.sql("SELECT count(*) FROM sync.outbox") == [(0,)]


async def test_each_side_is_linked_once_and_the_error_names_the_link(
    engine: AsyncEngine, ground: Ground
) -> None:
    first, second = ground.product("A"), ground.product("B")
    made = await link(engine, ground, first, "77")
    with pytest.raises(mappings.MappingExists) as external:
        await link(engine, ground, second, "77")
    assert str(made) in external.value.message
    assert str(first) in external.value.message
    with pytest.raises(mappings.MappingExists) as internal:
        await link(engine, ground, first, "78")
    assert "77" in internal.value.message
    ground.sql("UPDATE sync.mapping SET state = 'orphan', orphaned_by = 'external'")
    await link(engine, ground, first, "78")
    with pytest.raises(mappings.MappingExists, match="órfão"):
        await link(engine, ground, second, "77")


@pytest.mark.parametrize(("direction", "counts"), [("import", False), ("both", False), ("export", True)])
async def test_what_is_linked_counts_as_changed_where_the_erp_is_exported(
    engine: AsyncEngine, ground: Ground, direction: str, counts: bool
) -> None:
    product = ground.product("A")
    ground.sql(
        "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction)"
        " VALUES (:tenant, :integration, 'products', :direction)",
        direction=direction,
    )
    before = ground.sql("SELECT change_seq FROM erp.product")
    await link(engine, ground, product, "77")
    assert (ground.sql("SELECT change_seq FROM erp.product") != before) is counts


async def test_two_people_at_once_make_one_mapping(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    made = await asyncio.gather(
        *(link(engine, ground, product, "77") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, uuid.UUID) for one in made) == 1
    assert sum(isinstance(one, mappings.MappingExists) for one in made) == 4


async def test_two_people_at_once_link_one_record_once(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    made = await asyncio.gather(
        *(link(engine, ground, product, f"7{n}") for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, uuid.UUID) for one in made) == 1
    assert sum(isinstance(one, mappings.MappingExists) for one in made) == 4


async def test_the_record_has_to_be_there(engine: AsyncEngine, ground: Ground, database: Database) -> None:
    with pytest.raises(mappings.RecordUnknown, match="não tem registro"):
        await link(engine, ground, uuid.uuid4(), "1")
    gone = ground.product("A")
    with pytest.raises(mappings.RecordUnknown, match="clientes"):
        await link(engine, ground, gone, "1", "customers")
    ground.sql("UPDATE erp.product SET deleted_at = now()")
    with pytest.raises(mappings.RecordUnknown, match="excluído"):
        await link(engine, ground, gone, "1")
    alive = ground.product("B")
    for wrong in ("", "  ", "9" * 256):
        with pytest.raises(ConfigurationError, match="ID externo"):
            await link(engine, ground, alive, wrong)
    stranger = Ground(database, new_tenant(database, "Outra"))
    with pytest.raises(mappings.RecordUnknown):
        await link(engine, stranger, alive, "1")


async def test_a_variant_is_linked_under_its_product(engine: AsyncEngine, ground: Ground) -> None:
    product = ground.product("A")
    variant = ground.sql(
        "INSERT INTO erp.product_variant (tenant_id, product_id, sku) VALUES (:tenant, :product, 'A-1')"
        " RETURNING id",
        product=product,
    )[0][0]
    with pytest.raises(ConfigurationError, match="vincule o produto antes"):
        await link(engine, ground, variant, "771", "variants")
    await link(engine, ground, product, "77")
    await link(engine, ground, variant, "771", "variants")
    found = ground.sql("SELECT parent_external_id FROM sync.mapping WHERE entity = 'variants'")
    assert found == [("77",)]


async def test_breaking_a_link_leaves_the_records_and_nothing_of_the_link(
    engine: AsyncEngine, ground: Ground
) -> None:
    product = ground.product("A")
    made = await link(engine, ground, product, "77")
    variant, level = uuid.uuid4(), uuid.uuid4()
    values = {"product": product, "variant": variant, "level": level, "made": made}
    ground.sql(
        "INSERT INTO erp.product_variant (id, tenant_id, product_id) VALUES (:variant, :tenant, :product)",
        **values,
    )
    ground.sql(
        "INSERT INTO erp.stock_level (id, tenant_id, branch_id, product_id, variant_id)"
        " SELECT :level, :tenant, id, :product, :variant FROM erp.branch",
        **values,
    )
    await link(engine, ground, variant, "771", "variants")
    await link(engine, ground, level, "771", "stock")
    other = await link(engine, ground, ground.product("B"), "78")
    ground.sql("INSERT INTO sync.mapping_snapshot VALUES (:made, :tenant, '{}')", **values)
    ground.sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, erp, external)"
        " VALUES (:tenant, :integration, :made, '{}', '{}')",
        **values,
    )
    ground.sql(
        "INSERT INTO sync.outbox (tenant_id, integration_id, entity, internal_id, idempotency_key)"
        " VALUES (:tenant, :integration, 'products', :product, 'k')",
        **values,
    )
    gone = await mappings.delete(engine, ground.tenant.id, made, BY)
    assert (gone["external_id"], gone["parts"]) == ("77", 2)
    assert ground.sql("SELECT id FROM sync.mapping") == [(other,)]
    for table in ("mapping_snapshot", "conflict", "outbox"):
        assert ground.sql(f"SELECT count(*) FROM sync.{table}") == [(0,)], table
    assert ground.sql("SELECT count(*) FROM erp.product WHERE deleted_at IS NULL") == [(2,)]
    assert ground.actions()[-1][:2] == ("mapping.delete", str(made))
    with pytest.raises(mappings.MappingUnknown):
        await mappings.delete(engine, ground.tenant.id, made, BY)


async def test_notes_and_history(engine: AsyncEngine, ground: Ground, database: Database) -> None:
    made = await link(engine, ground, ground.product("A"), "77")
    await mappings.annotate(engine, ground.tenant.id, made, "conferido com o fornecedor", By("rui"))
    with pytest.raises(ConfigurationError, match="2000"):
        await mappings.annotate(engine, ground.tenant.id, made, "x" * 2001, By("rui"))
    row = await mappings.read(engine, ground.tenant.id, made)
    assert row["notes"] == "conferido com o fornecedor"
    assert [(item["action"], item["actor"]) for item in row["history"]] == [
        ("mapping.note", "rui"),
        ("mapping.create", BY.actor),
    ]
    assert (row["conflicts"], row["issues"]) == ([], [])
    stranger = new_tenant(database, "Outra")
    with pytest.raises(mappings.MappingUnknown):
        await mappings.read(engine, stranger.id, made)


async def test_what_the_gate_holds_is_confirmed_or_released(engine: AsyncEngine, ground: Ground) -> None:
    made = [await link(engine, ground, ground.product(f"P{n}"), str(n)) for n in range(5)]
    ground.sql("UPDATE sync.mapping SET missing_at = now() WHERE external_id <> '4'")
    ground.sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, erp, external)"
        " VALUES (:tenant, :integration, :made, '{}', '{}')",
        made=made[1],
    )
    ground.sql(
        "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id,"
        " parent_external_id) VALUES (:tenant, :integration, 'variants', '11', gen_random_uuid(), '1')"
    )
    tenant, scope = ground.tenant.id, (ground.integration, "products")
    held = await listings.mappings(engine, tenant, held=True)
    assert {row["external_id"] for row in held} == {"0", "1", "2", "3"}
    assert await mappings.release_missing(engine, tenant, *scope, BY, [made[0], made[4]]) == 1
    assert await mappings.confirm_missing(engine, tenant, *scope, BY, [made[1], made[4]]) == 1
    assert await mappings.confirm_missing(engine, tenant, *scope, BY) == 2
    assert await mappings.confirm_missing(engine, tenant, *scope, BY) == 0
    states = ground.sql("SELECT external_id, state, orphaned_by, missing_at FROM sync.mapping")
    assert {row[0] for row in states if row[1] == "active"} == {"0", "4"}
    orphans = {tuple(row) for row in states if row[1] == "orphan"}
    assert orphans == {(id_, "orphan", "external", None) for id_ in ("1", "2", "3", "11")}
    assert all(row[3] is None for row in states)
    assert ground.sql("SELECT state, resolved_by FROM sync.conflict") == [("resolved", BY.actor)]
    assert ground.sql("SELECT count(*) FROM erp.product WHERE deleted_at IS NULL") == [(5,)]
    judged = [action for action in ground.actions() if action[0] != "mapping.create"]
    assert {action[:2] for action in judged} == {
        ("mapping.release", str(made[0])),
        *(("mapping.orphan", str(id_)) for id_ in made[1:4]),
    }


async def test_the_listing_finds_by_a_part_of_the_external_id(engine: AsyncEngine, ground: Ground) -> None:
    for n, external in enumerate(("GID/77", "gid_78", "x%y")):
        await link(engine, ground, ground.product(f"P{n}"), external)

    async def found(part: str) -> set[str]:
        return {row["external_id"] for row in await listings.mappings(engine, ground.tenant.id, search=part)}

    assert await found("gid") == {"GID/77", "gid_78"}
    assert await found("_") == {"gid_78"}
    assert await found("%") == {"x%y"}
    assert await found("") == {"GID/77", "gid_78", "x%y"}
