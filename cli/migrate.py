"""`cloudtosys migrate-legacy`: a spreadsheet or table of an old ERP, looked at, simulated, then written."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Exit, Option

from cli import chosen, output, words
from cli.installation import database, orchestrator
from cli.portuguese import command, group
from core.entities import Entity
from core.errors import ConfigurationError
from core.formats import number
from db import admin, legacy, legacy_files, legacy_wizard, listings
from db.audit import By
from db.settings import read
from db.vault import from_environment
from providers.legacy import preview as looking
from providers.legacy.columns import DOUBTFUL, required
from providers.legacy.preview import Preview
from providers.legacy.rejected import workbook
from providers.legacy.sheets import Options
from tasks.connection import Account, read_settings

app = group("")
POLL_SECONDS = 0.5
SHOWN_ROWS, SHOWN_COLUMNS = 5, 8
NOT_SUCCEEDED = 3
COLUMNS = {"title": "Coluna", "label": "Campo", "score": "Confiança", "use": "Uso", "sample": "Exemplo"}
ENDED_BADLY = ("error", "cancelled", "skipped", "deferred")

File = Annotated[
    Path | None,
    Argument(
        metavar="ARQUIVO",
        help=".xlsx, .xls, .xlsb, .ods, .csv ou .txt. Sem arquivo: a tabela de uma integração legacy-sql.",
        exists=True,
        dir_okay=False,
    ),
]


@command(app)
def migrate(
    file: File = None,
    entity: Annotated[
        Entity | None,
        Option(
            metavar="<entidade>",
            parser=words.entity,
            help="categorias, produtos, clientes, estoque, pedidos, cobranças; importe nesta ordem.",
        ),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        Option(
            "--map", metavar="<coluna=campo>", help="Corrige o mapeamento; campo vazio ignora. Repetível."
        ),
    ] = None,
    sheet: Annotated[str, Option(metavar="<aba>", help="Padrão: a primeira visível com dados.")] = "",
    header_row: Annotated[
        int, Option(min=0, metavar="<linha>", help="Linha do cabeçalho. Padrão: detectada.")
    ] = 0,
    encoding: Annotated[str, Option(metavar="<nome>", help="utf-8, cp1252, cp850. Padrão: detectada.")] = "",
    delimiter: Annotated[str, Option(metavar="<sinal>", help="Separador. Padrão: detectado.")] = "",
    integration: Annotated[
        str, Option(metavar="<nome>", help="Integração. Com arquivo, criada no primeiro uso.")
    ] = "",
    table: Annotated[str, Option(metavar="<tabela>", help="Tabela de origem. Padrão: a mais provável.")] = "",
    key: Annotated[
        list[str] | None, Option(metavar="<coluna>", help="Coluna da chave da tabela. Repetível.")
    ] = None,
    preview: Annotated[bool, Option("--preview", help="Só mostra o que seria lido.")] = False,
    apply: Annotated[bool, Option("--apply", help="Grava no ERP; sem isto, só simula e conta.")] = False,
    timeout: Annotated[int, Option(min=1, max=86_400, metavar="<segundos>", help="Quanto esperar.")] = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Migra uma planilha ou tabela de um ERP antigo. Sem --apply nada é gravado.

    As linhas rejeitadas vão para um arquivo ao lado, com o motivo: corrija-o e envie-o do mesmo jeito.
    """
    if entity is None:
        raise ConfigurationError("Diga o que importar com --entity: produtos, clientes, estoque…")
    told = dict(_pair(text) for text in mapped or [])
    asked = Options(sheet=sheet, header_row=header_row, encoding=encoding, delimiter=delimiter)

    async def work() -> dict[str, Any]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            source = await _integration(engine, owner.id, integration, by_file=file is not None)
            data = await asyncio.to_thread(file.read_bytes) if file else None
            if data is not None:
                found = await _of_file(engine, source, data, entity, told, asked)
            else:
                found = await _of_table(engine, source, entity, table, key or (), told)
            if not as_json:
                _show(found)
            if preview:
                return _row(found)
            required(entity, found.columns)
            kept = (
                await legacy_files.store(engine, owner.id, file.name, BytesIO(data))
                if file and data
                else None
            )
            id_ = await legacy.create(
                engine,
                owner.id,
                source.id,
                entity,
                file_id=kept,
                options=found.options,
                columns=found.stored,
                by=By(admin.ACTOR),
            )
            done = await _run(engine, id_, apply, timeout)
            rejected = await _write_rejected(engine, done, file or Path(f"{entity.value}.xlsx"))
            return _row(found) | {
                "migration_id": id_,
                "applied": apply,
                "state": done.state,
                "counts": done.counts,
                "message": done.message,
                "rejected_file": str(rejected) if rejected else None,
            }

    row = asyncio.run(work())
    if as_json:
        output.print_json(row)
    elif not preview:
        print(_said(row))
    if not preview and row["state"] != "done":
        raise Exit(NOT_SUCCEEDED)


def _pair(text: str) -> tuple[str, str]:
    title, equals, field = text.rpartition("=")
    if not equals:
        raise ConfigurationError(f'--map espera "coluna=campo", não {text!r}.')
    return title.strip(), field.strip()


async def _integration(
    engine: AsyncEngine, tenant_id: UUID, name: str, *, by_file: bool
) -> admin.IntegrationRow:
    """The named one; for files the one that they all belong to, made on first use."""
    wanted = legacy_wizard.BY_FILE if by_file else legacy_wizard.BY_DATABASE
    rows = [row for row in await admin.integrations(engine, tenant_id) if row.provider == wanted]
    if name or not by_file:
        if not name and len(rows) == 1:
            return rows[0]
        if not name:
            raise ConfigurationError(
                "Informe o ARQUIVO, ou a integração com --integration (crie-a com `cloudtosys integration "
                "create --provider legacy-sql`)."
            )
        found = await chosen.integration(engine, tenant_id, name)
        if found.provider != wanted:
            raise ConfigurationError(f"A integração {found.name} não é de {wanted}.")
        return found
    return await legacy_wizard.sheets_integration(
        engine, from_environment(read()), tenant_id, By(admin.ACTOR)
    )


async def _of_file(
    engine: AsyncEngine,
    source: admin.IntegrationRow,
    data: bytes,
    entity: Entity,
    told: dict[str, str],
    asked: Options,
) -> Preview:
    first = await asyncio.to_thread(looking.of_file, data, entity, told, {}, asked)
    titles = [column.title for column in first.columns]
    saved = await legacy.saved_mapping(engine, source.tenant_id, source.id, entity, titles)
    if not saved:
        return first
    return await asyncio.to_thread(looking.of_file, data, entity, told, saved, asked)


async def _of_table(
    engine: AsyncEngine,
    source: admin.IntegrationRow,
    entity: Entity,
    table: str,
    key: Sequence[str],
    told: dict[str, str],
) -> Preview:
    environment = read()
    account = Account(source.tenant_id, source.id, source.provider, source.settings)
    settings = await read_settings(engine, from_environment(environment), account)
    return await asyncio.to_thread(
        looking.of_table, settings, entity, table, key, told, environment.private_hosts
    )


async def _run(engine: AsyncEngine, id_: UUID, apply: bool, seconds: int) -> legacy.Migration:
    """Until the migration ends; a run that dies is resumed and waited for further."""
    before = await legacy.read(engine, id_)
    async with orchestrator(engine) as prefect:
        flow_run = await prefect.migrate(id_, apply=apply)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        log = await listings.ended(engine, flow_run, POLL_SECONDS)
        now = await legacy.read(engine, id_)
        if now.state in ("done", "failed") and now.ended_at != before.ended_at:
            return now
        if log is not None and log["status"] in ENDED_BADLY:
            raise ConfigurationError(f"A migração não terminou: {log['message']} {log['remedy']}".strip())
        if log is not None:
            await asyncio.sleep(POLL_SECONDS)
    raise ConfigurationError(
        f"A migração {id_} não terminou em {seconds} s; ela continua. Repita o comando para ver o resultado."
    )


async def _write_rejected(engine: AsyncEngine, done: legacy.Migration, beside: Path) -> Path | None:
    rows = [row async for row in legacy.rejected(engine, done)]
    if not rows:
        return None
    titles = [str(column["title"]) for column in done.columns]
    path = beside.with_name(f"{beside.stem}-rejeitadas.xlsx")
    await asyncio.to_thread(lambda: path.write_bytes(workbook(titles, rows)))
    return path


def _show(found: Preview) -> None:
    rows = [_column(row, found) for row in _row(found)["columns"]]
    output.show(rows, COLUMNS, as_json=False, empty="Nenhuma coluna.")
    print("\nPrimeiras linhas:")
    for cells in found.sample[:SHOWN_ROWS]:
        print("  " + " | ".join(str(cell) for cell in cells[:SHOWN_COLUMNS]))
    print()


def _column(row: dict[str, Any], found: Preview) -> dict[str, Any]:
    index = row["index"]
    sample = [cells[index] for cells in found.sample if index < len(cells) and cells[index] not in ("", None)]
    used = "sim" if row["used"] else ("duvidosa: confirme com --map" if row["score"] >= DOUBTFUL else "não")
    return row | {"use": used, "sample": str(sample[0])[:30] if sample else ""}


def _row(found: Preview) -> dict[str, Any]:
    columns = [asdict(column) | {"used": column.is_taken} for column in found.columns]
    return {"options": found.options, "columns": columns, "others": found.others}


def _said(row: dict[str, Any]) -> str:
    counts = {name: number(row["counts"].get(name, 0)) for name in COUNTED}
    mark = "" if row["applied"] else "SIMULAÇÃO, nada foi gravado. "
    lines = [
        f"{mark}Migração {row['migration_id']}: {counts['created']} criados, {counts['updated']} "
        f"atualizados, {counts['skipped']} ignorados, {counts['rejected']} linhas rejeitadas."
    ]
    if row["rejected_file"]:
        lines.append(f"Linhas rejeitadas, com o motivo: {row['rejected_file']}")
    if not row["applied"]:
        lines.append("Para gravar, repita o comando com --apply.")
    return "\n".join(lines)


COUNTED = ("created", "updated", "skipped", "rejected")
