"""Configurar: the tenant's integrations as a list; paused, resumed, deleted and restored."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from core.entities import IntegrationStatus
from core.errors import ConfigurationError
from core.spec import CATEGORIES, Provider
from db import admin, configured, deleted
from db.configured import DRAFT, PAGE
from providers.registry import PROVIDERS
from web.access import Visiting, Wired
from web.configure.kinds import name_of
from web.following import follow, pairs_of, to
from web.pages import is_htmx, page

router = APIRouter()
STATUSES = {status.value: status.label for status in IntegrationStatus} | {DRAFT: "rascunho"}
DONE = {
    "excluida": f"Integração excluída. Por {deleted.GRACE_DAYS} dias pode ser restaurada.",
    "restaurada": "Integração restaurada, pausada. Retome-a quando quiser.",
}
SET = {
    IntegrationStatus.ACTIVE: "ativa",
    IntegrationStatus.PAUSED: "pausada",
    IntegrationStatus.DISABLED: "desativada",
}


@router.get("/integracoes")
async def listing(
    request: Request,
    wired: Wired,
    person: Visiting,
    q: Annotated[str, Query(max_length=200)] = "",
    status: str = "",
    categoria: str = "",
    provedor: str = "",
    depois: UUID | None = None,
    aviso: str = "",
) -> Response:
    status, q = (status if status in STATUSES else ""), q.replace("\0", "").strip()
    wanted = _wanted(categoria, provedor)
    found = await configured.listing(
        wired.engine,
        person.tenant_id,
        search=q,
        status=status,
        providers=None if wanted is None else [provider.key for provider in wanted],
        named=[provider.key for provider in PROVIDERS if q and q.lower() in provider.name.lower()],
        after=depois,
    )
    rows = found[:PAGE]
    filters = {"q": q, "status": status, "categoria": categoria, "provedor": provedor}
    kept = {name: value for name, value in filters.items() if value}
    last = str(rows[-1].integration.id) if len(found) > PAGE else ""
    return page(
        request,
        "integrations.html",
        block="rows" if is_htmx(request) else None,
        rows=rows,
        name_of=name_of,
        filters=filters,
        filtered=bool(kept) or depois is not None,
        statuses=STATUSES,
        categories=CATEGORIES,
        providers=sorted(PROVIDERS, key=lambda provider: provider.name.lower()),
        next="/integracoes?" + urlencode(kept | {"depois": last}) if last else "",
        done=DONE.get(aviso, ""),
    )


@router.get("/integracoes/excluidas")
async def gone(request: Request, wired: Wired, person: Visiting, aviso: str = "") -> Response:
    rows = await deleted.listing(wired.engine, person.tenant_id)
    return page(
        request,
        "integrations_deleted.html",
        rows=rows,
        name_of=name_of,
        days=deleted.GRACE_DAYS,
        done=DONE.get(aviso, ""),
    )


@router.post("/integracoes/{id_}/restaurar")
async def restore(wired: Wired, person: Visiting, id_: UUID) -> Response:
    await deleted.restore(wired.engine, person.tenant_id, id_, person.by())
    followed = await follow(wired, await pairs_of(wired, person.tenant_id, id_))
    return to(f"/integracoes/{id_}", "restaurada", followed=followed)


@router.post("/integracoes/{id_}/status")
async def set_status(
    wired: Wired, person: Visiting, id_: UUID, status: Annotated[IntegrationStatus, Form()]
) -> Response:
    """Raises `ConfigurationError` for a draft, which is activated at the end of its set-up, and for a status
    that nobody sets."""
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    if row.draft:
        raise ConfigurationError("Esta integração é um rascunho: conclua o assistente e use Ativar.")
    if status not in SET:
        raise ConfigurationError("Uma pessoa pausa, retoma ou desativa; o erro é o sistema que diz.")
    await admin.set_status(wired.engine, row, status, by=person.by())
    followed = await follow(wired, await pairs_of(wired, person.tenant_id, id_))
    return to(f"/integracoes/{id_}", SET[status], followed=followed)


@router.get("/integracoes/{id_}/excluir")
async def ask_to_delete(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    return _asking(request, row)


@router.post("/integracoes/{id_}/excluir")
async def delete(
    request: Request,
    wired: Wired,
    person: Visiting,
    id_: UUID,
    nome: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    if nome.strip() != row.name:
        return _asking(request, row, typed=nome, wrong="O nome digitado não é o da integração.")
    pairs = await pairs_of(wired, person.tenant_id, id_)
    await deleted.delete(wired.engine, row, person.by())
    return to("/integracoes", "excluida", followed=await follow(wired, pairs))


def _asking(request: Request, row: admin.IntegrationRow, typed: str = "", wrong: str = "") -> Response:
    return page(
        request,
        "integrations_delete.html",
        status=422 if wrong else 200,
        row=row,
        days=deleted.GRACE_DAYS,
        typed=typed,
        wrong=wrong,
    )


def _wanted(category: str, key: str) -> list[Provider] | None:
    """Of these kinds alone; None for all."""
    if not category and not key:
        return None
    found = [provider for provider in PROVIDERS if key in ("", provider.key)]
    return [provider for provider in found if category in ("", provider.category)]
