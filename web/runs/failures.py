"""Falhas: records that failed, by cause and one by one; what a person does about many of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from core.entities import Direction, Entity, RequestKind
from core.errors import ConfigurationError, Fault
from db import admin, asking, issues, requests
from db.resolution import resolve_issues
from web.access import Visiting, Wired
from web.pages import page
from web.people.sign_in import local
from web.running import run_first
from web.runs.asked import id_of, one_of

PAGE = 50
FIELDS = ("integracao", "entidade", "direcao", "erro", "campo", "culpa", "log")
WITHOUT_FIELD = "-"
"""Of failures that name no field."""
DONE = {
    "reprocessar": "Reprocessamento pedido para {n}.",
    "nada": "Nenhuma falha em aberto para reprocessar.",
    "resolvido": "{n} como resolvido: não é mais tentado.",
}

router = APIRouter(prefix="/falhas")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter in the words of the address, and as the database is asked."""

    given: Mapping[str, str]
    resolved: bool

    @property
    def asked(self) -> Mapping[str, Any]:
        given = {name: self.given.get(name, "") for name in FIELDS}
        field = given["campo"]
        return issues.filters(
            integration_id=id_of(given["integracao"]),
            entity=one_of(Entity, given["entidade"]),
            direction=one_of(Direction, given["direcao"]),
            error_class=given["erro"] or None,
            field="" if field == WITHOUT_FIELD else field or None,
            fault=one_of(Fault, given["culpa"]),
            log_id=id_of(given["log"]),
            state="resolved" if self.resolved else "open",
        )

    def address(self, **more: Any) -> str:
        """`more` with an empty value takes a filter out."""
        words = {**self.given, **({"aba": "resolvidas"} if self.resolved else {}), **more}
        query = urlencode({name: value for name, value in words.items() if value})
        return f"/falhas?{query}" if query else "/falhas"


def wanted(given: Mapping[str, str]) -> Wanted:
    found = {name: given[name][:200] for name in FIELDS if given.get(name)}
    return Wanted(found, given.get("aba") == "resolvidas")


@router.get("")
async def listing(
    request: Request, wired: Wired, person: Visiting, antes: Annotated[UUID | None, Query()] = None
) -> Response:
    asked = wanted(request.query_params)
    engine, tenant = wired.engine, person.tenant_id
    rows = await issues.listing(engine, tenant, asked.asked, before=antes, limit=PAGE + 1)
    causes = await issues.causes(engine, tenant, asked.asked)
    return page(
        request,
        "failures.html",
        rows=rows[:PAGE],
        causes=causes,
        total=sum(cause["records"] for cause in causes),
        running=await requests.listing(engine, tenant, kind=RequestKind.REPROCESS, only_open=True, limit=5),
        integrations=await admin.integrations(engine, tenant),
        wanted=asked,
        asked=dict.fromkeys(FIELDS, "") | dict(asked.given),
        classes=sorted({cause["error_class"] for cause in causes} | {asked.given.get("erro", "")} - {""}),
        entities=list(Entity),
        faults=list(Fault),
        later=antes is not None,
        more=asked.address(antes=rows[PAGE - 1]["id"]) if len(rows) > PAGE else "",
        **told(request),
    )


@router.post("/reprocessar")
async def reprocess(
    wired: Wired,
    person: Visiting,
    falha: Annotated[list[UUID] | None, Form()] = None,
    todas: Annotated[str, Form(max_length=1)] = "",
    filtro: Annotated[str, Form(max_length=2000)] = "",
    volta: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Equal wishes are one request: who presses second joins the first."""
    asked = wanted(dict(parse_qsl(filtro)))
    if todas:
        made = await asking.reprocess(wired.engine, person.tenant_id, asked.asked, person.by())
    else:
        made = await asking.reprocess_some(wired.engine, person.tenant_id, _some(falha), person.by())
    await run_first(wired, made)
    n = await _count(wired, person.tenant_id, asked) if todas else len(_some(falha))
    return _to(volta or asked.address(), "reprocessar" if made else "nada", n)


@router.post("/resolver")
async def resolve(
    wired: Wired,
    person: Visiting,
    falha: Annotated[list[UUID] | None, Form()] = None,
    todas: Annotated[str, Form(max_length=1)] = "",
    filtro: Annotated[str, Form(max_length=2000)] = "",
    motivo: Annotated[str, Form(max_length=500)] = "",
    volta: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    asked = wanted(dict(parse_qsl(filtro)))
    n = await _count(wired, person.tenant_id, asked) if todas else len(_some(falha))
    if not todas:
        for id_ in _some(falha):
            await issues.read(wired.engine, person.tenant_id, id_)
    chosen = asked.asked if todas else _some(falha)
    await resolve_issues(wired.engine, person.actor, person.tenant_id, chosen, motivo)
    return _to(volta or asked.address(), "resolvido", n)


def told(request: Request) -> dict[str, Any]:
    """What the page before has done."""
    n = request.query_params.get("n", "")
    number = int(n) if n.isascii() and n.isdigit() and len(n) < 10 else 1
    records = "1 registro" if number == 1 else f"{number:,} registros".replace(",", ".")
    words = DONE.get(request.query_params.get("feito", ""), "")
    marked = "Marcado 1 registro" if number == 1 else f"Marcados {records}"
    return {"done": words.format(n=marked if words.startswith("{n}") else records)}


async def _count(wired: Wired, tenant_id: UUID, asked: Wanted) -> int:
    causes = await issues.causes(wired.engine, tenant_id, {**asked.asked, "state": "open"})
    return sum(cause["records"] for cause in causes)


def _some(chosen: list[UUID] | None) -> list[UUID]:
    if not chosen:
        raise ConfigurationError("Nenhuma falha foi selecionada: marque as linhas, ou todas do filtro.")
    return chosen[: 10 * PAGE]


def _to(address: str, done: str, n: int) -> Response:
    path = local(address)
    more = urlencode({"feito": done, "n": n})
    return RedirectResponse(f"{path}{'&' if '?' in path else '?'}{more}", status_code=303)
