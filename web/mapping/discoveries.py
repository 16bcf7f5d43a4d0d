"""Descobertas: links proposed between records that exist on both sides already; nothing is made unasked."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core.discovering import PROPOSALS, RULES, STAGES, Rule, words
from core.entities import Entity
from core.errors import ConfigurationError, SyncError
from db import admin, discovery, listings
from db.admin import read_integration
from web.access import Visiting, Wired
from web.mapping.mappings import back, told
from web.pages import is_htmx, page

router = APIRouter()
SIZE = 50
TONES = {"matched": "good", "ambiguous": "warn", "unmatched": "calm", "applied": "good", "dismissed": "calm"}
STAGE_TONES = {"running": "busy", "proposed": "warn", "applied": "good", "failed": "bad"}
RULES_LABEL = {rule.value: rule.label for rule in Rule}
DONE = {
    "aplicada": "Vínculos criados: {n}. A próxima execução compara os registros.",
    "escolhida": "Vínculo criado. A próxima execução compara os registros.",
    "descartadas": "Propostas descartadas: {n}. Outra descoberta pode propô-las de novo.",
    "nada": "Nenhuma proposta foi selecionada.",
}


@router.get("/descobertas")
async def listing(request: Request, wired: Wired, person: Visiting, depois: UUID | None = None) -> Response:
    rows = await listings.discoveries(wired.engine, person.tenant_id, before=depois, limit=SIZE + 1)
    pairs = await admin.pairs(wired.engine, person.tenant_id)
    return page(
        request,
        "discoveries.html",
        rows=[row | {"words": words(row["counts"])} for row in rows[:SIZE]],
        next=f"/descobertas?depois={rows[SIZE - 1]['id']}" if len(rows) > SIZE else "",
        pairs=[pair for pair in pairs if pair.entity in RULES],
        stages=STAGES,
        tones=STAGE_TONES,
    )


@router.post("/descobertas")
async def begin(
    wired: Wired,
    person: Visiting,
    par: Annotated[UUID, Form()],
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Raises what Prefect's refusal is, with the discovery put on record as failed."""
    pairs = await admin.pairs(wired.engine, person.tenant_id)
    pair = next((row for row in pairs if row.id == par), None)
    if pair is None:
        raise discovery.ProposalUnknown("Não há este par de integração e entidade.")
    owner = await read_integration(wired.engine, person.tenant_id, pair.integration_id)
    tenant_id = person.tenant_id
    id_ = await discovery.begin(wired.engine, tenant_id, owner.id, pair.entity, person.by(motivo))
    try:
        await wired.orchestrator.discover(pair.id, id_)
    except SyncError as error:
        await discovery.fail(wired.engine, tenant_id, id_, error.message)
    return RedirectResponse(f"/descobertas/{id_}", status_code=303)


@router.get("/descobertas/{discovery_id}")
async def show(
    request: Request,
    wired: Wired,
    person: Visiting,
    discovery_id: UUID,
    situacao: str = "",
    depois: UUID | None = None,
) -> Response:
    """htmx asks for the progress again and again, and gets the whole page once the search has ended."""
    row = await discovery.read(wired.engine, person.tenant_id, discovery_id)
    counts = await discovery.states(wired.engine, person.tenant_id, discovery_id)
    if is_htmx(request):
        return _progress(request, row, counts)
    state = situacao if situacao in PROPOSALS else _interesting(counts)
    entity = Entity(row["entity"])
    proposals = await listings.proposals(
        wired.engine,
        person.tenant_id,
        discovery_id,
        entity,
        state=state,
        after=depois,
        limit=SIZE + 1,
    )
    address = f"/descobertas/{discovery_id}?situacao={state}"
    return page(
        request,
        "discovery.html",
        row=row,
        counts=counts,
        read=_read(row, counts),
        words=words(row["counts"]),
        state=state,
        here=address + (f"&depois={depois}" if depois else ""),
        proposals=proposals[:SIZE],
        next=f"{address}&depois={proposals[SIZE - 1]['id']}" if len(proposals) > SIZE else "",
        stages=STAGES,
        states=PROPOSALS,
        tones=TONES,
        stage_tones=STAGE_TONES,
        rules=RULES_LABEL,
        decides=row["state"] in ("proposed", "applied"),
        **told(request, DONE),
    )


@router.post("/descobertas/{discovery_id}/aplicar")
async def apply(
    wired: Wired,
    person: Visiting,
    discovery_id: UUID,
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """All that are not ambiguous."""
    by = person.by(motivo)
    done = await discovery.apply(wired.engine, person.tenant_id, discovery_id, by)
    return _applied(discovery_id, done)


@router.post("/descobertas/{discovery_id}/selecao")
async def act(
    wired: Wired,
    person: Visiting,
    discovery_id: UUID,
    acao: Annotated[str, Form(pattern="^(aplicar|descartar)$")],
    ids: Annotated[list[UUID] | None, Form()] = None,
    motivo: Annotated[str, Form(max_length=500)] = "",
    volta: Annotated[str, Form()] = "",
) -> Response:
    await discovery.read(wired.engine, person.tenant_id, discovery_id)
    here = volta or f"/descobertas/{discovery_id}"
    if not ids:
        return back(here, "nada", 0)
    if acao == "aplicar":
        by = person.by(motivo)
        return _applied(
            discovery_id,
            await discovery.apply(wired.engine, person.tenant_id, discovery_id, by, only=ids),
        )
    n = await discovery.dismiss(wired.engine, person.tenant_id, ids, person.by(motivo))
    if not n:
        raise discovery.ProposalUnknown("As propostas selecionadas já foram decididas.")
    return back(here, "descartadas", n)


@router.post("/propostas/{proposal_id}/escolher")
async def pick(
    wired: Wired,
    person: Visiting,
    proposal_id: UUID,
    candidato: Annotated[str, Form(max_length=36)] = "",
    volta: Annotated[str, Form()] = "/descobertas",
) -> Response:
    """Raises what `db.discovery.pick` does."""
    try:
        chosen = UUID(candidato)
    except ValueError:
        raise ConfigurationError("Escolha um dos candidatos antes de vincular.") from None
    await discovery.pick(wired.engine, person.tenant_id, proposal_id, chosen, person.by())
    return back(volta, "escolhida", 1)


@router.post("/propostas/{proposal_id}/descartar")
async def dismiss(
    wired: Wired, person: Visiting, proposal_id: UUID, volta: Annotated[str, Form()] = "/descobertas"
) -> Response:
    if not await discovery.dismiss(wired.engine, person.tenant_id, [proposal_id], person.by()):
        raise discovery.ProposalUnknown(f"Não há proposta {proposal_id} à espera de decisão.")
    return back(volta, "descartadas", 1)


def _applied(discovery_id: UUID, done: discovery.Applied) -> Response:
    more = {"recusados": done.passed} if done.passed else {}
    return back(f"/descobertas/{discovery_id}", "aplicada", done.linked, **more)


def _progress(request: Request, row: listings.Row, counts: dict[str, int]) -> Response:
    if row["state"] != "running":
        return Response(headers={"HX-Refresh": "true"})
    read = _read(row, counts)
    return page(request, "discovery.html", block="progress", row=row, counts=counts, read=read)


def _read(row: listings.Row, counts: dict[str, int]) -> int:
    """Records of the external list that were looked at."""
    held = row["counts"]
    return sum(counts.values()) + int(held.get("linked", 0)) + int(held.get("invalid", 0))


def _interesting(counts: dict[str, int]) -> str:
    """What waits for a person comes first."""
    order = ("ambiguous", "matched", "unmatched", "applied", "dismissed")
    return next((state for state in order if counts.get(state)), "matched")
