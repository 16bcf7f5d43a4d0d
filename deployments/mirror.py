"""What happened in Prefect and left no log: runs cancelled, crashed, failed before our code began, or late.

Polls, because event sockets end in silence; windows overlap, and a flow run is logged once by its id.
Prefect's own messages are not copied: a traceback's text could hold anything.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import RunStatus, Trigger
from db.watch import Ghost, add_ghosts, logged
from deployments.client import Api, Json, PrefectUnavailable, moment, pair_of

OVERLAP = timedelta(minutes=5)
FIRST_LOOK = timedelta(hours=24)
LIMIT_REACHED = "Deployment concurrency limit reached."
"""Prefect's fixed text for CANCEL_NEW; nothing else in the state tells it from a person's cancellation."""
SUPERSEDED = "Não iniciou a tempo: uma execução mais nova do mesmo par a substituiu."


class Mirror:
    """Remembers how far it looked; a new one begins a day back."""

    def __init__(self, api: Api, engine: AsyncEngine, stuck_after: float) -> None:
        """`stuck_after`: seconds after which a run that shows no sign of life is given up in Prefect."""
        self._api = api
        self._engine = engine
        self._stuck_after = timedelta(seconds=stuck_after)
        self._looked_at: datetime | None = None

    async def look(self) -> int:
        """One pass; returns how many logs were added. Raises `PrefectUnavailable`, `DatabaseUnavailable`."""
        now = datetime.now(UTC)
        since = (self._looked_at - OVERLAP) if self._looked_at else now - FIRST_LOOK
        await self._collapse()
        await self._free_stuck(now)
        added = await self._ended(since)
        self._looked_at = now
        return added

    async def _ended(self, since: datetime) -> int:
        wanted = {"type": {"any_": ["CANCELLED", "CRASHED", "FAILED"]}}
        runs = self._api.runs({"state": wanted, "end_time": {"after_": since.isoformat()}})
        found = {UUID(run["id"]): run async for run in runs}
        known = await logged(self._engine, found)
        ghosts = [ghost(run) for id_, run in found.items() if id_ not in known]
        return await add_ghosts(self._engine, [made for made in ghosts if made is not None])

    async def _collapse(self) -> None:
        """After an outage one late run for each pair is enough: it reads everything since the watermark."""
        late: dict[str, list[Json]] = defaultdict(list)
        async for run in self._api.runs({"state": {"name": {"any_": ["Late"]}}}):
            if run["auto_scheduled"]:
                late[run["deployment_id"]].append(run)
        for runs in late.values():
            for run in runs[:-1]:
                await self._api.set_state(run["id"], "CANCELLED", SUPERSEDED)

    async def _free_stuck(self, now: datetime) -> None:
        """A run whose worker died keeps its state, and the deployment's only slot, until somebody ends it."""
        alive = {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}
        quiet = [
            run
            async for run in self._api.runs({"state": alive})
            if now - (moment(run["state"]["timestamp"]) or now) > self._stuck_after
        ]
        known = await logged(self._engine, [UUID(run["id"]) for run in quiet])
        for run in quiet:
            ended_at = known.get(UUID(run["id"]))
            if UUID(run["id"]) in known and (ended_at is None or now - ended_at < self._stuck_after):
                continue
            await self._end(run)

    async def _end(self, run: Json) -> None:
        kind = "CANCELLED" if run["state_type"] == "CANCELLING" else "CRASHED"
        try:
            await self._api.set_state(run["id"], kind, "Sem sinal de vida do worker.")
        except PrefectUnavailable as error:
            if error.status is None:
                raise
            # Prefect cannot end a run whose deployment was deleted by hand; it can forget it.
            await self._api.call("DELETE", f"/flow_runs/{run['id']}")


def ghost(run: Json) -> Ghost | None:
    """The log of a run that ended without one; None for a run of no pair."""
    pair_id, expected = pair_of(run), moment(run["expected_start_time"])
    ended = moment(run["end_time"])
    if pair_id is None or ended is None:
        return None
    status, message, cause, remedy = _ending(run)
    return Ghost(
        flow_run_id=UUID(run["id"]),
        pair_id=pair_id,
        status=status,
        initiated_by=_initiated_by(run),
        slot_at=expected if run["auto_scheduled"] else None,
        started_at=min(moment(run["start_time"]) or ended, ended),
        ended_at=ended,
        message=message,
        cause=cause,
        remedy=remedy,
        request_id=_request(run),
    )


def _ending(run: Json) -> tuple[RunStatus, str, str, str]:
    kind, text = run["state_type"], run["state"].get("message")
    if kind == "CANCELLED" and text == LIMIT_REACHED:
        return RunStatus.SKIPPED, "Outra execução deste par estava em andamento.", "", ""
    if kind == "CANCELLED" and text == SUPERSEDED:
        return RunStatus.SKIPPED, SUPERSEDED, "", ""
    if kind == "CANCELLED":
        return RunStatus.CANCELLED, "A execução foi cancelada antes de começar.", "", ""
    if kind == "CRASHED":
        return (
            RunStatus.INTERRUPTED,
            "A execução foi interrompida antes de começar.",
            "O worker parou ou não conseguiu iniciar a execução.",
            "A execução seguinte segue do mesmo ponto. Se repetir, verifique o worker e os logs do Prefect.",
        )
    return (
        RunStatus.ERROR,
        "A execução falhou antes de começar.",
        "Os parâmetros foram recusados, ou o worker não alcançou o banco de dados ou as chaves.",
        "Confira os parâmetros informados no Prefect e o log do worker; se persistir, abra um ticket.",
    )


def _request(run: Json) -> UUID | None:
    """What the run was to serve; a person may have typed anything."""
    try:
        return UUID(run["parameters"]["request_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _initiated_by(run: Json) -> Trigger:
    if run["auto_scheduled"]:
        return Trigger.SCHEDULE
    try:
        return Trigger(run["parameters"].get("initiated_by", Trigger.MANUAL))
    except ValueError:
        return Trigger.MANUAL
