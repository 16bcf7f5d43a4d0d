"""`cloudtosys log`: what a person does about a run that failed."""

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Option

from cli import chosen, output, words
from cli.installation import database
from cli.logs import address
from cli.portuguese import command, group
from core.actor import OPERATOR
from core.errors import ConfigurationError
from core.formats import number
from core.versions import versions
from db.dossier import LogUnknown, Setting, export_log
from db.listings import provider_of
from db.resolution import resolve_log
from db.settings import read
from db.tickets import open_ticket
from db.vault import from_environment
from providers.registry import get

app = group("Ações sobre um log: resolver, exportar, abrir ticket.")
Log = Annotated[UUID, Argument(metavar="LOG", help="Id do log: veja `cloudtosys logs`.")]


@command(app)
def resolve(
    log: Log,
    reason: Annotated[str, Option(metavar="<motivo>", help="Por que está resolvido; fica na auditoria.")],
    tenant: words.Tenant = "",
) -> None:
    """Marca como resolvido um log que falhou, com seus registros: sai do painel e nada mais é tentado."""

    async def work() -> int:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await resolve_log(engine, OPERATOR, owner.id, log, reason)

    count = asyncio.run(work())
    print(f"Log {log} marcado como resolvido; registros em aberto: {number(count)}.")


@command(app)
def export(
    log: Log,
    file: Annotated[
        Path | None, Option("--output", metavar="<arquivo>", help="Padrão: a saída do comando.")
    ] = None,
    tenant: words.Tenant = "",
) -> None:
    """Exporta o JSON completo de um log, para análise técnica; a exportação fica na auditoria.

    Traz os registros como vieram. Senhas, chaves, documentos, e-mails e telefones são ocultados; nomes e
    endereços não: o arquivo nasce legível só por quem o criou.
    """

    if file and file.exists():  # before the export is put on record
        raise ConfigurationError(f"O arquivo {file} já existe.")

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            setting = await _setting(engine, owner.id, log)
            vault = from_environment(read())
            pieces = await export_log(engine, vault, OPERATOR, owner.id, log, setting)
            with ExitStack() as stack:
                target = stack.enter_context(_created(file)) if file else sys.stdout.buffer
                async for piece in pieces:
                    target.write(piece)
                target.write(b"\n")
                target.flush()

    asyncio.run(work())


@command(app)
def ticket(
    log: Log,
    note: Annotated[str, Option(metavar="<texto>", help="O que o suporte precisa saber além do log.")] = "",
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Abre um ticket de suporte com todos os detalhes do log, sem dados de pessoas.

    O ticket fica gravado e é enviado aos canais de aviso do tenant.
    """

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            setting = await _setting(engine, owner.id, log)
            vault = from_environment(read())
            made = await open_ticket(engine, vault, OPERATOR, owner.id, log, setting, note=note)
        if as_json:
            output.print_json({"id": made.id, "number": made.number, "is_new": made.is_new})
        else:
            print(f"Ticket {made.number} {'aberto' if made.is_new else 'já estava aberto para este log'}.")

    asyncio.run(work())


async def _setting(engine: AsyncEngine, tenant_id: UUID, log_id: UUID) -> Setting:
    found = await provider_of(engine, tenant_id, log_id)
    if found is None:
        raise LogUnknown("O log não foi encontrado.")
    provider, flow_run_id = found
    return Setting(versions(get(provider)), address(flow_run_id))


def _created(file: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError:
        raise ConfigurationError(f"O arquivo {file} não pode ser criado.") from None
