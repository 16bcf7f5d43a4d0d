"""Rows become deployments in place: ids stay, schedules stay, what people change in Prefect is put back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.entities import Cadence, Entity, IntegrationStatus, Trigger
from deployments.apply import Prefect
from deployments.client import Api, Json
from deployments.fixed import FIXED


async def read(api: Api, id_: str) -> Json:
    found: Json = await api.call("GET", f"/deployments/{id_}")
    return found


async def test_a_pair_becomes_a_deployment_that_reads_well(
    prefect: Prefect, api: Api, new_pair: Callable[..., UUID], deploy: Callable[..., Awaitable[str]]
) -> None:
    pair_id = new_pair(Entity.ORDERS, Cadence.HOURLY, name="Loja Modelo")
    found = await read(api, await deploy(pair_id))
    assert found["name"] == "Loja Modelo · pedidos · importar"
    assert found["entrypoint"] == "flows.sync.sync_orders"
    assert found["parameters"] == {"pair_id": str(pair_id)}
    assert {"provider:woocommerce", "entity:orders", f"pair:{pair_id}"} < set(found["tags"])
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert found["work_pool_name"] == "cloudtosys"
    assert [schedule["active"] for schedule in found["schedules"]] == [True]
    assert found["parameter_openapi_schema"]["properties"]["full"]["title"] == "Varredura completa"


async def test_ids_stay_when_cadence_and_status_change(
    prefect: Prefect,
    api: Api,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    pair_id = new_pair()
    id_ = await deploy(pair_id)
    before = (await read(api, id_))["schedules"][0]

    sql("UPDATE sync.pair SET cadence = '15min' WHERE id = :id", id=pair_id)
    assert await prefect.apply([pair_id]) == 1
    after = (await read(api, id_))["schedules"][0]
    assert (after["id"], after["schedule"]["interval"]) == (before["id"], 900)

    sql("UPDATE sync.integration SET status = 'paused'")
    await prefect.apply([pair_id])
    paused = (await read(api, id_))["schedules"][0]
    assert (paused["id"], paused["active"]) == (before["id"], False)

    sql("UPDATE sync.integration SET status = 'active'")
    await prefect.apply([pair_id])
    resumed = (await read(api, id_))["schedules"][0]
    assert (resumed["id"], resumed["active"]) == (before["id"], True)

    sql("UPDATE sync.pair SET cadence = 'manual' WHERE id = :id", id=pair_id)
    await prefect.apply([pair_id])
    assert [schedule["active"] for schedule in (await read(api, id_))["schedules"]] == [False]


async def test_nothing_to_do_is_nothing_done(prefect: Prefect, new_pair: Callable[..., UUID]) -> None:
    for cadence in Cadence:
        new_pair(cadence=cadence)
    assert await prefect.apply() == len(Cadence) + len(FIXED)
    report = await prefect.reconcile()
    assert report.changed == {}
    assert report.changes == 0
    assert report.unchanged == len(Cadence) + len(FIXED)


async def test_what_people_change_in_prefect_is_put_back_and_reported(
    prefect: Prefect, api: Api, new_pair: Callable[..., UUID], deploy: Callable[..., Awaitable[str]]
) -> None:
    pair_id = new_pair(name="Loja Mexida")
    id_ = await deploy(pair_id)
    schedule = (await read(api, id_))["schedules"][0]
    path = f"/deployments/{id_}/schedules"
    await api.call("PATCH", f"{path}/{schedule['id']}", {"active": False, "schedule": {"interval": 60}})
    await api.call("POST", path, [{"schedule": {"interval": 30}, "active": True, "slug": "extra"}])
    await api.call("PATCH", f"/deployments/{id_}", {"paused": True, "parameters": {"pair_id": str(uuid4())}})
    await api.call("PATCH", f"/deployments/{id_}", {"concurrency_limit": 5})

    report = await prefect.reconcile()
    repaired = report.changed["Loja Mexida · produtos · importar"]
    assert {"paused", "parameters", "concurrency_limit", "schedule", "active"} < set(repaired)
    found = await read(api, id_)
    assert [(s["id"], s["active"], s["schedule"]["interval"]) for s in found["schedules"]] == [
        (schedule["id"], True, 300)
    ]
    assert not found["paused"]
    assert found["parameters"] == {"pair_id": str(pair_id)}
    assert found["global_concurrency_limit"]["limit"] == 1
    assert (await prefect.reconcile()).changes == 0


async def test_deleted_pairs_and_orphans_leave_no_deployment(
    prefect: Prefect,
    api: Api,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    pair_id, other = new_pair(), new_pair()
    gone, kept = await deploy(pair_id), await deploy(other)
    sql(
        "UPDATE sync.integration SET deleted_at = now()"
        " WHERE id = (SELECT integration_id FROM sync.pair WHERE id = :id)",
        id=pair_id,
    )
    flow_id = await api.flow_id("sync-products")
    tags = ["cloudtosys", f"pair:{uuid4()}"]
    await api.call("POST", "/deployments/", {"name": "sobra", "flow_id": flow_id, "tags": tags})
    report = await prefect.reconcile()
    assert len(report.removed) == 2
    left = [d["id"] async for d in api.find("/deployments/filter", {}) if "cloudtosys" in d["tags"]]
    assert left == [kept]
    assert gone not in left


async def test_a_deleted_pair_that_is_running_is_stopped_first(
    prefect: Prefect,
    api: Api,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: Callable[..., Awaitable[Json]],
) -> None:
    """Prefect could never end the run of a deployment that is gone."""
    pair_id = new_pair()
    id_ = await deploy(pair_id)
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(run, "PENDING", "")
    await api.set_state(run, "RUNNING", "")
    sql("UPDATE sync.integration SET deleted_at = now()")
    await prefect.apply()
    assert (await read(api, id_))["paused"]
    assert (await state_of(run))["state_type"] == "CANCELLING"
    await api.set_state(run, "CANCELLED", "")
    assert (await prefect.reconcile()).removed != []


async def test_a_renamed_integration_shows_its_new_name(
    prefect: Prefect,
    api: Api,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    """Prefect cannot rename a deployment: this one change makes a new one."""
    pair_id = new_pair(name="Antes")
    await deploy(pair_id)
    sql("UPDATE sync.integration SET name = 'Depois'")
    await prefect.apply()
    found = [d async for d in api.find("/deployments/filter", {}) if "cloudtosys" in d["tags"]]
    assert [d["name"] for d in found] == ["Depois · produtos · importar"]
    assert sql("SELECT deployment_id FROM sync.pair")[0][0] == UUID(found[0]["id"])


async def test_a_deployment_deleted_by_hand_comes_back(
    prefect: Prefect,
    api: Api,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    pair_id = new_pair()
    await api.call("DELETE", f"/deployments/{await deploy(pair_id)}")
    assert await prefect.apply() >= 1
    await read(api, str(sql("SELECT deployment_id FROM sync.pair WHERE id = :id", id=pair_id)[0][0]))


async def test_two_at_once_make_each_deployment_once(
    prefect: Prefect, api: Api, new_pair: Callable[..., UUID]
) -> None:
    for _ in range(5):
        new_pair()
    await asyncio.gather(prefect.apply(), prefect.apply(), prefect.apply())
    found = [d["id"] async for d in api.find("/deployments/filter", {}) if "cloudtosys" in d["tags"]]
    assert len(found) == 5


async def test_unchanged_pairs_cost_no_calls_of_their_own(
    prefect: Prefect, api: Api, new_pair: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read by the page; in seconds, on a quiet machine: benchmarks/RESULTS.md."""
    asked: list[str] = []
    call = api.call

    async def counted(method: str, path: str, body: Any = None) -> Any:
        asked.append(path)
        return await call(method, path, body)

    monkeypatch.setattr(api, "call", counted)
    counts = []
    for stores in (1, 6):
        for number in range(stores):
            for entity in (Entity.PRODUCTS, Entity.STOCK, Entity.ORDERS, Entity.CUSTOMERS, Entity.CATEGORIES):
                new_pair(entity, name=f"Loja {stores}-{number}", status=IntegrationStatus.ACTIVE)
        await prefect.apply()
        asked.clear()
        assert (await prefect.reconcile()).changes == 0
        counts.append(len(asked))
    assert counts[0] == counts[1], asked


async def test_prefect_deploy_makes_what_reconciliation_would_make(
    prefect: Prefect, api: Api, start: Callable[..., Any], until: Callable[..., Awaitable[Any]]
) -> None:
    """`prefect.yaml` is for installations run by hand: the sentinel then finds nothing to repair."""
    await api.ensure_pool("cloudtosys", "cloudtosys-warm")
    process = start("prefect", "--no-prompt", "deploy", "--all")
    assert await asyncio.to_thread(process.wait, 60) == 0
    found = await api.call("GET", "/deployments/name/housekeeping/Limpeza diária")
    report = await prefect.reconcile()
    assert report.created == []
    assert set(report.changed.get("Limpeza diária", [])) <= {"concurrency_options"}
    after = await api.call("GET", "/deployments/name/housekeeping/Limpeza diária")
    assert [s["id"] for s in after["schedules"]] == [s["id"] for s in found["schedules"]]
