"""What a legacy migration reads: a file that is sent, or a table of an old ERP's database."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, UploadFile

from core import form
from core.entities import Entity
from core.errors import Absent, ConfigurationError, SyncError
from db import admin, legacy, legacy_files, legacy_wizard
from db.admin import IntegrationRow
from db.runs import read_secrets
from providers.legacy import opened
from providers.legacy.fields import FIELDS
from providers.legacy.opened import Opened
from providers.legacy.preview import stored
from providers.legacy.sheets import Cells, Options
from providers.registry import get
from web.access import Visiting, Visitor, Wired
from web.legacy.reading import open_file
from web.pages import page
from web.refusals import status_of
from web.wiring import Wiring

LONGEST_NAME = 200
KINDS = ".xlsx,.xls,.xlsb,.ods,.csv,.txt"
ORDER = (
    Entity.CATEGORIES,
    Entity.PRODUCTS,
    Entity.CUSTOMERS,
    Entity.STOCK,
    Entity.ORDERS,
    Entity.RECEIVABLES,
)
"""In which they are migrated: each one is needed by one that follows."""

router = APIRouter()


@router.get("/migracoes/nova")
async def new(request: Request, wired: Wired, person: Visiting) -> Response:
    return await _form(request, wired, person, {})


@router.post("/migracoes/nova")
async def upload(request: Request, wired: Wired, person: Visiting) -> Response:
    """Nothing of the body is declared, so that nobody's file is read before it is known who sends it."""
    data = await request.form()
    given = _typed(data)
    try:
        entity, asked = _entity(given.get("entidade", "")), _options(given)
        source = await _integration(wired, person, given.get("integracao", ""))
        async with _received(data) as (path, name):
            id_ = await _create(wired, person, source, entity, path, name, asked)
    except SyncError as error:
        return await _form(request, wired, person, given, error)
    finally:
        await data.close()
    return _to(id_)


@router.post("/migracoes/{id_}/origem")
async def reopen(
    wired: Wired,
    person: Visiting,
    id_: UUID,
    entidade: Annotated[str, Form()],
    aba: Annotated[str, Form()] = "",
    cabecalho: Annotated[str, Form()] = "",
    codificacao: Annotated[str, Form()] = "",
    separador: Annotated[str, Form()] = "",
) -> Response:
    """The same file read in another way is another migration; one that was never run goes."""
    migration, seen, _ = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    given = {"aba": aba, "cabecalho": cabecalho, "codificacao": codificacao, "separador": separador}
    entity, asked, file_id = _entity(entidade), _options(given), migration.file_id
    if file_id is None:
        raise ConfigurationError("Esta migração lê uma tabela: comece outra para escolher a origem.")
    source = await _named(wired, person, str(migration.integration_id), legacy_wizard.BY_FILE)
    with tempfile.NamedTemporaryFile(prefix="cloudtosys-") as file:
        async for part in legacy_files.parts(wired.engine, person.tenant_id, file_id):
            await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(file.flush)
        made = await _create(wired, person, source, entity, Path(file.name), seen.file or "", asked)
    if made != id_ and migration.state == "ready" and migration.begun_at is None:
        await legacy_wizard.delete(wired.engine, migration, person.by())
    return _to(made)


@router.get("/migracoes/banco")
async def tables(request: Request, wired: Wired, person: Visiting) -> Response:
    return await _table_form(request, wired, person, {})


@router.post("/migracoes/banco")
async def table(request: Request, wired: Wired, person: Visiting) -> Response:
    """Without a table the ones there are are shown, the likely one first."""
    given = _typed(await request.form())
    names: list[str] = []
    try:
        entity = _entity(given.get("entidade", ""))
        source = await _named(wired, person, given.get("integracao", ""), legacy_wizard.BY_DATABASE)
        secrets = await read_secrets(wired.engine, wired.vault, person.tenant_id, source.id)
        settings = source.settings | secrets
        form.complete(get(source.provider), settings)
        private = wired.environment.private_hosts
        from providers.legacy import tables as database  # noqa: PLC0415 - drivers only where asked for

        names = await asyncio.to_thread(database.found_tables, settings, private)
        if not given.get("tabela"):
            likely = database.proposed_table(entity, names)
            return await _table_form(request, wired, person, given | {"tabela": likely or ""}, names)
        key = [part.strip() for part in given.get("chave", "").split(",") if part.strip()]
        found, sample = await asyncio.to_thread(opened.open_table, settings, given["tabela"], key, private)
        id_ = await _keep(wired, person, source, entity, found, None, sample)
    except SyncError as error:
        return await _table_form(request, wired, person, given, names, error)
    return _to(id_)


async def _create(
    wired: Wiring,
    person: Visitor,
    source: IntegrationRow,
    entity: Entity,
    path: Path,
    name: str,
    asked: Options,
) -> UUID:
    """Opened before it is kept: what cannot be read is thrown away with the request."""
    found = await open_file(path, asked)
    with path.open("rb") as file:
        file_id = await legacy_files.store(wired.engine, person.tenant_id, name, file)
    return await _keep(wired, person, source, entity, found, file_id)


async def _keep(
    wired: Wiring,
    person: Visitor,
    source: IntegrationRow,
    entity: Entity,
    found: Opened,
    file_id: UUID | None,
    sample: list[Cells] | None = None,
) -> UUID:
    saved = await legacy.saved_mapping(wired.engine, person.tenant_id, source.id, entity, found.titles)
    options, columns = await asyncio.to_thread(opened.proposal, entity, found, saved, sample)
    id_ = await legacy.create(
        wired.engine,
        person.tenant_id,
        source.id,
        entity,
        file_id=file_id,
        options=options,
        columns=stored(columns),
        by=person.by(),
    )
    shown = opened.ENCODER.encode(found.first)
    await legacy_wizard.looked(
        wired.engine, person.tenant_id, id_, sample=shown, others=found.others, total=found.total
    )
    return id_


@asynccontextmanager
async def _received(data: FormData) -> AsyncIterator[tuple[Path, str]]:
    """The sent file under a name that another process can open, and what it was called."""
    sent = data.get("arquivo")
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise ConfigurationError("Escolha o arquivo a migrar.")
    if (sent.size or 0) > legacy_files.LARGEST:
        limit = legacy_files.LARGEST // 2**20
        raise ConfigurationError(f"O arquivo tem mais de {limit} MB: divida-o em partes.")
    with tempfile.NamedTemporaryFile(prefix="cloudtosys-") as file:
        await sent.seek(0)
        await asyncio.to_thread(shutil.copyfileobj, sent.file, file)
        await asyncio.to_thread(file.flush)
        yield Path(file.name), _base_name(sent.filename)


def _typed(data: FormData) -> dict[str, str]:
    return {name: value.strip() for name, value in data.items() if isinstance(value, str)}


def _base_name(given: str) -> str:
    base = given.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in base if char.isprintable())[-LONGEST_NAME:] or "arquivo"


def _entity(given: str) -> Entity:
    if given not in {entity.value for entity in FIELDS}:
        raise ConfigurationError("Diga o que o arquivo traz: produtos, clientes, estoque…")
    return Entity(given)


def _options(given: Mapping[str, str]) -> Options:
    row = given.get("cabecalho", "")
    if row and not (row.isdecimal() and len(row) < 6):
        raise ConfigurationError("A linha do cabeçalho é o número dela na planilha: 1, 2, 3…")
    return Options(
        sheet=given.get("aba", ""),
        header_row=int(row or 0),
        encoding=given.get("codificacao", ""),
        delimiter={"tab": "\t"}.get(given.get("separador", ""), given.get("separador", "")),
    )


async def _integration(wired: Wiring, person: Visitor, given: str) -> IntegrationRow:
    if given:
        return await _named(wired, person, given, legacy_wizard.BY_FILE)
    return await legacy_wizard.sheets_integration(wired.engine, wired.vault, person.tenant_id, person.by())


async def _named(wired: Wiring, person: Visitor, given: str, provider: str) -> IntegrationRow:
    for row in await _integrations(wired, person, provider):
        if str(row.id) == given:
            return row
    raise Absent("Escolha uma integração deste tenant para a migração.")


async def _integrations(wired: Wiring, person: Visitor, provider: str) -> list[IntegrationRow]:
    rows = await admin.integrations(wired.engine, person.tenant_id)
    return [row for row in rows if row.provider == provider]


async def _form(
    request: Request,
    wired: Wiring,
    person: Visitor,
    given: Mapping[str, str],
    refused: SyncError | None = None,
) -> Response:
    return page(
        request,
        "migration_new.html",
        status=status_of(refused) if refused else 200,
        given=given,
        refused=refused,
        entities=ORDER,
        kinds=KINDS,
        most=legacy_files.LARGEST,
        integrations=await _integrations(wired, person, legacy_wizard.BY_FILE),
    )


async def _table_form(
    request: Request,
    wired: Wiring,
    person: Visitor,
    given: Mapping[str, Any],
    names: list[str] | None = None,
    refused: SyncError | None = None,
) -> Response:
    return page(
        request,
        "migration_table.html",
        status=status_of(refused) if refused else 200,
        given=given,
        refused=refused,
        entities=ORDER,
        tables=names or [],
        integrations=await _integrations(wired, person, legacy_wizard.BY_DATABASE),
    )


def _to(id_: UUID) -> Response:
    return RedirectResponse(f"/migracoes/{id_}", status_code=303)
