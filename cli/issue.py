"""`cloudtosys issue`: records that failed, tried again as they are or with a correction."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from typer import Argument, BadParameter, Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from cli.requested import Timeout, Wait, follow
from core.entities import Direction, Entity
from core.errors import ConfigurationError, Fault, title_of
from core.overriding import typed
from db import asking, issues
from db.admin import ACTOR
from db.audit import By
from db.settings import read
from db.vault import from_environment

app = group("Issues: registros que falharam, com causa e solução.")
STATES = {"open": "aberta", "resolved": "resolvida"}
COLUMNS = {
    "id": "Issue",
    "integration": "Integração",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "record": "Registro",
    "title": "Erro",
    "field": "Campo",
    "message": "Mensagem",
    "attempt": "Tentativa",
    "next_attempt_at": "Próxima",
    "state_label": "Situação",
}
CAUSES = {
    "records": "Registros",
    "title": "Erro",
    "field": "Campo",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "fault_label": "De quem é",
    "example": "Exemplo",
    "remedy": "Solução",
}
ATTEMPTS = {
    "attempt": "Tentativa",
    "created_at": "Data/Hora",
    "title": "Erro",
    "field": "Campo",
    "message": "Mensagem",
    "state_label": "Situação",
    "sync_log_id": "Log",
}

Issue = Annotated[UUID, Argument(metavar="ISSUE", help="Id da issue (issue list).")]
Only = Annotated[str, Option(metavar="<integração>", help="Só desta integração.")]
OnlyEntity = Annotated[
    Entity | None, Option(metavar="<entidade>", parser=words.entity, help="Só desta entidade.")
]
OnlyClass = Annotated[
    str, Option("--error", metavar="<classe>", help="Só deste erro, como RecordError (issue causes).")
]
OnlyLog = Annotated[UUID | None, Option(metavar="<log>", help="Só as deste log.")]


@app.callback()
def root() -> None:
    pass


@command(app, "list")
def list_(
    integration: Only = "",
    entity: OnlyEntity = None,
    error: OnlyClass = "",
    log: OnlyLog = None,
    state: Annotated[
        str, Option(metavar="<situação>", parser=words.issue_state, help="open ou resolved.")
    ] = "open",
    before: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista as issues: de cada registro, a tentativa mais nova."""

    async def work() -> list[issues.Row]:
        async with database() as engine:
            owner, wanted = await _wanted(engine, tenant, integration, entity, error, log, state)
            return await issues.listing(engine, owner, wanted, before=before, limit=limit)

    rows = [_shown(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhuma issue.")


@command(app)
def causes(
    integration: Only = "",
    entity: OnlyEntity = None,
    log: OnlyLog = None,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Agrupa as issues abertas por causa, as mais frequentes primeiro."""

    async def work() -> list[issues.Row]:
        async with database() as engine:
            owner, wanted = await _wanted(engine, tenant, integration, entity, "", log, "open")
            return await issues.causes(engine, owner, wanted)

    rows = [_shown(row) for row in asyncio.run(work())]
    output.show(rows, CAUSES, as_json=as_json, empty="Nenhuma issue.")


@command(app)
def show(issue: Issue, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Mostra uma issue com causa, solução e todas as tentativas do registro."""

    async def work() -> issues.Row:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await issues.read(engine, owner.id, issue)

    row = _shown(asyncio.run(work()))
    row["attempts"] = [_shown(attempt) for attempt in row["attempts"]]
    if as_json:
        output.print_json(row)
        return
    more = {
        "cause": "Causa",
        "remedy": "Solução",
        "fault_label": "De quem é",
        "provider_code": "Código externo",
    }
    for key, label in {
        **COLUMNS,
        **more,
        "provider_message": "Mensagem externa",
        "sync_log_id": "Log",
    }.items():
        print(f"{label}: {output.cell(row[key])}")
    output.show(row["attempts"], ATTEMPTS, as_json=False, empty="")


@command(app)
def reprocess(
    issue: Annotated[
        list[UUID] | None, Argument(metavar="[ISSUE]...", help="Uma ou mais issues; ou os filtros abaixo.")
    ] = None,
    log: OnlyLog = None,
    integration: Only = "",
    entity: OnlyEntity = None,
    error: OnlyClass = "",
    wait: Wait = False,
    timeout: Timeout = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Reprocessar: tenta de novo uma issue, várias, as de um log ou as de um filtro.

    Os registros são lidos de novo no sistema externo; a sincronização normal do par continua de onde está.
    """
    if not issue and not (log or integration or entity or error):
        raise ConfigurationError("Informe issues, --log, --integration, --entity ou --error.")

    async def work() -> None:
        async with database() as engine:
            owner, wanted = await _wanted(engine, tenant, integration, entity, error, log, "open")
            if issue:
                asked = await asking.reprocess_some(engine, owner, issue, By(ACTOR))
            else:
                asked = await asking.reprocess(engine, owner, wanted, By(ACTOR))
            if not asked:
                print("Nenhuma issue aberta para reprocessar.")
                return
            await follow(engine, owner, asked, seconds=timeout if wait else 0, as_json=as_json)

    asyncio.run(work())


@command(app)
def fix(
    issue: Issue,
    values: Annotated[
        list[str],
        Option("--set", metavar="<campo=valor>", help="Valor certo de um campo, como billing.cpf=…; repita."),
    ],
    reason: Annotated[str, Option(metavar="<motivo>", help="Por que este é o valor certo.")],
    wait: Wait = False,
    timeout: Timeout = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Corrige campos de um registro que falhou e o reprocessa.

    Na importação os campos são os do sistema externo; na exportação, os do ERP. A correção vale enquanto a
    origem disser o mesmo nesses campos, e cai sozinha quando ela mudar.
    """

    async def work() -> None:
        async with database() as engine:
            vault = from_environment(read())
            owner = await chosen.tenant(engine, tenant)
            source = await issues.payload(engine, vault, owner.id, issue) or {}
            fields = dict(_field(source, value) for value in values)
            by = By(ACTOR, reason)
            asked = await asking.correct(engine, vault, owner.id, issue, fields, by)
            await follow(engine, owner.id, [asked], seconds=timeout if wait else 0, as_json=as_json)

    asyncio.run(work())


async def _wanted(
    engine: Any,
    tenant: str,
    integration: str,
    entity: Entity | None,
    error: str,
    log: UUID | None,
    state: str,
) -> tuple[UUID, Any]:
    owner = await chosen.tenant(engine, tenant)
    found = await chosen.integration(engine, owner.id, integration) if integration else None
    return owner.id, issues.filters(
        integration_id=found.id if found else None,
        entity=entity.value if entity else None,
        error_class=error or None,
        state=state,
        log_id=log,
    )


def _field(source: issues.Row, given: str) -> tuple[str, Any]:
    path, equals, value = given.partition("=")
    if not equals or not path.strip():
        raise BadParameter(f"{given!r} não é campo=valor.")
    path = path.strip()
    return path, typed(source, path, value)


def _shown(row: issues.Row) -> issues.Row:
    """An issue with the words people read beside its keys."""
    found = row | {"title": title_of(row["error_class"])}
    if "entity" in row:
        found |= {"entity_label": Entity(row["entity"]).label}
        found |= {
            "direction_label": Direction(row["direction"]).label,
            "fault_label": Fault(row["fault"]).label,
        }
    if "external_id" in row:
        found["record"] = row["external_id"] or str(row["internal_id"] or "")
    if "state" in row:
        found["state_label"] = STATES[row["state"]]
    return found
