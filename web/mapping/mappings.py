"""Mapeamentos: which record of the ERP is which one outside; found, noted, asked for again, broken."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from core.auditing import ACTIONS
from core.entities import Direction, Entity
from core.ports import VARIANTS
from db import mappings, resync
from db.admin import read_integration
from db.compared import Compared, compare
from db.mapping_pages import HELD, Filter, read_page
from web.access import Visiting, Visitor, Wired
from web.mapping.values import lines
from web.pages import is_htmx, page
from web.people.sign_in import local
from web.running import run_now

router = APIRouter()
STATES = mappings.STATES | {HELD: "à espera de decisão"}
KINDS = mappings.LABELS
DONE = {
    "criado": "Mapeamento criado. A próxima sincronização compara os dois registros.",
    "notas": "Notas gravadas.",
    "excluidos": "Vínculos quebrados: {n}. Os registros permanecem dos dois lados.",
    "pedidos": "Ressincronizações pedidas: {n}. As execuções aparecem em Logs.",
    "guardados": "Ressincronizações pedidas: {n}. O Prefect não respondeu agora; a execução começa sozinha"
    " quando ele voltar.",
    "orfaos": "Órfãos confirmados: {n}. Os registros do ERP permanecem.",
    "liberados": "Mapeamentos liberados: {n}. Seguem ativos.",
    "nada": "Nenhum mapeamento foi selecionado.",
}
Way = Literal["import", "export"]


@router.get("/mapeamentos")
async def listing(
    request: Request,
    wired: Wired,
    person: Visiting,
    integracao: str = "",
    entidade: str = "",
    estado: str = "",
    busca: Annotated[str, Query(max_length=255)] = "",
    depois: UUID | None = None,
) -> Response:
    asked = Filter(
        integration_id=_id(integracao),
        kind=entidade if entidade in KINDS else None,
        state=estado if estado in STATES else None,
        words=busca,
    )
    found = await read_page(wired.engine, person.tenant_id, asked, depois)
    filters = {"integracao": integracao, "entidade": entidade, "estado": estado, "busca": busca}
    chosen = {name: value for name, value in filters.items() if value}
    return page(
        request,
        "mappings.html",
        block="rows" if is_htmx(request) else None,
        found=found,
        filters=filters,
        filtered=bool(chosen),
        next=_address(chosen | {"depois": str(found.last["id"])}) if found.last else "",
        here=_address(chosen | ({"depois": str(depois)} if depois else {})),
        held=asked.state == HELD,
        kinds=KINDS,
        states=STATES,
        **told(request, DONE),
    )


@router.post("/mapeamentos/selecao")
async def act(
    request: Request,
    wired: Wired,
    person: Visiting,
    acao: Annotated[Literal["import", "export", "excluir", "confirmar", "liberar"], Form()],
    ids: Annotated[list[UUID] | None, Form()] = None,
    motivo: Annotated[str, Form(max_length=500)] = "",
    volta: Annotated[str, Form()] = "/mapeamentos",
) -> Response:
    """The same done to all that are selected."""
    if not ids:
        return back(volta, "nada", 0)
    if acao in ("import", "export"):
        return await _resync(wired, person, ids, Direction(acao), motivo, volta)
    if acao == "excluir":
        return back(volta, "excluidos", await _delete(wired, person, ids, motivo))
    n = 0
    for integration_id, kind in await _scopes(wired, person, ids):
        n += await _judge(wired, person, acao, integration_id, kind, motivo, ids)
    return back(volta, "orfaos" if acao == "confirmar" else "liberados", n)


@router.post("/mapeamentos/retidos")
async def judge_all(
    wired: Wired,
    person: Visiting,
    acao: Annotated[Literal["confirmar", "liberar"], Form()],
    integracao: Annotated[UUID, Form()],
    entidade: Annotated[Entity, Form()],
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """All that the deletion gate holds of an integration × entity."""
    await read_integration(wired.engine, person.tenant_id, integracao)
    n = await _judge(wired, person, acao, integracao, entidade.value, motivo, None)
    return back("/mapeamentos", "orfaos" if acao == "confirmar" else "liberados", n)


@router.get("/mapeamentos/{mapping_id}")
async def show(request: Request, wired: Wired, person: Visiting, mapping_id: UUID) -> Response:
    found = await compare(wired.engine, person.tenant_id, mapping_id, whole=person.can_edit)
    kind = found.row["entity"]
    sides = [found.erp, found.external]
    return page(
        request,
        "mapping.html",
        mapping=found.row,
        found=found,
        lines=lines(Entity(kind), sides, whole=person.can_edit) if any(sides) else [],
        ways=_ways(found),
        kind=KINDS[kind],
        states=STATES,
        actions=ACTIONS,
        **told(request, DONE),
    )


@router.get("/mapeamentos/{mapping_id}/notas")
async def note_form(
    request: Request, wired: Wired, person: Visiting, mapping_id: UUID, ver: bool = False
) -> Response:
    """In place of the notes; `ver` gives them back."""
    if not is_htmx(request):
        return RedirectResponse(f"/mapeamentos/{mapping_id}#notas", status_code=303)
    row = await mappings.read(wired.engine, person.tenant_id, mapping_id)
    return page(request, "mapping_note.html", mapping=row, editing=not ver, focus=True)


@router.post("/mapeamentos/{mapping_id}/notas")
async def annotate(
    request: Request,
    wired: Wired,
    person: Visiting,
    mapping_id: UUID,
    notas: Annotated[str, Form(max_length=mappings.LONGEST_NOTE * 2)] = "",
) -> Response:
    await mappings.annotate(wired.engine, person.tenant_id, mapping_id, notas, person.by())
    if is_htmx(request):
        row = await mappings.read(wired.engine, person.tenant_id, mapping_id)
        return page(request, "mapping_note.html", mapping=row, editing=False)
    return back(f"/mapeamentos/{mapping_id}", "notas", 1)


@router.post("/mapeamentos/{mapping_id}/ressincronizar")
async def resync_one(
    wired: Wired,
    person: Visiting,
    mapping_id: UUID,
    direcao: Annotated[Way, Form()],
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Raises what `db.resync.resync` does."""
    request = await resync.resync(
        wired.engine, person.tenant_id, mapping_id, Direction(direcao), person.by(motivo)
    )
    taken = await run_now(wired, request)
    return back(f"/mapeamentos/{mapping_id}", "pedidos" if taken else "guardados", 1)


@router.post("/mapeamentos/{mapping_id}/excluir")
async def delete(
    wired: Wired, person: Visiting, mapping_id: UUID, motivo: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    await mappings.delete(wired.engine, person.tenant_id, mapping_id, person.by(motivo))
    return back("/mapeamentos", "excluidos", 1)


def back(address: str, done: str, n: int, **more: int) -> Response:
    """To a page of ours, which then says what was done."""
    path, _, query = local(address).partition("?")
    kept = "&".join(part for part in query.split("&") if part and part.split("=")[0] not in TOLD)
    words = urlencode({"feito": done, "n": n} | more)
    return RedirectResponse(f"{path}?{kept}&{words}" if kept else f"{path}?{words}", status_code=303)


TOLD = ("feito", "n", "recusados")


def told(request: Request, words: dict[str, str]) -> dict[str, Any]:
    """What `back` told: `done` and `refused`, or nothing."""
    given = request.query_params
    n = given.get("n", "0")
    number = int(n) if n.isascii() and n.isdigit() and len(n) < 10 else 0
    refused = given.get("recusados", "0")
    return {
        "done": words.get(given.get("feito", ""), "").format(n=f"{number:,}".replace(",", ".")),
        "refused": int(refused) if refused.isascii() and refused.isdigit() and len(refused) < 10 else 0,
    }


async def _resync(
    wired: Wired, person: Visitor, ids: list[UUID], way: Direction, reason: str, back_to: str
) -> Response:
    asked = await resync.resync_many(wired.engine, person.tenant_id, ids, way, person.by(reason))
    if not (asked.requests or asked.refused):
        raise mappings.MappingUnknown("Os mapeamentos selecionados não existem mais.")
    n = sum(len(request.selection["ids"]) for request in asked.requests)
    taken = [await run_now(wired, request) for request in asked.requests]
    more = {"recusados": len(asked.refused)} if asked.refused else {}
    return back(back_to, "pedidos" if all(taken) else "guardados", n, **more)


async def _delete(wired: Wired, person: Visitor, ids: list[UUID], reason: str) -> int:
    n = 0
    for id_ in ids:
        try:
            await mappings.delete(wired.engine, person.tenant_id, id_, person.by(reason))
        except mappings.MappingUnknown:  # a variant that went with its product
            continue
        n += 1
    if not n:
        raise mappings.MappingUnknown("Os mapeamentos selecionados não existem mais.")
    return n


async def _scopes(wired: Wired, person: Visitor, ids: list[UUID]) -> set[tuple[UUID, str]]:
    rows = [await mappings.read(wired.engine, person.tenant_id, id_) for id_ in ids]
    return {(row["integration_id"], row["entity"]) for row in rows}


async def _judge(
    wired: Wired,
    person: Visitor,
    action: str,
    integration_id: UUID,
    kind: str,
    reason: str,
    ids: list[UUID] | None,
) -> int:
    decide = mappings.confirm_missing if action == "confirmar" else mappings.release_missing
    return await decide(
        wired.engine, person.tenant_id, integration_id, kind, person.by(reason), ids=ids or None
    )


def _ways(found: Compared) -> list[Direction]:
    """In which a person may force the record."""
    if found.direction is None or found.row["entity"] == VARIANTS or found.row["state"] != "active":
        return []
    both = found.direction is Direction.BOTH
    return [Direction.IMPORT, Direction.EXPORT] if both else [found.direction]


def _id(text: str) -> UUID | None:
    """A filter that is no id filters nothing away: the list would be empty without a word of why."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _address(chosen: dict[str, str]) -> str:
    return f"/mapeamentos?{urlencode(chosen)}" if chosen else "/mapeamentos"
