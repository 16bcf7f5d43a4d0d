"""Runs asked for by hand, cancelled before they begin, and made by Prefect's scheduler."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

import pytest

from core.cadence import slots
from core.entities import Cadence, Trigger
from core.errors import ConfigurationError
from deployments.apply import Prefect
from deployments.client import Api, Json, PrefectRefused, PrefectUnavailable, moment


async def test_the_same_key_asks_for_the_same_run(
    prefect: Prefect, new_pair: Callable[..., UUID], state_of: Callable[..., Awaitable[Json]]
) -> None:
    """The deployment is made on the way."""
    pair_id = new_pair()
    first = await prefect.trigger(
        pair_id, initiated_by=Trigger.WEBHOOK, full=True, idempotency_key=f"a{pair_id}"
    )
    again = await prefect.trigger(pair_id, initiated_by=Trigger.WEBHOOK, idempotency_key=f"a{pair_id}")
    other = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    assert first == again != other
    run = await state_of(first)
    assert run["parameters"] == {"pair_id": str(pair_id), "full": True, "initiated_by": "webhook"}
    assert f"pair:{pair_id}" in run["tags"]


async def test_a_run_that_has_not_begun_is_cancelled_at_once(
    prefect: Prefect, new_pair: Callable[..., UUID], state_of: Callable[..., Awaitable[Json]]
) -> None:
    run = await prefect.trigger(new_pair(), initiated_by=Trigger.MANUAL)
    await prefect.cancel(run)
    assert (await state_of(run))["state_type"] == "CANCELLED"


async def test_a_pair_that_is_gone_is_not_run(prefect: Prefect) -> None:
    with pytest.raises(ConfigurationError):
        await prefect.trigger(UUID(int=7), initiated_by=Trigger.MANUAL)


async def test_parameters_that_the_form_does_not_know_are_refused(
    api: Api, new_pair: Callable[..., UUID], deploy: Callable[..., Awaitable[str]]
) -> None:
    id_ = await deploy(new_pair())
    with pytest.raises(PrefectRefused):
        await api.call("POST", f"/deployments/{id_}/create_flow_run", {"parameters": {"full": "talvez"}})


async def test_a_prefect_that_is_away_and_a_wrong_password_are_told_apart(api: Api) -> None:
    async with Api("http://127.0.0.1:9/api", "a:b") as nobody:
        with pytest.raises(PrefectUnavailable):
            await nobody.call("GET", "/health")
    async with Api(str(api._http.base_url), "cloudtosys:wrong") as stranger:
        with pytest.raises(PrefectRefused) as refused:
            await stranger.call("POST", "/flows/filter", {})
        assert refused.value.status == 401


async def test_scheduled_runs_appear(
    prefect: Prefect,
    api: Api,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    until: Callable[..., Awaitable[Any]],
) -> None:
    """With SQLAlchemy 2.1 Prefect's scheduler fails silently on every pass and this finds nothing."""
    pair_id = new_pair(cadence=Cadence.EVERY_5_MIN)
    id_ = await deploy(pair_id)

    async def planned() -> list[Json]:
        filters = {
            "deployment_id": {"any_": [id_]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        }
        return [run async for run in api.runs(filters)]

    async def enough() -> list[Json]:
        return found if len(found := await planned()) >= 12 else []

    found = await until(enough)
    assert all(run["auto_scheduled"] for run in found)
    expected = list(islice(slots(Cadence.EVERY_5_MIN, pair_id, datetime.now(UTC)), 5))
    assert [moment(run["expected_start_time"]) for run in found[:5]] == expected
