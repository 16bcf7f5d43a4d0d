"""`cloudtosys reconcile`: bank transactions and the receivables that they pay."""

import asyncio
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from typer import Argument, Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.formats import number
from core.reconciling import Rule
from db import reconciliation
from db.admin import ACTOR
from db.audit import By

app = group("Conciliação: lançamentos do extrato e as cobranças que eles pagam.")
COLUMNS = {
    "id": "Conciliação",
    "booked": "Lançado em",
    "received_label": "Recebido",
    "description": "Lançamento",
    "document_number": "Documento",
    "due": "Vencimento",
    "amount_label": "Valor",
    "rule_label": "Por",
    "state_label": "Situação",
}
Pairing = Annotated[UUID, Argument(metavar="CONCILIAÇÃO", help="Id da conciliação (reconcile list).")]


@app.callback()
def root() -> None:
    pass


@command(app, "list")
def list_(
    state: Annotated[
        str,
        Option(metavar="<situação>", parser=words.pairing_state, help="waiting, matched ou refused."),
    ] = "waiting",
    after: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista o que aguarda uma pessoa; com --state, o que foi conciliado ou recusado."""

    async def work() -> list[dict[str, Any]]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await reconciliation.listed(engine, owner.id, state=state, after=after, limit=limit)

    rows = [row | _labels(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhuma conciliação.")


@command(app)
def apply(tenant: words.Tenant = "") -> None:
    """Aplica a regra agora: concilia o que é certo e propõe o que precisa de uma pessoa."""

    async def work() -> reconciliation.Outcome:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await reconciliation.reconcile(engine, owner.id)

    done = asyncio.run(work())
    print(f"{number(done.matched)} lançamentos conciliados, {number(done.waiting)} aguardam uma pessoa.")


@command(app)
def confirm(pairing: Pairing, reason: words.Reason = "", tenant: words.Tenant = "") -> None:
    """Confirma uma proposta: o lançamento paga a cobrança."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            await reconciliation.confirm(engine, owner.id, pairing, By(ACTOR, reason))

    asyncio.run(work())
    print("Conciliação confirmada.")


@command(app)
def refuse(pairing: Pairing, reason: words.Reason = "", tenant: words.Tenant = "") -> None:
    """Recusa uma proposta, ou desfaz uma conciliação; a regra não a propõe de novo."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            await reconciliation.refuse(engine, owner.id, pairing, By(ACTOR, reason))

    asyncio.run(work())
    print("Conciliação recusada.")


def _labels(row: dict[str, Any]) -> dict[str, str]:
    return {
        "booked": _day(row["booked_on"]),
        "due": _day(row["due_on"]),
        "received_label": number(row["received"], 2),
        "amount_label": number(row["amount"], 2),
        "rule_label": Rule(row["rule"]).label,
        "state_label": words.PAIRING_STATES[row["state"]],
    }


def _day(value: date) -> str:
    return f"{value:%d/%m/%Y}"
