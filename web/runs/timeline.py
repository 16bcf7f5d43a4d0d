"""Registros: one record's story, and an answer to "por que este pedido não veio?"."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from core.entities import Cadence, Direction, Entity, IntegrationStatus, RequestKind, RunStatus
from core.errors import Absent, ConfigurationError, title_of
from core.formats import moment, number
from core.ports import VARIANTS
from core.spec import Resource
from db import resync, timeline
from db.mapping_pages import Filter, read_page
from providers.registry import get
from web.access import Visiting, Visitor, Wired
from web.pages import page
from web.running import run_now
from web.runs.asked import id_of, one_of
from web.wiring import Wiring

Row = Mapping[str, Any]
FOUND = 20

router = APIRouter(prefix="/registros")


@router.get("")
async def search(
    request: Request,
    wired: Wired,
    person: Visiting,
    integracao: Annotated[str, Query(max_length=40)] = "",
    entidade: Annotated[str, Query(max_length=40)] = "",
    busca: Annotated[str, Query(max_length=255)] = "",
) -> Response:
    """By id outside, its beginning, or the record's own number, SKU or document in the ERP."""
    words = busca.strip()
    integration_id, entity = id_of(integracao), one_of(Entity, entidade)
    asked = Filter(integration_id=integration_id, kind=entity, words=words)
    found = await read_page(wired.engine, person.tenant_id, asked, size=FOUND)
    rows = [row for row in found.rows if row["entity"] != VARIANTS] if words else []
    chosen = [one.id for one in found.integrations if integration_id in (None, one.id)]
    kinds = [entity] if entity else list(Entity)
    failed = await timeline.mentioned(wired.engine, person.tenant_id, chosen, kinds, words) if words else []
    known = {(row["integration_id"], row["entity"], row["external_id"]) for row in rows}
    names = {one.id: one.name for one in found.integrations}
    return page(
        request,
        "records.html",
        rows=rows,
        failed=[
            row for row in failed if (row["integration_id"], row["entity"], row["external_id"]) not in known
        ],
        names=names,
        asked={"integracao": integracao, "entidade": entidade, "busca": words},
        entities=list(Entity),
        direct=_address(integration_id, entity, words)
        if integration_id in names and entity and words
        else "",
        address=_address,
    )


@router.get("/{integration_id}/{entity}/erp/{internal_id}")
async def of_erp(
    request: Request, wired: Wired, person: Visiting, integration_id: UUID, entity: str, internal_id: UUID
) -> Response:
    """A record that the external system does not know yet."""
    found = await timeline.read(
        wired.engine, person.tenant_id, integration_id, _entity(entity), internal_id=internal_id
    )
    if found.mapping is not None:
        return RedirectResponse(
            _address(integration_id, entity, found.mapping["external_id"]), status_code=303
        )
    return _page(request, wired, person, found, _entity(entity), "", str(internal_id))


@router.post("/{integration_id}/{entity}/buscar")
async def fetch(
    request: Request, wired: Wired, person: Visiting, integration_id: UUID, entity: str
) -> Response:
    """Its id is in the form: it may hold whatever an address may not."""
    kind, external_id = _entity(entity), str((await request.form()).get("id", ""))
    found = await timeline.read(wired.engine, person.tenant_id, integration_id, kind, external_id=external_id)
    if unreadable := _no_fetch(found, kind):
        raise ConfigurationError(unreadable)
    if found.mapping is not None:
        asked = await resync.resync(
            wired.engine, person.tenant_id, found.mapping["id"], Direction.IMPORT, person.by()
        )
    else:
        asked = await resync.fetch(
            wired.engine, person.tenant_id, integration_id, kind, external_id, person.by()
        )
    await run_now(wired, asked)
    return RedirectResponse(f"{_address(integration_id, entity, external_id)}?feito=buscar", status_code=303)


@router.get("/{integration_id}/{entity}/{external_id:path}")
async def of_external(
    request: Request, wired: Wired, person: Visiting, integration_id: UUID, entity: str, external_id: str
) -> Response:
    found = await timeline.read(
        wired.engine, person.tenant_id, integration_id, _entity(entity), external_id=external_id
    )
    return _page(request, wired, person, found, _entity(entity), external_id, external_id)


def _page(
    request: Request,
    wired: Wiring,
    person: Visitor,
    found: timeline.Known,
    entity: Entity,
    external_id: str,
    name: str,
) -> Response:
    return page(
        request,
        "record.html",
        found=found,
        entity=entity,
        external_id=external_id,
        name=name,
        steps=[_TOLD[row["trace"]](row) | {"at": row["at"]} for row in found.traces],
        answers=_answers(found, entity),
        no_fetch=_no_fetch(found, entity) if external_id else "Só o ERP tem este registro.",
        done=request.query_params.get("feito") == "buscar",
    )


def _entity(given: str) -> Entity:
    try:
        return Entity(given)
    except ValueError:
        raise Absent("Não há esta entidade.") from None


def _address(integration_id: UUID | None, entity: str | None, external_id: str) -> str:
    return f"/registros/{integration_id}/{entity}/{quote(external_id, safe='')}"


def _resource(found: timeline.Known, entity: Entity) -> Resource | None:
    return get(found.integration["provider"]).resources.get(entity)


def _no_fetch(found: timeline.Known, entity: Entity) -> str:
    """Why this one record cannot be asked for now; empty where it can."""
    resource = _resource(found, entity)
    if found.pair is None or found.pair["direction"] == Direction.EXPORT:
        return f"A integração não importa {entity.label}: não há de onde buscar o registro."
    if found.integration["status"] in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED):
        return "A integração está pausada ou desativada: nada é lido até que alguém a ative."
    if resource is None or resource.read is None:
        return "O sistema externo não entrega um registro sozinho: só uma varredura completa do par o busca."
    return ""


def _answers(found: timeline.Known, entity: Entity) -> list[str]:
    """What would keep such a record from being here, the likeliest first; always what is read."""
    pair, integration = found.pair, found.integration
    status = IntegrationStatus(integration["status"])
    said = []
    if integration["deleted_at"]:
        said.append("A integração foi excluída: nada mais é lido nem gravado por ela.")
    elif status is not IntegrationStatus.ACTIVE:
        reason = f": {integration['status_reason']}" if integration["status_reason"] else "."
        said.append(f"A integração está {status.label}{reason}")
    if pair is None:
        return [*said, f"A integração não tem o par {entity.label}: esta entidade não é sincronizada."]
    if not pair["enabled"]:
        said.append(f"O par {entity.label} está desligado: só executa quando alguém pede.")
    if pair["direction"] == Direction.EXPORT:
        said.append("O par só exporta: registros que nascem no sistema externo não são trazidos.")
    if pair["simulate_next"]:
        said.append("A primeira execução do par é uma simulação: até agora nada foi gravado.")
    if not found.runs:
        said.append("O par ainda não executou nenhuma vez.")
    elif found.runs[0]["status"] == RunStatus.ERROR:
        said.append(f"A última execução do par terminou com erro: {found.runs[0]['message']}")
    return [*said, *_reading(pair, _resource(found, entity))]


def _reading(pair: Row, resource: Resource | None) -> list[str]:
    if pair["direction"] == Direction.EXPORT:
        return []
    said = []
    if resource is not None and resource.incremental is None:
        said.append("Cada execução lê a lista inteira: este sistema não filtra por data de alteração.")
    elif pair["watermark"]:
        since = moment(pair["watermark"])
        said.append(
            f"Cada execução lê o que o sistema externo diz ter mudado desde {since}. Um registro mais "
            "antigo, que nunca mudou, só vem com uma varredura completa."
        )
    if pair["scanning"]:
        said.append(f"Uma varredura está no meio: {number(pair['items'] or 0)} registros lidos até agora.")
    if pair["last_full_at"]:
        said.append(f"A última varredura completa terminou em {moment(pair['last_full_at'])}.")
    if resource is not None and resource.wanted is not None:
        said.append("Há registros que o módulo não traz de propósito, como rascunhos: contam como ignorados.")
    cadence = Cadence(pair["cadence"])
    if cadence is Cadence.MANUAL:
        said.append("O par não tem agenda: só executa quando alguém pede ou um webhook avisa.")
    else:
        said.append(
            f"Frequência: {cadence.label}. O que mudou há menos tempo que isso ainda pode estar a caminho."
        )
    return said


def _event(row: Row) -> dict[str, Any]:
    states = {
        "received": ("running", "À espera de ser lido."),
        "asked": ("success", "O registro foi pedido de novo ao sistema externo."),
        "ignored": ("skipped", row["reason"] or "Sem efeito."),
    }
    glyph, told = states[row["state"]]
    return _step("recebido", glyph, f"Webhook {row['topic']}", told)


def _issue(row: Row) -> dict[str, Any]:
    field = f" · {row['field']}" if row["field"] else ""
    told = f"{title_of(row['error_class'])}{field}: {row['message']}"
    if row["state"] == "resolved":
        by = "por uma execução seguinte" if row["resolved_by"] == "sync" else f"por {row['resolved_by']}"
        told += f" Resolvida {by}."
    title = f"Falhou ao {Direction(row['direction']).label}, tentativa {row['attempt']}"
    return _step("falhou", "error", title, told, f"/falhas/{row['id']}", "ver a falha")


def _conflict(row: Row) -> dict[str, Any]:
    fields = ", ".join(str(name) for name in row["fields"]) or "o registro"
    told = f"Os dois lados mudaram: {fields}."
    if row["state"] == "resolved":
        told += f" Resolvido por {row['resolved_by']} em {moment(row['resolved_at'])}."
    return _step("conflito", "conflict", "Conflito", told, f"/conflitos/{row['id']}", "ver o conflito")


def _override(row: Row) -> dict[str, Any]:
    over = f" Deixou de valer em {moment(row['lapsed_at'])}: a origem mudou." if row["lapsed_at"] else ""
    return _step("corrigido", "success", f"Corrigido por {row['author']}", f"“{row['reason']}”.{over}")


def _audit(row: Row) -> dict[str, Any]:
    titles = {
        "mapping.create": "Vínculo criado",
        "mapping.delete": "Vínculo quebrado",
        "mapping.note": "Notas escritas",
        "mapping.orphan": "Confirmado como órfão",
        "mapping.release": "Mantido: ainda existe",
        "mapping.resync": "Ressincronização pedida",
    }
    words = {"mapping.create": "vínculo", "mapping.delete": "vínculo"}
    told = f"“{row['reason']}”" if row["reason"] else ""
    title = f"{titles.get(row['action'], row['action'])} por {row['actor']}"
    return _step(words.get(row["action"], "decisão"), "success", title, told)


def _outbox(row: Row) -> dict[str, Any]:
    titles = {
        "intent": "À espera de ser criado no sistema externo",
        "sent": "Enviado, sem confirmação ainda",
        "unknown": "Enviado, e a resposta se perdeu: é procurado antes de qualquer nova gravação",
    }
    log = f"/logs/{row['sync_log_id']}" if row["sync_log_id"] else ""
    return _step("gravação", "deferred", titles[row["state"]], "", log, "ver o log")


def _request(row: Row) -> dict[str, Any]:
    states = {
        "waiting": ("deferred", "Na fila."),
        "running": ("running", "Executando."),
        "done": ("success", "Feito."),
        "failed": ("error", str(row["result"].get("message", "Falhou."))),
        "cancelled": ("cancelled", "Cancelado."),
    }
    state, told = states[row["state"]]
    kind = RequestKind(row["kind"])
    by = "" if kind is RequestKind.REFRESH else f" por {row['requested_by']}"
    title = "Lido de novo por causa de um webhook" if not by else f"Pedido de {kind.label}{by}"
    log = f"/logs/{row['log_id']}" if row["log_id"] else ""
    return _step("reprocessado", state, title, told, log, "ver a execução")


def _missing(row: Row) -> dict[str, Any]:
    told = (
        "Órfão: o vínculo parou aqui." if row["state"] == "orphan" else "Espera uma decisão, ou nova leitura."
    )
    return _step("sumiu", "orphan", "Não visto por uma varredura completa", told)


def _step(word: str, state: str, title: str, told: str, link: str = "", action: str = "") -> dict[str, Any]:
    return {"word": word, "state": state, "title": title, "told": told, "link": link, "action": action}


_TOLD: Mapping[str, Callable[[Row], dict[str, Any]]] = {
    "event": _event,
    "issue": _issue,
    "conflict": _conflict,
    "override": _override,
    "audit": _audit,
    "broken": _audit,
    "outbox": _outbox,
    "request": _request,
    "linked": lambda _: _step("vínculo criado", "success", "Vínculo criado por uma execução", ""),
    "written": lambda _: _step("gravado", "success", "Os dois lados iguais", "Última vez que foi gravado."),
    "missing": _missing,
}
