"""Nova integração: the system, then the access to it. What was entered is kept as a draft from then on."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from core import form
from core.address import Guard
from core.probe import ProbeResult
from core.spec import CATEGORIES, Provider
from db import admin, drafts
from db.admin import IntegrationRow, NameTaken
from db.expiry import note_certificate
from db.runs import read_secrets
from providers.registry import PROVIDERS, get
from web.access import Visiting, Visitor, Wired
from web.configure import guidance
from web.configure.connection import RETURN, lead_away, tested
from web.configure.filling import PREFIX, Filled, judge, read
from web.configure.kinds import able, asks_consent, known
from web.configure.steps import steps
from web.following import follow, pairs_of, to
from web.pages import is_htmx, page
from web.wiring import Wiring

router = APIRouter()
BY_FILE = "legacy-excel"
"""Has nothing to fill in: its files are uploaded where they are migrated."""


@router.get("/integracoes/nova")
async def choose(
    request: Request,
    person: Visiting,
    q: Annotated[str, Query(max_length=200)] = "",
    categoria: str = "",
) -> Response:
    wanted = q.strip().lower()
    found = [
        kind
        for kind in PROVIDERS
        if categoria in ("", kind.category)
        and (not wanted or wanted in f"{kind.name} {CATEGORIES[kind.category]}".lower())
    ]
    return page(
        request,
        "wizard_choose.html",
        block="systems" if is_htmx(request) else None,
        steps=steps(None, "sistema"),
        groups={label: [k for k in found if k.category == key] for key, label in CATEGORIES.items()},
        able=able,
        by_file=BY_FILE,
        categories=CATEGORIES,
        q=q,
        category=categoria,
    )


@router.get("/integracoes/nova/{key}")
async def blank(request: Request, wired: Wired, person: Visiting, key: str) -> Response:
    kind = get(key)
    taken = {row.name.lower() for row in await admin.integrations(wired.engine, person.tenant_id)}
    numbered = (f"{kind.name} {number}" for number in range(2, len(taken) + 3))
    name = next((n for n in (kind.name, *numbered) if n.lower() not in taken), kind.name)
    return _form(request, wired, kind, None, Filled(name, "", {}, {}, form.defaults(kind), {}))


@router.post("/integracoes/nova/{key}")
async def begin(request: Request, wired: Wired, person: Visiting, key: str) -> Response:
    """From here on there is a draft, also where something else is wrong."""
    kind, guard = get(key), _guard(wired)
    filled = await read(kind, await request.form(), guard, None)
    if "nome" in filled.wrong:
        return _form(request, wired, kind, None, filled)
    try:
        id_ = await drafts.begin(wired.engine, person.tenant_id, kind.key, filled.name, person.by())
    except NameTaken as error:
        filled.wrong["nome"] = error.message
        return _form(request, wired, kind, None, filled)
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    return await _take(request, wired, person, row, filled)


@router.get("/integracoes/{id_}/acesso")
async def access(request: Request, wired: Wired, person: Visiting, id_: UUID, aviso: str = "") -> Response:
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    typed = row.settings | ({"base_url": row.base_url} if row.base_url else {})
    filled = Filled(row.name, row.base_url or "", row.settings, {}, typed, {})
    done = "Conta conectada. Teste a conexão e continue." if aviso == "conectada" else ""
    return _form(request, wired, get(row.provider), row, filled, done=done)


@router.post("/integracoes/{id_}/acesso")
async def save(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    row = await admin.read_integration(wired.engine, person.tenant_id, id_)
    filled = await read(get(row.provider), await request.form(), _guard(wired), row)
    return await _take(request, wired, person, row, filled)


async def _take(
    request: Request, wired: Wiring, person: Visitor, row: IntegrationRow, filled: Filled
) -> Response:
    """Of a draft what is right is kept even where the rest is not; what is active changes as a whole."""
    kind = get(row.provider)
    stored = await read_secrets(wired.engine, wired.vault, row.tenant_id, row.id)
    judge(kind, filled, stored, _guard(wired))
    if filled.wrong and not row.draft:
        return _form(request, wired, kind, row, filled)
    try:
        row = await _keep(wired, person, kind, row, filled)
    except NameTaken as error:
        filled.wrong["nome"] = error.message
    if filled.wrong:
        return _form(request, wired, kind, row, filled)
    followed = row.draft or await follow(wired, await pairs_of(wired, row.tenant_id, row.id))
    match (await request.form()).get("acao"):
        case "testar":
            result = await tested(wired, person, row)
            row = await admin.read_integration(wired.engine, row.tenant_id, row.id)
            return _form(request, wired, kind, row, filled, result=result)
        case "conectar":
            return await lead_away(request, wired, row)
    if row.draft:
        return to(f"/integracoes/{row.id}/{'inicio' if kind.by_migration else 'dados'}")
    return to(f"/integracoes/{row.id}", "salvo", followed=followed)


async def _keep(
    wired: Wiring, person: Visitor, kind: Provider, row: IntegrationRow, filled: Filled
) -> IntegrationRow:
    """Fields of a draft that came back wrong stay as they were, and so does what the form does not show.

    Raises `NameTaken`.
    """
    declared = {setting.name for setting in kind.settings}
    kept = {
        name: value for name, value in row.settings.items() if name in filled.wrong or name not in declared
    }
    settings, name = kept | filled.settings, row.name if "nome" in filled.wrong else filled.name
    untouched = "base_url" in filled.wrong or "base_url" not in declared
    base_url = (row.base_url or "") if untouched else filled.base_url
    same = (row.name, row.base_url or "", row.settings) == (name, base_url, settings)
    if not same or filled.secrets:
        await admin.change_access(
            wired.engine,
            wired.vault,
            row,
            base_url=base_url or None,
            secrets=filled.secrets,
            settings=settings,
            name=name,
            by=person.by(),
        )
    row = await admin.read_integration(wired.engine, row.tenant_id, row.id)
    if not filled.wrong:
        await note_certificate(wired.engine, wired.vault, kind, row)
    return row


def _form(
    request: Request,
    wired: Wiring,
    kind: Provider,
    row: IntegrationRow | None,
    filled: Filled,
    *,
    result: ProbeResult | None = None,
    done: str = "",
) -> Response:
    return page(
        request,
        "wizard_access.html",
        status=422 if filled.wrong else 200,
        steps=steps(row, "acesso"),
        kind=kind,
        category=CATEGORIES[kind.category],
        row=row,
        filled=filled,
        prefix=PREFIX,
        callback=wired.public_url + RETURN,
        kept=set(row.secrets) if row else set(),
        consent=_consents(kind, row),
        help=guidance.credentials(kind.key),
        result=result,
        done=done,
    )


def _consents(kind: Provider, row: IntegrationRow | None) -> bool:
    """Before anything is filled in: what the system does where no key of another kind is given."""
    if row is not None:
        return asks_consent(known(row.provider), row)
    return kind.oauth is not None and kind.oauth.authorize_url is not None


def _guard(wired: Wiring) -> Guard:
    return Guard(wired.environment.private_hosts, wired.environment.plain_http)
