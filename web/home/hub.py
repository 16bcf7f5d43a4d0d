"""Página inicial: how the tenant's integrations are, each figure a link to what it counts (manual 2.1)."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from core import errors
from core.entities import IntegrationStatus, Trigger
from core.errors import Fault, SyncError
from core.formats import ZONE
from core.freshness import Freshness, freshness, next_run
from db import alarms, asking
from db import hub as found
from providers.registry import PROVIDERS
from web.access import Visiting, Visitor, Wired
from web.home.alarms import REMEDIES
from web.home.heatmap import Column, Spark, cells, columns, spark, weeks
from web.home.outage import Outage, outage
from web.pages import is_htmx, page
from web.pulse import Pulse
from web.wiring import Wiring

PULSE_SECONDS = 2.0
"""Longest wait for Prefect: a page that says it does not answer is worth more than one that waits for it."""
FAULTS = {
    Fault.DATA: "dado",
    Fault.CREDENTIAL: "credencial",
    Fault.EXTERNAL: "sistema externo",
    Fault.OURS: "CloudToSys",
}
BAD = (Freshness.ERROR, Freshness.LATE)

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """A pair as the hub shows it."""

    pair: found.Pair
    state: Freshness
    next_at: datetime | None
    spark: Spark
    may_run: bool


@dataclass(frozen=True, slots=True)
class Group:
    """An integration with its pairs."""

    id: UUID
    name: str
    provider: str
    status: IntegrationStatus
    reason: str
    lines: Sequence[Line]


@router.get("/")
async def hub(
    request: Request, person: Visiting, wired: Wired, parte: str = "", pedido: UUID | None = None
) -> Response:
    """`parte` is the block that htmx asks for; `pedido` the pair whose run was just asked for."""
    now = datetime.now(UTC)
    if is_htmx(request) and parte == "mapa":
        shown = await found.read(wired.engine, person.tenant_id, now)
        return page(request, "hub.html", block="map", **heat(shown, now))
    shown, raised, pulse = await asyncio.gather(
        found.read(wired.engine, person.tenant_id, now),
        alarms.alarms(wired.engine, person.tenant_id),
        _pulse(wired),
    )
    context = panel(shown, raised, outage(pulse, raised, now), person, now)
    if is_htmx(request):
        return page(request, "hub.html", block="panel", **context)
    asked = next((pair for pair in shown.pairs if pair.id == pedido), None)
    return page(request, "hub.html", asked=asked, **context, **heat(shown, now))


@router.post("/pares/{pair_id}/executar")
async def run(
    request: Request,
    person: Visiting,
    wired: Wired,
    pair_id: UUID,
    chave: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Executar agora. The same `chave` asks once, however often it is pressed."""
    name, entity = await found.runnable(wired.engine, person.tenant_id, pair_id)
    key = f"console:{pair_id}:{chave}" if chave else None
    await wired.orchestrator.trigger(pair_id, initiated_by=Trigger.MANUAL, idempotency_key=key)
    await asking.note_run(wired.engine, person.tenant_id, pair_id, person.by())
    if not is_htmx(request):
        return RedirectResponse(f"/?pedido={pair_id}", status_code=303)
    said = {"dizer": f"Execução pedida: {name} · {entity.label}.", "atualizar": ""}
    return HTMLResponse("", headers={"HX-Trigger": json.dumps(said)})


def panel(
    shown: found.Hub,
    raised: Sequence[alarms.AlarmRow],
    stopped: Outage | None,
    person: Visitor,
    now: datetime,
) -> dict[str, Any]:
    lines = [_line(pair, person, now) for pair in shown.pairs]
    states = Counter(line.state for line in lines)
    return {
        "shown": shown,
        "stopped": stopped,
        "groups": [_group(list(members)) for _, members in groupby(lines, lambda x: x.pair.integration_id)],
        "states": [(state, states[state]) for state in Freshness if states[state]],
        "alarms": [_alarm(alarm) for alarm in raised],
        "causes": [_cause(row) for row in shown.causes],
        "expiring": [_expiring(row, now) for row in shown.expiring],
        "day_ago": (now - timedelta(hours=24)).strftime("%Y-%m-%dT%H:%MZ"),
        "month_began": now.astimezone(ZONE).date().replace(day=1),
        "total": sum(shown.integrations.values()),
        "key": uuid4().hex,
        "told": _told(states, len(raised), stopped),
    }


def heat(shown: found.Hub, now: datetime) -> dict[str, Any]:
    days = columns(now.astimezone(ZONE).date(), found.HEAT_DAYS)
    return {"columns": days, "weeks": weeks(days), "rows": _rows(shown, days)}


def _rows(shown: found.Hub, days: Sequence[Column]) -> list[tuple[str, list[tuple[found.Pair, Markup]]]]:
    """Integrations with their pairs, each with its cells."""
    grouped = groupby(shown.pairs, lambda pair: (pair.integration_id, pair.integration))
    return [(name, [(pair, cells(pair, days)) for pair in pairs]) for (_, name), pairs in grouped]


def _line(pair: found.Pair, person: Visitor, now: datetime) -> Line:
    state = freshness(pair.standing, now)
    stands = state is Freshness.PAUSED or pair.provider in _BY_MIGRATION
    return Line(
        pair=pair,
        state=state,
        next_at=next_run(pair.standing, now),
        spark=spark(pair.days, now.astimezone(ZONE).date()),
        may_run=person.can_edit and not stands and state is not Freshness.SYNCING,
    )


def _group(lines: Sequence[Line]) -> Group:
    pair = lines[0].pair
    name = _NAMES.get(pair.provider, pair.provider)
    return Group(pair.integration_id, pair.integration, name, pair.status, pair.status_reason, lines)


def _alarm(alarm: alarms.AlarmRow) -> dict[str, Any]:
    cause, remedy = REMEDIES.get(alarm.kind, ("", ""))
    title = alarms.LABELS.get(alarm.kind, alarm.kind)
    return {"alarm": alarm, "title": title, "cause": cause, "remedy": remedy}


def _cause(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = getattr(errors, row["error_class"], SyncError)
    wanted = {name: row[key] for name, key in _FAILURE_FILTERS.items() if row[key]}
    return {
        **row,
        "title": kind.advice.title,
        "fault": FAULTS[Fault(row["fault"])],
        "address": f"/falhas?{urlencode(wanted)}",
    }


def _expiring(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    label = _CREDENTIALS.get((row["provider"], row["name"]), row["name"])
    return {**row, "label": label, "over": row["expires_at"] <= now}


def _told(states: Mapping[Freshness, int], alarms_: int, stopped: Outage | None) -> str:
    """What somebody who cannot see the page is told when it changes."""
    parts = [
        f"{states[state]} {'par' if states[state] == 1 else 'pares'}: {state.label}"
        for state in BAD
        if states[state]
    ]
    if alarms_:
        parts.append(f"{alarms_} {'alarme aberto' if alarms_ == 1 else 'alarmes abertos'}")
    if stopped:
        parts.insert(0, stopped.title)
    return "; ".join(parts) + "." if parts else "Todos os pares em ordem."


async def _pulse(wired: Wiring) -> Pulse:
    try:
        async with asyncio.timeout(PULSE_SECONDS):
            return await wired.take_pulse()
    except TimeoutError:
        return Pulse(prefect=False)


_FAILURE_FILTERS = {"erro": "error_class", "campo": "field", "entidade": "entity", "direcao": "direction"}
_NAMES = {provider.key: provider.name for provider in PROVIDERS}
_BY_MIGRATION = {provider.key for provider in PROVIDERS if provider.by_migration}
_CREDENTIALS = {
    (provider.key, setting.name): setting.label for provider in PROVIDERS for setting in provider.settings
}
