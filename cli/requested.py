"""A request followed by its run: asked of Prefect at once, and waited for where that is wanted."""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Exit, Option

from cli import output
from cli.asking import run_now
from cli.logs import labelled
from core.entities import Direction, Entity, RequestKind, RunStatus
from core.errors import ConfigurationError
from db import listings, requests
from db.requests import Request

POLL_SECONDS = 0.5
NOT_SUCCEEDED = 3
STATES = {
    "waiting": "na fila",
    "running": "em execução",
    "done": "feito",
    "failed": "falhou",
    "cancelled": "cancelado",
}
COLUMNS = {
    "id": "Pedido",
    "integration": "Integração",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "kind_label": "Tipo",
    "state_label": "Situação",
    "requested_by": "Pedido por",
    "created_at": "Desde",
    "attempts": "Tentativas",
    "log_id": "Log",
}
RESULT = {
    "kind_label": "Tipo",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "status_label": "Status",
    "processed": "Lidos",
    "created": "Criados",
    "updated": "Atualizados",
    "skipped": "Ignorados",
    "errors": "Erros",
    "seconds": "Segundos",
    "id": "Log",
}

Wait = Annotated[bool, Option("--wait", help="Espera o fim e mostra o resultado.")]
Timeout = Annotated[int, Option(min=1, max=86_400, metavar="<segundos>", help="Com --wait: quanto esperar.")]


async def follow(
    engine: AsyncEngine, tenant_id: UUID, asked: Sequence[Request], *, seconds: int, as_json: bool
) -> None:
    """Start the runs of these requests; with `seconds` wait for their ends and show them.

    Exits with 3 where one did not succeed. Raises `ConfigurationError` where one does not end in time.
    """
    if not seconds:
        for request in _first_of_each_pair(asked):
            await run_now(engine, request, quiet=True)
        await _show_asked(engine, tenant_id, asked, as_json=as_json)
        return
    rows = []
    for request in asked:
        await run_now(engine, request, quiet=True)
        rows.append(await _ended(engine, tenant_id, request, seconds))
    output.show(rows, RESULT, as_json=as_json, empty="")
    for row in rows:
        if row["message"]:
            print(row["message"], file=sys.stderr)
        if row["cause"]:
            print(f"Causa: {row['cause']}\nSolução: {row['remedy']}", file=sys.stderr)
    if any(row["status"] != RunStatus.SUCCESS for row in rows):
        raise Exit(NOT_SUCCEEDED)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A request with the words people read beside its keys."""
    return row | {
        "entity_label": Entity(row["entity"]).label,
        "direction_label": Direction(row["direction"]).label,
        "kind_label": RequestKind(row["kind"]).label,
        "state_label": STATES[row["state"]],
    }


def _first_of_each_pair(asked: Sequence[Request]) -> list[Request]:
    """Prefect cancels a second run of a pair that is under way; the sentinel starts it afterwards."""
    return list({request.pair_id: request for request in reversed(asked)}.values())


async def _show_asked(
    engine: AsyncEngine, tenant_id: UUID, asked: Sequence[Request], *, as_json: bool
) -> None:
    rows = [shown(await _row(engine, tenant_id, request.id)) for request in asked]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nada a pedir.")


async def _ended(engine: AsyncEngine, tenant_id: UUID, request: Request, seconds: int) -> dict[str, Any]:
    """The log of a request that has ended."""
    deadline = time.monotonic() + seconds
    while (row := await _row(engine, tenant_id, request.id))["state"] in requests.OPEN:
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"O pedido {request.id} não terminou em {seconds} s; ele continua na fila ou em execução. "
                "Acompanhe com `cloudtosys request list`."
            )
        await asyncio.sleep(POLL_SECONDS)
    if row["log_id"] is None:
        raise ConfigurationError(f"O pedido {request.id} foi cancelado antes de executar.")
    log = await listings.log(engine, tenant_id, row["log_id"])
    return labelled(log) | {"kind_label": request.kind.label, "request": shown(row)}


async def _row(engine: AsyncEngine, tenant_id: UUID, request_id: UUID) -> dict[str, Any]:
    [row] = await requests.listing(engine, tenant_id, request_id=request_id)
    return row
