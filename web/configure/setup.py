"""The rest of setting up an integration: entities and their ways, frequency and branch, then the start."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from starlette.datastructures import FormData

from core import form
from core.entities import Cadence, ConflictPolicy, Direction, Entity, Matching
from core.errors import ConfigurationError
from core.spec import Provider
from db import configured, drafts, simulations
from db.admin import IntegrationRow
from db.configured import Detail
from db.simulations import Simulation
from providers.registry import get
from web.access import Visiting, Wired
from web.configure.hooks import offer, told
from web.configure.kinds import able, rhythms
from web.configure.simulating import simulate
from web.configure.steps import steps
from web.following import follow, to
from web.pages import page
from web.wiring import Wiring

router = APIRouter(prefix="/integracoes/{id_}")
USUAL = Cadence.HOURLY
"""Proposed for what is new."""


@router.get("/dados")
async def entities(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    return _entities(request, found, _proposed(found), found.integration.matching)


@router.post("/dados")
async def choose(
    request: Request,
    wired: Wired,
    person: Visiting,
    id_: UUID,
    pareamento: Annotated[Matching, Form()] = Matching.SKU,
    politica: Annotated[ConflictPolicy | None, Form()] = None,
) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    row, kind = found.integration, get(found.integration.provider)
    try:
        ways = _ways(kind, await request.form())
    except ConfigurationError as error:
        return _entities(request, found, {}, pareamento, wrong=error.message)
    usual = USUAL if form.allows(kind, USUAL) else kind.fastest
    pairs = await drafts.choose(
        wired.engine,
        row,
        ways,
        pareamento,
        politica,
        {entity: form.may_simulate(kind, entity) for entity in ways},
        usual if row.draft else Cadence.MANUAL,
        person.by(),
    )
    if row.draft:
        return to(f"/integracoes/{id_}/agenda")
    added = ways.keys() - {pair.entity for pair in found.pairs}
    followed = await follow(wired, pairs)
    return to(f"/integracoes/{id_}{'/agenda' if added else ''}", "salvo", followed=followed)


@router.get("/agenda")
async def frequencies(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    return await _frequencies(request, wired, await configured.read(wired.engine, person.tenant_id, id_))


@router.post("/agenda")
async def schedule(
    request: Request, wired: Wired, person: Visiting, id_: UUID, filial: Annotated[str, Form()] = ""
) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    row, given = found.integration, await request.form()
    try:
        chosen = _cadences(get(row.provider), found, given)
        branch = UUID(filial) if filial else None
    except ConfigurationError as error:
        return await _frequencies(request, wired, found, wrong=error.message)
    except ValueError:
        return await _frequencies(request, wired, found, wrong="Escolha uma filial da lista.")
    await drafts.schedule(wired.engine, row, chosen, branch, person.by())
    if row.draft:
        return to(f"/integracoes/{id_}/inicio")
    followed = await follow(wired, [pair.id for pair in found.pairs])
    return to(f"/integracoes/{id_}", "salvo", followed=followed)


@router.get("/inicio")
async def start(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    if not found.integration.draft:
        return to(f"/integracoes/{id_}")
    return await _start(request, wired, found)


@router.post("/simular")
async def simulation(wired: Wired, person: Visiting, id_: UUID) -> Response:
    """All that can be simulated, as the first run. Raises `ConfigurationError` where there is nothing."""
    found = await configured.read(wired.engine, person.tenant_id, id_)
    _require_test(found.integration)
    kind = get(found.integration.provider)
    pairs = [pair for pair in found.pairs if form.may_simulate(kind, pair.entity)]
    if not pairs:
        raise ConfigurationError("Não há entidade que possa ser simulada.")
    await simulate(wired, person, found.integration, pairs)
    return to(f"/integracoes/{id_}/inicio")


@router.get("/simulacao")
async def counted(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The counts, asked for again while a simulation is under way."""
    found = await configured.read(wired.engine, person.tenant_id, id_)
    runs = await simulations.newest(wired.engine, person.tenant_id, id_)
    return page(
        request,
        "wizard_simulation.html",
        row=found.integration,
        passed=_passed(found.integration),
        runs=runs,
        under_way=_under_way(runs),
    )


@router.post("/ativar")
async def activate(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    kind = get(found.integration.provider)
    if not found.pairs and not kind.by_migration:
        raise ConfigurationError("Escolha ao menos uma entidade antes de ativar.")
    await drafts.activate(wired.engine, found.integration, person.by())
    followed = await follow(wired, [pair.id for pair in found.pairs])
    await offer(wired, found.integration)
    return to(f"/integracoes/{id_}", "ativa", followed=followed)


def _entities(
    request: Request, found: Detail, chosen: Mapping[Entity, Direction], matching: Matching, wrong: str = ""
) -> Response:
    row, kind = found.integration, get(found.integration.provider)
    checks = {check.entity: check for check in row.tested.checks} if row.tested else {}
    policies = {pair.policy for pair in found.pairs}
    return page(
        request,
        "wizard_entities.html",
        status=422 if wrong else 200,
        steps=steps(row, "dados"),
        row=row,
        kind=kind,
        able=able(kind),
        ways=list(Direction),
        chosen=chosen,
        checks=checks,
        matchings=list(Matching),
        matching=matching,
        policies=list(ConflictPolicy),
        policy=policies.pop() if len(policies) == 1 else (None if policies else ConflictPolicy.ASK),
        wrong=wrong,
    )


def _proposed(found: Detail) -> dict[Entity, Direction]:
    """What is chosen; in a new draft all that can be read and that the credential allows."""
    if found.pairs or not found.integration.draft:
        return {pair.entity: pair.direction for pair in found.pairs if pair.enabled}
    checks = found.integration.tested.checks if found.integration.tested else ()
    refused = {check.entity for check in checks if not check.ok}
    offered = get(found.integration.provider).resources
    return {
        entity: Direction.IMPORT
        for entity, resource in offered.items()
        if Direction.IMPORT in resource.directions and entity not in refused
    }


def _ways(kind: Provider, given: FormData) -> dict[Entity, Direction]:
    """Raises `ConfigurationError` for what the provider does not offer, and for nothing at all."""
    found: dict[Entity, Direction] = {}
    for entity in kind.resources:
        value = str(given.get(f"entidade.{entity.value}", ""))
        if value not in ("", "nao"):
            if value not in set(Direction):
                raise ConfigurationError(f"Escolha uma direção da lista para {entity.label}.")
            found |= form.directions(kind, [entity], Direction(value))
    if not found:
        raise ConfigurationError("Escolha ao menos uma entidade para sincronizar.")
    return found


async def _frequencies(request: Request, wired: Wiring, found: Detail, wrong: str = "") -> Response:
    row, kind = found.integration, get(found.integration.provider)
    return page(
        request,
        "wizard_frequency.html",
        status=422 if wrong else 200,
        steps=steps(row, "agenda"),
        row=row,
        kind=kind,
        pairs=[pair for pair in found.pairs if pair.enabled],
        rhythms=rhythms(kind),
        branches=await configured.branches(wired.engine, row.tenant_id),
        wrong=wrong,
    )


def _cadences(kind: Provider, found: Detail, given: FormData) -> dict[Entity, Cadence]:
    """Raises `ConfigurationError` for one that the provider forbids."""
    chosen: dict[Entity, Cadence] = {}
    for pair in found.pairs:
        value = str(given.get(f"frequencia.{pair.entity.value}", ""))
        if not value:
            continue
        if value not in set(Cadence):
            raise ConfigurationError(f"Escolha uma frequência da lista para {pair.entity.label}.")
        form.check_cadence(kind, Cadence(value))
        chosen[pair.entity] = Cadence(value)
    return chosen


async def _start(request: Request, wired: Wiring, found: Detail) -> Response:
    row, kind = found.integration, get(found.integration.provider)
    runs = await simulations.newest(wired.engine, row.tenant_id, row.id)
    return page(
        request,
        "wizard_start.html",
        steps=steps(row, "inicio"),
        row=row,
        kind=kind,
        pairs=found.pairs,
        hook=await told(wired, row, kind),
        simulated=any(form.may_simulate(kind, pair.entity) for pair in found.pairs),
        passed=_passed(row),
        runs=runs,
        under_way=_under_way(runs),
    )


def _under_way(runs: list[Simulation]) -> bool:
    return any(run.is_open for run in runs)


def _passed(row: IntegrationRow) -> bool:
    return row.tested is not None and row.tested.ok


def _require_test(row: IntegrationRow) -> None:
    """Raises `ConfigurationError`."""
    if not _passed(row):
        raise ConfigurationError("A conexão ainda não foi testada com sucesso: teste-a no passo Acesso.")
