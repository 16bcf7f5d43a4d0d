"""Prefect's own slot of a deployment: a run that loses it goes on, because our lease keeps others out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from httpx import Response
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from core.entities import Cadence, Trigger
from deployments import warm
from deployments.apply import Prefect
from deployments.client import Api, Json
from flows import slot
from tests.flows.samples import nap
from tests.processes import PrefectServer


async def test_a_run_outlives_its_slot(
    monkeypatch: pytest.MonkeyPatch,
    prefect: Prefect,
    api: Api,
    prefect_server: PrefectServer,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: Callable[..., Awaitable[Json]],
    until: Callable[..., Awaitable[Any]],
) -> None:
    """As after an outage of Prefect's API: left to itself, Prefect's engine ends the run here."""
    answers: list[str] = []
    renew = PrefectClient.renew_concurrency_lease

    async def noted(client: PrefectClient, *values: Any) -> Response:
        try:
            answer = await renew(client, *values)
        except PrefectHTTPStatusError:
            answers.append("gone")
            raise
        answers.append("renewed")
        return answer

    monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", noted)
    monkeypatch.setattr(slot, "RENEW_SECONDS", 0.2)
    pair_id = new_pair(cadence=Cadence.MANUAL)
    await deploy(pair_id, "nap")
    run_id = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(run_id, "PENDING", "")

    async def lease() -> str | None:
        state = (await state_of(run_id))["state"]
        found: str | None = state["state_details"]["deployment_concurrency_lease_id"]
        return found if state["type"] == "RUNNING" else None

    async def renewed() -> bool:
        return "renewed" in answers

    with temporary_settings(
        {PREFECT_API_URL: prefect_server.url, PREFECT_API_AUTH_STRING: prefect_server.auth}
    ):
        async with get_client() as client:
            flow_run = await client.read_flow_run(run_id)
        engine = warm.Engine(flow=nap, flow_run=flow_run, parameters={"pair_id": pair_id})
        running = asyncio.create_task(engine.execute())
        lost = await until(lease)
        await until(renewed)
        await api.call("POST", "/v2/concurrency_limits/decrement-with-lease", {"lease_id": lost})
        await running
    assert (await state_of(run_id))["state_type"] == "COMPLETED"
    assert answers[-1] == "gone"
