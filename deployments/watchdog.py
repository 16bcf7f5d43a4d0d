"""Nothing stays "em execução" without a living run, and no slot passes unseen.

The truth is our own database: leases, logs and the expected slots. Prefect's health is not believed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from core.cadence import EARLY, ZONE, grace, last_slot
from core.entities import Cadence, RunStatus, Trigger
from db import alarms, watch
from db.deploy import PairState, read_pairs
from deployments.apply import Prefect
from deployments.client import Api, PrefectUnavailable, pair_of

SETTLED = timedelta(seconds=180)
"""Prefect's scheduler needs up to a minute to make the runs of a changed deployment."""
_DEAD = (
    "A execução parou sem aviso: o worker foi encerrado.",
    "O processo que executava a sincronização foi encerrado ou perdeu a conexão com o banco de dados.",
    "Nada a fazer: o que foi gravado está mantido e a execução seguinte continua de onde esta parou. "
    "Se repetir, verifique a memória e os logs do worker.",
)
_CANCELLED = ("A execução foi cancelada.", "", "")


class Watchdog:
    """One for a sentinel. `since`: when it began to watch; slots just before it get their time."""

    def __init__(self, api: Api, engine: AsyncEngine, prefect: Prefect, lease_seconds: float) -> None:
        self._api = api
        self._engine = engine
        self._prefect = prefect
        self._lease_seconds = lease_seconds
        self.since = datetime.now(UTC)

    async def close_dead(self) -> int:
        """Close logs whose lease ended and free what they hold in Prefect; returns how many were closed.

        Works while Prefect is away, too: the mirror frees its slot later. Raises `DatabaseUnavailable`.
        """
        closed = 0
        for dead in await watch.dead_runs(self._engine, self._lease_seconds):
            state = await self._state(dead.flow_run_id)
            cancelled = state in ("CANCELLED", "CANCELLING")
            status = RunStatus.CANCELLED if cancelled else RunStatus.INTERRUPTED
            texts = _CANCELLED if cancelled else _DEAD
            if not await watch.bury(self._engine, dead, status, *texts):
                continue
            closed += 1
            if dead.flow_run_id is not None and state in ("PENDING", "RUNNING", "CANCELLING"):
                await self._end(dead.flow_run_id, "CANCELLED" if cancelled else "CRASHED")
        return closed

    async def resume(self) -> int:
        """Run interrupted pairs again at once, unless they keep dying; returns how many were asked for."""
        resumed = 0
        text = f"As {watch.DEATHS} últimas execuções foram interrompidas. Verifique o worker."
        found = await watch.interrupted_runs(self._engine)
        dying = {run.pair_id: text for run in found if run.deaths >= watch.DEATHS}
        await alarms.raise_alarms(self._engine, alarms.REPEATED_INTERRUPTION, dying)
        for run in found:
            if run.pair_id in dying:
                continue
            # A refused run keeps its key: the next one needs another.
            key = f"resume:{run.log_id}:{run.refused}" if run.refused else f"resume:{run.log_id}"
            full = await self._was_full(run.flow_run_id)
            await self._prefect.trigger(
                run.pair_id, initiated_by=run.initiated_by, full=full, idempotency_key=key
            )
            resumed += 1
        return resumed

    async def settle(self, first_look: float) -> int:
        """Run the pairs that left creates of unknown outcome behind; returns how many were asked for."""
        pairs = await watch.doubtful_pairs(self._engine, first_look)
        for pair in pairs:
            key = f"settle:{pair}:{datetime.now(UTC):%Y%m%d%H%M}"
            await self._prefect.trigger(pair, initiated_by=Trigger.REPROCESS, idempotency_key=key)
        return len(pairs)

    async def check_slots(self) -> int:
        """Raise an alarm for each slot that passed without a run, and run it; returns how many."""
        for kind in (alarms.MISSED_SLOT, alarms.REPEATED_INTERRUPTION):
            await alarms.calm_alarms(self._engine, kind)
        now = datetime.now(UTC)
        pairs = {pair.id: pair for pair in await read_pairs(self._engine) if pair.scheduled}
        latest = await watch.latest_runs(self._engine, pairs)
        missed = {
            pair: slot
            for pair in pairs.values()
            if (slot := missed_slot(pair, latest.get(pair.id), now, self.since)) is not None
        }
        # All alarms before the first dispatch: Prefect may be what is missing.
        texts = {
            pair.id: f"A execução prevista para {slot.astimezone(ZoneInfo(ZONE)):%d/%m/%Y %H:%M:%S} "
            "não aconteceu."
            for pair, slot in missed.items()
        }
        await alarms.raise_alarms(self._engine, alarms.MISSED_SLOT, texts)
        for pair, slot in missed.items():
            await self._dispatch(pair, slot)
        return len(missed)

    async def check_scheduler(self) -> list[str]:
        """Names of pairs that are scheduled and have no future run in Prefect, with an alarm for everybody.

        Prefect's scheduler can stop while its health stays green.
        """
        now = datetime.now(UTC)
        pairs = [pair for pair in await read_pairs(self._engine) if pair.scheduled and pair.deployment_id]
        settled = [pair for pair in pairs if max(pair.changed_at, self.since) < now - SETTLED]
        silent = await self._without_future(settled, now)
        if silent:
            await alarms.raise_for_all(
                self._engine,
                alarms.SCHEDULER_SILENT,
                f"O agendador do Prefect não criou as próximas execuções de {len(silent)} par(es): reinicie "
                "o servidor Prefect. Enquanto isso, os horários perdidos são executados pelo vigia.",
            )
        else:
            await alarms.calm_for_all(self._engine, alarms.SCHEDULER_SILENT)
        return [f"{pair.integration} · {pair.entity.label}" for pair in silent]

    async def note_prefect(self, answers: bool) -> None:
        """Open or close the alarm that Prefect does not answer."""
        if answers:
            await alarms.calm_for_all(self._engine, alarms.PREFECT_DOWN)
            return
        text = (
            "O servidor Prefect não responde: as sincronizações não iniciam. Verifique se ele está no ar; "
            "os horários perdidos são executados quando ele voltar."
        )
        await alarms.raise_for_all(self._engine, alarms.PREFECT_DOWN, text)

    async def _dispatch(self, pair: PairState, slot: datetime) -> None:
        if pair.deployment_id is not None and await self._waiting(pair.deployment_id):
            return  # A run is there already, only nobody takes it: another one would not help.
        key = f"slot:{pair.id}:{slot.isoformat()}"
        await self._prefect.trigger(pair.id, initiated_by=Trigger.SCHEDULE, idempotency_key=key)

    async def _waiting(self, deployment_id: UUID) -> bool:
        due = {
            "deployment_id": {"any_": [str(deployment_id)]},
            "state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}},
            "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
        }
        return bool(await self._api.call("POST", "/flow_runs/count", {"flow_runs": due}))

    async def _without_future(self, pairs: Sequence[PairState], now: datetime) -> list[PairState]:
        silent: list[PairState] = []
        for cadence in Cadence:
            group = [pair for pair in pairs if pair.cadence is cadence]
            if not group or cadence.seconds is None:
                continue
            until = now + timedelta(seconds=cadence.seconds + 60)
            window = {"after_": now.isoformat(), "before_": until.isoformat()}
            ahead = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": window}
            runs = self._api.runs(ahead, tag=f"cadence:{cadence}")
            planned = {pair_of(run) async for run in runs}
            silent += [pair for pair in group if pair.id not in planned]
        return silent

    async def _was_full(self, flow_run_id: UUID | None) -> bool:
        """Whether a complete scan was asked for: one that died before its first batch left no cursor."""
        run = await self._api.read_run(flow_run_id) if flow_run_id else None
        return bool(run and run["parameters"].get("full"))

    async def _state(self, flow_run_id: UUID | None) -> str | None:
        if flow_run_id is None:
            return None
        try:
            run = await self._api.read_run(flow_run_id)
        except PrefectUnavailable:
            return None
        return run["state_type"] if run else None

    async def _end(self, flow_run_id: UUID, kind: str) -> None:
        try:
            await self._api.set_state(flow_run_id, kind, "Encerrada pelo vigia: sem sinal de vida do worker.")
        except PrefectUnavailable:
            return


def missed_slot(
    pair: PairState, latest: watch.Latest | None, now: datetime, since: datetime
) -> datetime | None:
    """The pair's newest slot that should have run by now and did not; None where all is well.

    Slots before the pair's last edit do not count. `since` is when the watch began: what waited for the
    system to come up gets some time after it.
    """
    if pair.cadence.seconds is None:
        return None
    allowed = grace(pair.cadence.seconds)
    slot = last_slot(pair.cadence, pair.id, now - allowed)
    if slot is None or slot < pair.changed_at or now - since < min(allowed, SETTLED):
        return None
    if latest is not None and (
        latest.running or (latest.started_at is not None and latest.started_at >= slot - EARLY)
    ):
        return None
    return slot
