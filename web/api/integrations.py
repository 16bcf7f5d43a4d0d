"""Integrations: connected accounts. Secrets are written and never read."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field, StringConstraints

from core import form
from core.address import Guard
from core.entities import Cadence, ConflictPolicy, Direction, Entity, IntegrationStatus, Matching
from core.errors import ConfigurationError, SyncError
from core.probe import ProbeResult, Tested
from core.spec import Provider
from db import admin, deleted, drafts, expiry
from db.admin import IntegrationRow
from providers.registry import get
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.shapes import Given, Reason, Shown
from web.following import follow, pairs_of
from web.wiring import Wiring

router = APIRouter(prefix="/integrations", tags=["Integrações"], route_class=Guarded)

Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Address = Annotated[str, StringConstraints(max_length=2000)]
Fields = Annotated[dict[str, str], Field(max_length=50)]


class Integration(Shown):
    id: UUID
    provider: str
    name: str
    base_url: str | None
    settings: dict[str, str]
    direction: Direction
    matching: Matching
    branch: str | None = Field(description="Código da filial.")
    status: IntegrationStatus
    status_reason: str
    status_since: datetime
    draft: bool = Field(description="Nunca foi ativada.")
    last_success_at: datetime | None
    created_at: datetime
    secrets: list[str] = Field(description="Nomes das credenciais gravadas; os valores nunca são lidos.")
    ends_at: datetime | None = Field(description="Quando vence a primeira das credenciais.")


class Integrations(Shown):
    data: list[Integration]


class NewIntegration(Given):
    provider: Annotated[str, StringConstraints(max_length=64)] = Field(description="`key` de /providers.")
    name: Name
    base_url: Address = ""
    settings: Fields = Field(default_factory=dict, description="Campos do sistema que não são credenciais.")
    secrets: Fields = Field(default_factory=dict, description="Credenciais; arquivos em base64.")
    direction: Direction = Direction.IMPORT
    entities: Annotated[list[Entity], Field(max_length=20)] | None = Field(
        None, description="Sem isto, todas as que o sistema oferece."
    )
    cadence: Cadence = Cadence.MANUAL
    matching: Matching = Matching.SKU
    policy: ConflictPolicy = ConflictPolicy.ASK
    branch: Annotated[str, StringConstraints(max_length=64)] = Field("", description="Código da filial.")
    simulate: bool = Field(True, description="A primeira execução de cada par só conta o que faria.")


class IntegrationChange(Given):
    name: Name | None = None
    base_url: Address | None = None
    settings: Fields | None = Field(None, description="Só os campos que mudam.")
    secrets: Fields = Field(default_factory=dict, description="Só as credenciais que mudam.")


class Check(Shown):
    entity: Entity
    ok: bool
    message: str
    directions: list[Direction]


class Probed(Shown):
    ok: bool
    message: str
    seconds: float
    status: int | None = Field(description="HTTP, do sistema externo.")
    cause: str
    remedy: str
    checks: list[Check]
    headers: list[tuple[str, str]]
    body: str = Field(description="A resposta crua, sem segredos nem dados de pessoas.")


@router.get("", summary="Lista as integrações")
async def listing(wired: Wired, calling: Calling) -> Integrations:
    rows = await admin.integrations(wired.engine, calling.tenant_id)
    return Integrations.model_validate({"data": rows})


@router.post("", status_code=201, summary="Cria uma integração")
async def create(wired: Wired, calling: Calling, body: NewIntegration) -> Integration:
    kind = get(body.provider)
    directions = form.directions(kind, body.entities, body.direction)
    form.check_cadence(kind, body.cadence)
    secrets = _checked(kind, body.secrets, secret=True)
    settings = form.defaults(kind) | _checked(kind, body.settings, secret=False)
    _check_whole(wired, kind, {"base_url": body.base_url, **settings, **secrets})
    branch = await admin.find_branch(wired.engine, calling.tenant_id, body.branch) if body.branch else None
    draft = admin.Draft(
        tenant_id=calling.tenant_id,
        provider=kind.key,
        name=body.name,
        base_url=body.base_url or None,
        settings=settings,
        secrets=secrets,
        direction=body.direction,
        pairs=dict.fromkeys(directions, body.cadence),
        directions=directions,
        branch_id=branch,
        matching=body.matching,
        policy=body.policy,
        simulate=body.simulate and all(form.may_simulate(kind, entity) for entity in directions),
    )
    made = await admin.create_integration(wired.engine, wired.vault, draft, by=calling.by())
    row = await _row(wired, calling, made)
    await expiry.note_certificate(wired.engine, wired.vault, kind, row)
    await follow(wired, await pairs_of(wired, calling.tenant_id, made))
    return await _read(wired, calling, made)


@router.get("/{integration_id:uuid}", summary="Lê uma integração")
async def read(wired: Wired, calling: Calling, integration_id: UUID) -> Integration:
    return await _read(wired, calling, integration_id)


@router.patch("/{integration_id:uuid}", summary="Muda nome, endereço, campos ou credenciais")
async def change(
    wired: Wired, calling: Calling, integration_id: UUID, body: IntegrationChange
) -> Integration:
    row = await _row(wired, calling, integration_id)
    kind = get(row.provider)
    secrets = _checked(kind, body.secrets, secret=True)
    settings = row.settings | _checked(kind, body.settings or {}, secret=False)
    url = row.base_url if body.base_url is None else body.base_url or None
    kept = dict.fromkeys(row.secrets, "…")
    _check_whole(wired, kind, {"base_url": url or "", **settings, **kept, **secrets})
    await admin.change_access(
        wired.engine,
        wired.vault,
        row,
        base_url=url,
        secrets=secrets,
        settings=settings,
        name=body.name,
        by=calling.by(),
    )
    await expiry.note_certificate(wired.engine, wired.vault, kind, row)
    await follow(wired, await pairs_of(wired, calling.tenant_id, integration_id))
    return await _read(wired, calling, integration_id)


@router.delete("/{integration_id:uuid}", status_code=204, summary="Exclui; por 30 dias pode ser restaurada")
async def delete(wired: Wired, calling: Calling, integration_id: UUID) -> Response:
    row = await _row(wired, calling, integration_id)
    pairs = await pairs_of(wired, calling.tenant_id, integration_id)
    await deleted.delete(wired.engine, row, calling.by())
    await follow(wired, pairs)
    return Response(status_code=204)


@router.post("/{integration_id:uuid}/restore", summary="Restaura uma integração excluída, pausada")
async def restore(wired: Wired, calling: Calling, integration_id: UUID) -> Integration:
    await deleted.restore(wired.engine, calling.tenant_id, integration_id, calling.by())
    await follow(wired, await pairs_of(wired, calling.tenant_id, integration_id))
    return await _read(wired, calling, integration_id)


@router.post("/{integration_id:uuid}/pause", summary="Pausa: os agendamentos ficam inativos")
async def pause(wired: Wired, calling: Calling, integration_id: UUID, body: Reason) -> Integration:
    return await _set(wired, calling, integration_id, IntegrationStatus.PAUSED, body)


@router.post("/{integration_id:uuid}/resume", summary="Reativa o que está pausado, desativado ou com erro")
async def resume(wired: Wired, calling: Calling, integration_id: UUID, body: Reason) -> Integration:
    return await _set(wired, calling, integration_id, IntegrationStatus.ACTIVE, body)


@router.post("/{integration_id:uuid}/disable", summary="Desativa: nada executa, nem à mão")
async def disable(wired: Wired, calling: Calling, integration_id: UUID, body: Reason) -> Integration:
    return await _set(wired, calling, integration_id, IntegrationStatus.DISABLED, body)


@router.post("/{integration_id:uuid}/test", summary="Testar Conexão, com a resposta crua")
async def test(wired: Wired, calling: Calling, integration_id: UUID) -> Probed:
    row = await _row(wired, calling, integration_id)
    try:
        result = await wired.probe(row)
    except SyncError as error:  # what is missing to ask at all is a result, too
        result = ProbeResult(ok=False, message=error.message, seconds=0.0, advice=error.advice)
    await drafts.keep_test(wired.engine, row, Tested.of(result, datetime.now(UTC)), calling.by())
    return Probed(
        ok=result.ok,
        message=result.message,
        seconds=result.seconds,
        status=result.status,
        cause=result.advice.cause if result.advice else "",
        remedy=result.advice.remedy if result.advice else "",
        checks=[Check.model_validate(check) for check in result.checks],
        headers=list(result.headers),
        body=result.body,
    )


async def _set(
    wired: Wiring, calling: Caller, integration_id: UUID, status: IntegrationStatus, body: Reason
) -> Integration:
    """Raises `ConfigurationError` for a draft, which is activated at the end of its set-up."""
    row = await _row(wired, calling, integration_id)
    if row.draft:
        raise ConfigurationError("Esta integração é um rascunho: conclua o assistente no console.")
    await admin.set_status(wired.engine, row, status, by=calling.by(body.reason))
    await follow(wired, await pairs_of(wired, calling.tenant_id, integration_id))
    return await _read(wired, calling, integration_id)


async def _row(wired: Wiring, calling: Caller, integration_id: UUID) -> IntegrationRow:
    """Raises `Absent`."""
    return await admin.read_integration(wired.engine, calling.tenant_id, integration_id)


async def _read(wired: Wiring, calling: Caller, integration_id: UUID) -> Integration:
    return Integration.model_validate(await _row(wired, calling, integration_id))


def _checked(kind: Provider, given: Mapping[str, str], *, secret: bool) -> dict[str, str]:
    """Fields as they are kept; raises `ConfigurationError`, never with a value."""
    names = set(kind.secret_names) if secret else {s.name for s in kind.settings} - set(kind.secret_names)
    names -= {"base_url"}
    if unknown := sorted(given.keys() - names):
        raise ConfigurationError(f"{kind.name} não tem {', '.join(unknown)}; campos: {', '.join(names)}.")
    found = {}
    for setting in kind.settings:
        if setting.name not in given:
            continue
        value = given[setting.name]
        if setting.kind == "file":
            try:
                value = form.contents(setting, base64.b64decode(value, validate=True))
            except binascii.Error:
                raise ConfigurationError(f"{setting.label}: o arquivo não veio em base64.") from None
        elif value:
            form.check(setting, value)
        found[setting.name] = value
    return found


def _check_whole(wired: Wiring, kind: Provider, given: Mapping[str, str]) -> None:
    form.complete(kind, given)
    guard = Guard(wired.environment.private_hosts, wired.environment.plain_http)
    form.check_addresses(kind, guard, given)
