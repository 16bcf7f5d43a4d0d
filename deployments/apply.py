"""Bring Prefect's deployments in line with the rows, in place; trigger and cancel runs.

Posting a deployment again would replace its schedules by new ones, and new schedules mean doubled runs: a
deployment is posted once, then its fields and its schedule are patched and every id stays.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Trigger
from core.errors import ConfigurationError
from db.deploy import PairState, alone, keep_deployments, read_deployment, read_pairs
from deployments.client import TAG, Api, Json, PrefectRefused, moment, pair_of
from deployments.desired import SLUG, Desired, desired, differences, pool
from deployments.fixed import DISCOVERY, FIXED, MIGRATION, Fixed

AT_ONCE = 8


@dataclass(slots=True)
class Report:
    """What a reconciliation did: deployment names, and for repaired ones what was wrong with them."""

    created: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0

    @property
    def changes(self) -> int:
        return len(self.created) + len(self.changed) + len(self.removed)


class Prefect:
    """`core.ports.Orchestrator` over Prefect's API."""

    def __init__(self, api: Api, engine: AsyncEngine) -> None:
        self._api = api
        self._engine = engine

    async def apply(self, pair_ids: Sequence[UUID] | None = None) -> int:
        """Deployments created, changed or removed. Raises `PrefectUnavailable`, `DatabaseUnavailable`."""
        return (await self.reconcile(pair_ids)).changes

    async def reconcile(self, pair_ids: Sequence[UUID] | None = None) -> Report:
        """As `apply`, telling what was done. Without `pair_ids` also the fixed deployments are seen to."""
        only = None if pair_ids is None else set(pair_ids)
        async with alone(self._engine):
            pool_name, kind = pool()
            await self._api.ensure_pool(pool_name, kind)
            pairs = await read_pairs(self._engine)
            report = Report()
            await self._pairs(pairs, desired(pairs, pool_name), only, report)
            if only is None:
                for fixed in FIXED:
                    await self._fixed(fixed, pool_name, report)
        return report

    async def trigger(
        self,
        pair_id: UUID,
        *,
        initiated_by: Trigger,
        full: bool = False,
        request_id: UUID | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Ask for a run now, or for that of a request. The same key asks for the same run.

        Returns the flow run's id.

        Raises `ConfigurationError` for a pair without deployment, `PrefectUnavailable`.
        """
        parameters: Json = {"pair_id": str(pair_id), "full": full, "initiated_by": initiated_by.value}
        if request_id is not None:
            parameters["request_id"] = str(request_id)
        body: Json = {
            "parameters": parameters,
            "state": {"type": "SCHEDULED", "name": "Scheduled"},
        }
        if idempotency_key:
            body["idempotency_key"] = idempotency_key
        deployment_id = await read_deployment(self._engine, pair_id)
        path = "/deployments/{}/create_flow_run"
        if deployment_id is not None:
            try:
                run = await self._api.call("POST", path.format(deployment_id), body)
                return UUID(run["id"])
            except PrefectRefused as error:
                if error.status != 404:
                    raise
        await self.reconcile([pair_id])
        deployment_id = await read_deployment(self._engine, pair_id)
        if deployment_id is None:
            raise ConfigurationError("O par não existe mais ou a entidade ainda não tem fluxo.")
        return UUID((await self._api.call("POST", path.format(deployment_id), body))["id"])

    async def discover(self, pair_id: UUID, discovery_id: UUID, *, apply: bool = False) -> UUID:
        """Ask for a discovery now; returns the flow run's id. Raises `PrefectUnavailable`."""
        parameters = {"pair_id": str(pair_id), "discovery_id": str(discovery_id), "apply": apply}
        return await self._run_fixed(DISCOVERY, parameters)

    async def migrate(self, migration_id: UUID, *, apply: bool = False) -> UUID:
        """Ask for a legacy migration now; returns the flow run's id. Raises `PrefectUnavailable`."""
        return await self._run_fixed(MIGRATION, {"migration_id": str(migration_id), "apply": apply})

    async def _run_fixed(self, fixed: Fixed, parameters: Json) -> UUID:
        path = f"/deployments/name/{fixed.flow}/{fixed.name}"
        try:
            found = await self._api.call("GET", path)
        except PrefectRefused as error:
            if error.status != 404:
                raise
            await self.reconcile()
            found = await self._api.call("GET", path)
        body: Json = {"parameters": parameters, "state": {"type": "SCHEDULED", "name": "Scheduled"}}
        return UUID((await self._api.call("POST", f"/deployments/{found['id']}/create_flow_run", body))["id"])

    async def cancel(self, flow_run_id: UUID) -> None:
        """Ask the run to stop; one that has not started ends at once."""
        await self._api.set_state(flow_run_id, "CANCELLING", "Cancelamento pedido no CloudToSys.")

    async def _pairs(
        self,
        pairs: Sequence[PairState],
        wanted: Mapping[UUID, Desired],
        only: set[UUID] | None,
        report: Report,
    ) -> None:
        known = {pair.id: pair.deployment_id for pair in pairs}
        ours = {"deployments": {"tags": {"all_": [TAG]}}}
        current: dict[UUID, Json] = {}
        surplus: list[Json] = []
        async for found in self._api.find("/deployments/filter", ours):
            pair_id = pair_of(found)
            if pair_id is None or (only is not None and pair_id not in only):
                continue
            aim = wanted.get(pair_id)
            twin = current.get(pair_id)
            if aim is None or found["name"] != aim.name:
                surplus.append(found)
            elif twin is None or known[pair_id] == UUID(found["id"]):
                current[pair_id] = found
                surplus += [twin] if twin else []
            else:
                surplus.append(found)
        # Names of removed ones have to be free before others take them.
        await _all(self._remove(found, report) for found in surplus)
        chosen = {key: aim for key, aim in wanted.items() if only is None or key in only}
        flows = {flow: await self._api.flow_id(flow) for flow in {aim.flow for aim in chosen.values()}}
        ids: dict[UUID, UUID] = {}

        async def bring(pair_id: UUID, aim: Desired) -> None:
            ids[pair_id] = await self._bring(aim, flows[aim.flow], current.get(pair_id), report)

        await _all(bring(pair_id, aim) for pair_id, aim in chosen.items())
        await keep_deployments(
            self._engine, {key: value for key, value in ids.items() if known[key] != value}
        )

    async def _remove(self, found: Json, report: Report) -> None:
        """Delete a deployment, or as long as it has runs under way, pause it and ask them to stop.

        Prefect answers 500 to every state of a run whose deployment, and so its limit, was deleted.
        """
        under_way = {
            "deployment_id": {"any_": [found["id"]]},
            "state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}},
        }
        runs = [run async for run in self._api.find("/flow_runs/filter", {"flow_runs": under_way})]
        if runs:
            if not found["paused"]:
                await self._api.call("PATCH", f"/deployments/{found['id']}", _patch({"paused": True}, found))
            for run in runs:
                if run["state_type"] != "CANCELLING":
                    await self._api.set_state(run["id"], "CANCELLING", "O par foi excluído.")
            return
        try:
            await self._api.call("DELETE", f"/deployments/{found['id']}")
        except PrefectRefused as error:
            if error.status != 404:
                raise
        report.removed.append(found["name"])

    async def _bring(self, aim: Desired, flow_id: str, found: Json | None, report: Report) -> UUID:
        if found is None:
            return await self._create(aim, flow_id, report)
        changed = differences(aim.fields, found)
        repaired = [*await self._schedules(aim, found), *changed]
        if repaired:
            # Also for a schedule alone: Prefect plans a deployment touched just now within 5 s, others in 60.
            body = _patch(changed or {"paused": False}, found)
            await self._api.call("PATCH", f"/deployments/{found['id']}", body)
            report.changed[aim.name] = repaired
        else:
            report.unchanged += 1
        return UUID(found["id"])

    async def _create(self, aim: Desired, flow_id: str, report: Report) -> UUID:
        body = {**aim.fields, "name": aim.name, "flow_id": flow_id}
        if aim.schedule is not None:
            body["schedules"] = [{"schedule": aim.schedule, "active": aim.active, "slug": SLUG}]
        made = await self._api.call("POST", "/deployments/", body)
        report.created.append(aim.name)
        return UUID(made["id"])

    async def _schedules(self, aim: Desired, found: Json) -> list[str]:
        """Patch our schedule in place, remove what was added by hand; returns what was done."""
        done: list[str] = []
        path = f"/deployments/{found['id']}/schedules"
        ours = None
        for schedule in found["schedules"]:
            if schedule["slug"] == SLUG and ours is None:
                ours = schedule
            else:
                await self._api.call("DELETE", f"{path}/{schedule['id']}")
                done.append("schedule added by hand")
        if ours is None:
            if aim.schedule is not None:
                body = {"schedule": aim.schedule, "active": aim.active, "slug": SLUG}
                await self._api.call("POST", path, [body])
                done.append("schedule")
            return done
        change: dict[str, Any] = {}
        if ours["active"] != aim.active:
            change["active"] = aim.active
        if aim.schedule is not None and not _same_schedule(aim.schedule, ours["schedule"]):
            change["schedule"] = aim.schedule
        if change:
            await self._api.call("PATCH", f"{path}/{ours['id']}", change)
        return (
            done + (["schedule"] if "schedule" in change else []) + (["active"] if "active" in change else [])
        )

    async def _fixed(self, fixed: Fixed, pool_name: str, report: Report) -> None:
        flow_id = await self._api.flow_id(fixed.flow)
        aim = fixed.desired(pool_name)
        try:
            found = await self._api.call("GET", f"/deployments/name/{fixed.flow}/{fixed.name}")
        except PrefectRefused as error:
            if error.status != 404:
                raise
            found = None
        await self._bring(aim, flow_id, found, report)


def _patch(changed: Mapping[str, Any], found: Json) -> Json:
    """Prefect drops the pool's queue from a deployment that is patched without one."""
    body = dict(changed)
    body.setdefault("work_pool_name", found.get("work_pool_name"))
    if body["work_pool_name"] is None:
        del body["work_pool_name"]
    return body


def _same_schedule(aim: Json, found: Json) -> bool:
    if "interval" not in aim:
        return all(found.get(name) == value for name, value in aim.items())
    return (
        found.get("interval") == aim["interval"]
        and moment(found.get("anchor_date")) == moment(aim["anchor_date"])
        and found.get("timezone") == aim["timezone"]
    )


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """All of it, a few at a time; the first error is raised when the rest has ended."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Awaitable[None]) -> None:
        async with gate:
            await item

    for result in await asyncio.gather(*(one(item) for item in work), return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
