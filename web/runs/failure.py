"""One failed record: error, cause, remedy, its attempts, its content, and the correction of it."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core.entities import RequestKind
from core.errors import ConfigurationError
from core.overriding import leaves, shown, typed
from core.redaction import MASK
from core.versions import versions
from db import asking, issues, listings, overrides, requests
from db.dossier import LogUnknown, Setting, export_issue
from providers.registry import get
from web.access import Visiting, Visitor, Wired
from web.pages import is_htmx, page
from web.running import run_first
from web.runs.failures import told
from web.wiring import Wiring

MOST_FIELDS = 400
"""A form has room for a thousand values."""
LONGEST = 2000
"""Characters of a value that can be edited here."""
CORRECTED = "Correção guardada e reprocessamento pedido. Vale enquanto a origem disser o mesmo nesses campos."

router = APIRouter(prefix="/falhas/{issue_id}")


@router.get("")
async def read(request: Request, wired: Wired, person: Visiting, issue_id: UUID) -> Response:
    return await _page(request, wired, person, issue_id)


@router.post("/conteudo")
async def content(request: Request, wired: Wired, person: Visiting, issue_id: UUID) -> Response:
    """The record as its source sent it, to look at and to correct; not by GET, for it is put on record."""
    engine, tenant = wired.engine, person.tenant_id
    record = await issues.open_payload(engine, wired.vault, person.actor, tenant, issue_id)
    return await _page(request, wired, person, issue_id, record=record, opened=True)


@router.post("/corrigir")
async def correct(
    wired: Wired,
    person: Visiting,
    issue_id: UUID,
    campo: Annotated[list[str] | None, Form()] = None,
    valor: Annotated[list[str] | None, Form()] = None,
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Editar e reprocessar: only what differs from the source is a correction."""
    if not motivo.strip():
        raise ConfigurationError("Diga por que este é o valor certo: o motivo fica na auditoria.")
    await issues.read(wired.engine, person.tenant_id, issue_id)
    source = await issues.payload(wired.engine, wired.vault, person.tenant_id, issue_id)
    fields = _changed(source or {}, zip(campo or (), valor or (), strict=False))
    if source is not None and not fields:
        raise ConfigurationError("Nenhum campo foi mudado: não há o que corrigir.")
    made = await asking.correct(
        wired.engine, wired.vault, person.tenant_id, issue_id, fields, person.by(motivo.strip())
    )
    await run_first(wired, [made])
    return RedirectResponse(f"/falhas/{issue_id}?corrigido=1", status_code=303)


@router.post("/exportar")
async def export(wired: Wired, person: Visiting, issue_id: UUID) -> Response:
    issue = await issues.read(wired.engine, person.tenant_id, issue_id)
    found = await listings.provider_of(wired.engine, person.tenant_id, issue["sync_log_id"])
    if found is None:
        raise LogUnknown("O log não foi encontrado.")
    data = await export_issue(
        wired.engine,
        wired.vault,
        person.actor,
        person.tenant_id,
        issue["sync_log_id"],
        issue_id,
        Setting(versions(get(found[0]))),
    )
    headers = {"Content-Disposition": f'attachment; filename="falha-{issue_id}.json"'}
    return Response(data, media_type="application/json", headers=headers)


async def _page(
    request: Request,
    wired: Wiring,
    person: Visitor,
    issue_id: UUID,
    *,
    record: Mapping[str, Any] | None = None,
    opened: bool = False,
) -> Response:
    issue = await issues.read(wired.engine, person.tenant_id, issue_id)
    asked = []
    if issue["pair_id"] is not None:
        asked = await requests.listing(
            wired.engine,
            person.tenant_id,
            pair_id=issue["pair_id"],
            kind=RequestKind.REPROCESS,
            limit=3,
        )
    done: dict[str, Any] = {"done": CORRECTED} if request.query_params.get("corrigido") else told(request)
    return page(
        request,
        "failure.html",
        block="content_of_record" if opened and is_htmx(request) else None,
        issue=issue,
        record=record,
        opened=opened,
        fields=_fields(record, issue["field"]) if record else [],
        most=MOST_FIELDS,
        asked=asked,
        corrections=await overrides.of_record(wired.engine, person.tenant_id, issue),
        whole=timeline(issue),
        **done,
    )


def timeline(issue: Mapping[str, Any]) -> str:
    """Where everything about the record is told."""
    start = f"/registros/{issue['integration_id']}/{issue['entity']}"
    if issue["external_id"]:
        return f"{start}/{quote(issue['external_id'], safe='')}"
    return f"{start}/erp/{issue['internal_id']}" if issue["internal_id"] else ""


def _fields(record: Mapping[str, Any], failed: str) -> list[dict[str, Any]]:
    """Path, value, and the name that a list gives it; the one that failed comes first."""
    found = []
    for path, value in leaves(record):
        text = shown(value)
        name = _named(record, path)
        fits = failed in (path, name) or (bool(failed) and path.endswith(f".{failed}"))
        fixed = len(text) > LONGEST or MASK in text
        found.append({"path": path, "name": name, "text": text, "failed": fits, "fixed": fixed})
    if failed and not any(one["failed"] for one in found):
        found.append({"path": failed, "name": "", "text": "", "failed": True, "fixed": False})
    found.sort(key=lambda one: not one["failed"])
    return found[:MOST_FIELDS]


def _named(record: Any, path: str) -> str:
    """{"key": "_billing_cpf", "value": "…"}: the value is known by its neighbour."""
    *above, last = path.split(".")
    if last not in ("value", "display_value"):
        return ""
    for name in above:
        record = record[int(name)] if isinstance(record, list) else record[name]
    found = record.get("key", record.get("name", ""))
    return found if isinstance(found, str) else ""


def _changed(source: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """A form's line ends are CRLF, whatever the source's are."""
    known = dict(leaves(source))
    return {
        path: typed(source, path, text)
        for path, text in given
        if path.strip() and _one_line_end(text) != _one_line_end(shown(known.get(path)))
    }


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n")
