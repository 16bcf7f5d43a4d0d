"""Testar Conexão, an account connected in the browser, and the token of the webhook."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from core.consent import integration_of
from core.errors import SyncError
from core.probe import ProbeResult, Tested
from db import admin, configured, drafts, webhooks
from db.admin import IntegrationRow
from web.access import Visiting, Visitor, Wired
from web.configure.hooks import offer, told
from web.configure.integration import shown
from web.configure.kinds import known
from web.following import follow, pairs_of, to
from web.pages import is_htmx, page
from web.wiring import Wiring

RETURN = "/oauth/retorno"
router = APIRouter()


@router.post("/integracoes/{id_}/testar")
async def test(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    result = await tested(wired, person, row)
    return page(
        request,
        "integration_test.html",
        block="result" if is_htmx(request) else None,
        row=row,
        result=result,
    )


async def tested(wired: Wiring, person: Visitor, row: IntegrationRow) -> ProbeResult:
    """The result, which is kept too, without its raw answer. What is missing to ask at all is a result."""
    try:
        result = await wired.probe(row)
    except SyncError as error:
        result = ProbeResult(ok=False, message=error.message, seconds=0.0, advice=error.advice)
    await drafts.keep_test(wired.engine, row, Tested.of(result, datetime.now(UTC)), person.by())
    return result


@router.post("/integracoes/{id_}/conectar")
async def connect(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    return await lead_away(request, wired, await admin.read_integration(wired.engine, person.tenant_id, id_))


async def lead_away(request: Request, wired: Wiring, row: IntegrationRow) -> Response:
    """A page that leads on: a form may not send the browser to another site (CSP form-action)."""
    url = await wired.ask_consent(row, wired.public_url + RETURN)
    return page(request, "integration_connect.html", row=row, kind=known(row.provider), url=url, error=None)


@router.get(RETURN)
async def returned(request: Request, wired: Wired, person: Visiting, state: str = "") -> Response:
    """Where the external system sends the browser. It changes something, so it needs *editar*; that it was
    asked for is proved by its state, which works once."""
    person.actor.require_edit()
    row = await admin.read_integration(wired.engine, person.tenant_id, integration_of(state))
    try:
        await wired.take_consent(row, str(request.url), person.email)
    except SyncError as error:
        return page(
            request,
            "integration_connect.html",
            status=422,
            row=row,
            kind=known(row.provider),
            url="",
            error=error,
        )
    followed = await follow(wired, await pairs_of(wired, person.tenant_id, row.id))
    return to(f"/integracoes/{row.id}{'/acesso' if row.draft else ''}", "conectada", followed=followed)


@router.post("/integracoes/{id_}/token")
async def rotate(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The new token is on this answer alone."""
    await admin.read_integration(wired.engine, person.tenant_id, id_)
    token = await webhooks.rotate(wired.engine, wired.vault, person.actor, person.tenant_id, id_)
    found = await configured.read(wired.engine, person.tenant_id, id_)
    if not found.integration.draft:
        await offer(wired, found.integration)
    return await shown(request, wired, found, token=token)


@router.post("/integracoes/{id_}/webhooks")
async def register(wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The subscriptions at the external system made or mended now. Raises what the external system says."""
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    outcomes = await wired.register(row)
    return to(f"/integracoes/{id_}", "parcial" if any(outcomes.values()) else "cadastrados")


@router.get("/integracoes/{id_}/escuta")
async def heard(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The topics, asked for again while nothing has been heard."""
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    kind = known(row.provider)
    hook = await told(wired, row, kind)
    return page(request, "integration_heard.html", row=row, hook=hook)
