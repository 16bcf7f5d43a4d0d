"""The discovery flow through Prefect and a worker, against a shop; and how it ends when it cannot go on."""

import subprocess
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import discovering
from core.entities import Entity
from core.errors import ConfigurationError, ContractError
from db import discovery
from db.audit import By
from deployments.apply import Prefect
from deployments.client import Api, Json
from sandbox.process import start as open_shop
from tasks.discovery import open_discovery
from tests.conftest import Tenant
from tests.faults.conftest import connect
from tests.providers.conftest import Shop, shop, store

__all__ = ["connect", "shop", "store"]

PRODUCTS, VARIABLE_EVERY = 1_250, 25


async def test_a_catalogue_is_linked_after_a_dry_run(
    connect: Callable[..., Awaitable[UUID]],
    tenant: Tenant,
    engine: AsyncEngine,
    prefect: Prefect,
    api: Api,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Callable[..., Awaitable[Any]],
    state_of: Callable[..., Awaitable[Json]],
) -> None:
    with open_shop(products=PRODUCTS, variable_every=VARIABLE_EVERY) as outside:
        pair = await connect(outside)
        sql(
            "INSERT INTO erp.product (tenant_id, sku, name)"
            " SELECT :tenant, 'SKU-' || lpad(n::text, 7, '0'), 'P' FROM generate_series(1, 1200) n",
            tenant=tenant.id,
        )
        variable = next(p for p in outside.truth("products") if p["variations"] and p["id"] <= 1200)
        variant = next(v for v in outside.truth("variations") if v["parent_id"] == variable["id"])
        sql(
            "INSERT INTO erp.product_variant (tenant_id, product_id, sku)"
            " SELECT :tenant, id, :sku FROM erp.product WHERE sku = :parent",
            tenant=tenant.id,
            sku=variant["sku"],
            parent=variable["sku"],
        )
        integration = sql("SELECT integration_id FROM sync.pair")[0][0]
        begun = await discovery.begin(engine, tenant.id, integration, Entity.PRODUCTS, By("ana"))
        start("deployments.warm")
        run = await prefect.discover(pair, begun)
        await until(lambda: ended(sql, begun), 120)
        assert sql("SELECT count(*) FROM sync.mapping") == [(0,)]
        row = await discovery.read(engine, tenant.id, begun)
        assert (row["state"], row["flow_run_id"], row["requested_by"]) == ("proposed", run, "ana")
        assert row["counts"] == {"sku": 1200, "unmatched": 50, "linked": 0, "invalid": 0}
        await until(lambda: completed(state_of, run))
        said = "1200 por SKU, 0 ambíguos, 50 sem par."
        assert (await state_of(run))["state"]["message"] == said
        artifacts = await api.call("POST", "/artifacts/filter", {})
        assert [a["data"] for a in artifacts if a["flow_run_id"] == str(run)] == [
            f"**Descoberta de vínculos**: {said}"
        ]
        from_prefect = await api.call("GET", "/deployments/name/discover/Descoberta de vínculos")
        body = {"parameters": {"pair_id": str(pair), "apply": True}, "state": {"type": "SCHEDULED"}}
        await api.call("POST", f"/deployments/{from_prefect['id']}/create_flow_run", body)
        await until(lambda: applied(sql), 120)
    linked = sql(
        "SELECT count(*) FROM sync.mapping m JOIN erp.product p ON p.id = m.internal_id"
        " WHERE m.entity = 'products' AND p.sku = 'SKU-' || lpad(m.external_id, 7, '0')"
    )
    assert linked == [(1200,)]
    variants = sql("SELECT external_id, parent_external_id FROM sync.mapping WHERE entity = 'variants'")
    assert [tuple(found) for found in variants] == [(str(variant["id"]), str(variable["id"]))]
    assert sql("SELECT applied_by FROM sync.discovery WHERE state = 'applied'") == [("prefect",)]


async def ended(sql: Callable[..., Any], id_: UUID) -> bool:
    return bool(sql("SELECT state <> 'running' FROM sync.discovery WHERE id = :id", id=id_)[0][0])


async def applied(sql: Callable[..., Any]) -> bool:
    return bool(sql("SELECT count(*) FROM sync.discovery WHERE state = 'applied'")[0][0])


async def completed(state_of: Callable[..., Awaitable[Json]], run: UUID) -> bool:
    return bool((await state_of(run))["state_type"] == "COMPLETED")


async def test_what_ends_it_early_is_on_record(shop: Shop, engine: AsyncEngine) -> None:
    pair = shop.pairs[Entity.CUSTOMERS]
    shop.store.control("faults", script=[{"path": "^customers", "kind": "html", "times": 9}])
    with pytest.raises(ContractError):
        async with open_discovery(pair, None, None) as opened:
            await discovering.read(opened.search, None)
    shop.store.control("faults")
    with pytest.raises(KeyboardInterrupt):
        async with open_discovery(pair, None, None):
            raise KeyboardInterrupt
    shop.query("UPDATE sync.integration SET status = 'paused'")
    with pytest.raises(ConfigurationError, match="pausada"):
        async with open_discovery(pair, None, None):
            pass
    rows = shop.query("SELECT state, message FROM sync.discovery ORDER BY created_at, id")
    assert [row.state for row in rows] == ["failed"] * 3
    assert "Resposta inesperada" in rows[0].message
    assert "interrompida" in rows[1].message
    assert "pausada" in rows[2].message


async def test_customers_of_a_shop_are_found_and_a_broken_one_does_not_stop_it(
    shop: Shop, engine: AsyncEngine
) -> None:
    with open_shop(products=30, customers=40) as own:
        shop.connect(own)
        await shop.run(Entity.CUSTOMERS)
        documents = shop.query("SELECT count(*) FROM erp.customer WHERE document IS NOT NULL")[0][0]
        shop.query("DELETE FROM sync.mapping")
        own.control("change", kind="customers", id=3, fields={"billing": {"cpf": "111.111.111-11"}})
        async with open_discovery(shop.pairs[Entity.CUSTOMERS], None, None) as opened:
            portion = await discovering.read(opened.search, None)
            findings = await discovering.propose(opened.search, portion)
            await discovery.add(engine, shop.tenant.id, opened.search.id, findings)
            counts = await discovery.conclude(engine, shop.tenant.id, opened.search.id)
    assert counts["invalid"] == 1
    assert documents - 1 <= counts["document"] <= documents
    assert counts["document"] + counts.get("email", 0) == 39
