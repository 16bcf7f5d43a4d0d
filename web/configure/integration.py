"""One integration: all that is set, its credentials by name, its pairs and what can be done with them."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from core import form
from core.entities import ConflictPolicy, Direction
from core.oauth2 import TOKEN as OAUTH_TOKEN
from db import configured
from db.configured import Detail
from web.access import Visiting, Wired
from web.configure.hooks import told
from web.configure.kinds import asks_consent, category_of, credential_label, filled, known, rhythms
from web.pages import page
from web.wiring import Wiring

router = APIRouter()
DONE = {
    "ativa": "Integração ativa: os agendamentos executam.",
    "pausada": "Integração pausada: os agendamentos ficam inativos até que seja retomada.",
    "desativada": "Integração desativada: nada executa, nem à mão, e webhooks não são atendidos.",
    "restaurada": "Integração restaurada, pausada. Retome-a quando quiser.",
    "salvo": "Alterações salvas.",
    "par": "Par alterado.",
    "execucao": "Execução pedida: começa em instantes.",
    "completa": "Varredura completa pedida: começa em instantes e lê tudo, não só o que mudou.",
    "simulacao": "Simulação pedida: conta o que mudaria e não grava nada.",
    "conectada": "Conta conectada.",
    "cadastrados": "Webhooks cadastrados no sistema externo.",
    "parcial": "Nem todos os tópicos foram aceitos: o motivo está ao lado de cada um.",
}


@router.get("/integracoes/{id_}")
async def detail(
    request: Request, wired: Wired, person: Visiting, id_: UUID, aviso: str = "", agenda: str = ""
) -> Response:
    found = await configured.read(wired.engine, person.tenant_id, id_)
    return await shown(request, wired, found, done=DONE.get(aviso, ""), late=agenda == "depois")


async def shown(
    request: Request, wired: Wiring, found: Detail, *, done: str = "", late: bool = False, token: str = ""
) -> Response:
    """The page; a new webhook `token` is on it this once."""
    row, kind = found.integration, known(found.integration.provider)
    return page(
        request,
        "integration.html",
        row=row,
        kind=kind,
        pairs=found.pairs,
        credentials=[(credential_label(kind, one.name), one) for one in found.credentials],
        fields=filled(kind, row),
        category=category_of(kind),
        consent=asks_consent(kind, row),
        connected=OAUTH_TOKEN in row.secrets,
        rhythms=rhythms(kind),
        policies=list(ConflictPolicy),
        two_way=any(pair.direction is Direction.BOTH for pair in found.pairs),
        hook=await told(wired, row, kind, token),
        simulates={
            pair.id: kind is not None and form.may_simulate(kind, pair.entity) for pair in found.pairs
        },
        resume=resume(found),
        done=done,
        late=late,
    )


def resume(found: Detail) -> str:
    """The step of the set-up that comes next."""
    row, kind = found.integration, known(found.integration.provider)
    if row.tested is None or not row.tested.ok:
        return "acesso"
    if not found.pairs and kind is not None and not kind.by_migration:
        return "dados"
    return "inicio"
