"""Pairs: integration × entity × direction, and their runs."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from core import form
from core.entities import Cadence, ConflictPolicy, Direction, Entity, IntegrationStatus, RequestKind, Trigger
from core.errors import Absent, ConfigurationError
from db import admin, requests
from db.admin import PairRow
from providers.registry import get
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.requests import Requests, told
from web.api.shapes import Given, OfIntegration, Shown, Way
from web.following import follow
from web.running import run_first
from web.wiring import Wiring

router = APIRouter(prefix="/pairs", tags=["Pares"], route_class=Guarded)


class Pair(Shown):
    id: UUID
    integration_id: UUID
    integration: str
    provider: str
    entity: Entity
    direction: Direction
    cadence: Cadence
    enabled: bool
    policy: ConflictPolicy
    status: IntegrationStatus = Field(description="Da integração.")
    last_full_at: datetime | None
    last_success_at: datetime | None


class Pairs(Shown):
    data: list[Pair]


class PairChange(Given):
    enabled: bool | None = None
    cadence: Cadence | None = None
    policy: ConflictPolicy | None = None


class Run(Given):
    full: bool = Field(False, description="Lê tudo, e não só o que mudou.")


class Started(Shown):
    flow_run_id: UUID


class Simulate(Given):
    direction: Way | None = Field(None, description="Sem isto, todas as do par.")


class Backfill(Given):
    since: AwareDatetime = Field(description="Inclusive.")
    until: AwareDatetime | None = Field(None, description="Exclusive; sem isto, agora.")


@router.get("", summary="Lista os pares")
async def listing(wired: Wired, calling: Calling, integration_id: OfIntegration = None) -> Pairs:
    rows = await admin.pairs(wired.engine, calling.tenant_id)
    found = [row for row in rows if integration_id in (None, row.integration_id)]
    return Pairs.model_validate({"data": found})


@router.get("/{pair_id:uuid}", summary="Lê um par")
async def read(wired: Wired, calling: Calling, pair_id: UUID) -> Pair:
    return Pair.model_validate(await _pair(wired, calling, pair_id))


@router.patch("/{pair_id:uuid}", summary="Liga, desliga ou muda frequência e política de conflito")
async def change(wired: Wired, calling: Calling, pair_id: UUID, body: PairChange) -> Pair:
    pair = await _pair(wired, calling, pair_id)
    if body.cadence is not None:
        form.check_cadence(get(pair.provider), body.cadence)
    await admin.change_pair(
        wired.engine,
        calling.tenant_id,
        pair_id,
        enabled=body.enabled,
        cadence=body.cadence,
        policy=body.policy,
        by=calling.by(),
    )
    await follow(wired, [pair_id])
    return Pair.model_validate(await _pair(wired, calling, pair_id))


@router.post("/{pair_id:uuid}/run", status_code=202, summary="Executa agora")
async def run(wired: Wired, calling: Calling, pair_id: UUID, body: Run) -> Started:
    await _pair(wired, calling, pair_id)
    started = await wired.orchestrator.trigger(pair_id, initiated_by=Trigger.MANUAL, full=body.full)
    return Started(flow_run_id=started)


@router.post("/{pair_id:uuid}/simulate", status_code=202, summary="Simula: conta o que faria, sem gravar")
async def simulate(wired: Wired, calling: Calling, pair_id: UUID, body: Simulate) -> Requests:
    pair = await _pair(wired, calling, pair_id)
    if not form.may_simulate(get(pair.provider), pair.entity):
        raise ConfigurationError("O sistema entrega estes registros uma vez só: uma simulação os perderia.")
    ways = [way for way in (Direction.IMPORT, Direction.EXPORT) if pair.direction in (way, Direction.BOTH)]
    if body.direction is not None:
        ways = [way for way in ways if way is body.direction]
    if not ways:
        raise ConfigurationError(f"O par só permite {pair.direction.label}.")
    asked = [await _ask(wired, calling, pair, RequestKind.SIMULATION, way, {}) for way in ways]
    await run_first(wired, asked)
    return await told(wired, calling, asked)


@router.post("/{pair_id:uuid}/backfill", status_code=202, summary="Carga retroativa de um período")
async def backfill(wired: Wired, calling: Calling, pair_id: UUID, body: Backfill) -> Requests:
    pair = await _pair(wired, calling, pair_id)
    until = body.until or datetime.now(UTC).replace(microsecond=0)
    if body.since >= until:
        raise ConfigurationError("O período está vazio: `since` deve ser anterior a `until`.")
    if pair.direction is Direction.EXPORT:
        raise ConfigurationError("Uma carga retroativa lê o sistema externo, e este par só exporta.")
    selection = {"from": body.since.isoformat(), "until": until.isoformat()}
    asked = [await _ask(wired, calling, pair, RequestKind.BACKFILL, Direction.IMPORT, selection)]
    await run_first(wired, asked)
    return await told(wired, calling, asked)


async def _pair(wired: Wiring, calling: Caller, pair_id: UUID) -> PairRow:
    """Raises `Absent`."""
    for row in await admin.pairs(wired.engine, calling.tenant_id):
        if row.id == pair_id:
            return row
    raise Absent(f"Não há par {pair_id}.")


async def _ask(
    wired: Wiring,
    calling: Caller,
    pair: PairRow,
    kind: RequestKind,
    way: Direction,
    selection: dict[str, str],
) -> requests.Request:
    by = calling.actor.name
    return await requests.ask(wired.engine, calling.tenant_id, pair.id, kind, way, selection, by=by)
