"""`cloudtosys mapping`: which record of the ERP is which one outside."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from typer import Argument, Exit, Option

from cli import chosen, discovery, output, words
from cli.asking import run_now
from cli.installation import database
from cli.portuguese import command, group
from core.entities import Direction, Entity
from core.errors import ConfigurationError
from core.formats import number
from db import listings, mappings, resync
from db.admin import ACTOR
from db.audit import By
from providers.registry import reads_one

app = group("Mapeamentos entre registros do ERP e externos.")
app.add_typer(discovery.app)
STATES = {"active": "ativo", "orphan": "órfão", "conflict": "conflito"}
COLUMNS = {
    "integration": "Integração",
    "entity_label": "Entidade",
    "internal_id": "ID interno (ERP)",
    "external_id": "ID externo",
    "synced_at": "Última sincronização",
    "state_label": "Status",
    "notes": "Notas",
}
DETAILS = {"id": "Mapeamento", **COLUMNS, "orphaned_by": "Perdido por", "missing_at": "Não visto desde"}
HISTORY = {"at": "Data/Hora", "actor": "Quem", "action": "Ação", "reason": "Motivo"}
CONFLICTS = {"created_at": "Conflito de", "state": "Situação", "fields": "Campos", "resolved_by": "Por"}
ISSUES = {"created_at": "Falha de", "message": "Mensagem", "state": "Situação"}

Mapping = Annotated[UUID, Argument(metavar="MAPEAMENTO", help="Id do mapeamento (mapping list).")]


@app.callback()
def root() -> None:
    pass


@command(app, "list")
def list_(
    integration: Annotated[str, Option(metavar="<integração>", help="Só desta integração.")] = "",
    entity: Annotated[
        Entity | None, Option(metavar="<entidade>", parser=words.entity, help="Só desta entidade.")
    ] = None,
    state: Annotated[
        str | None, Option(metavar="<status>", parser=words.mapping_state, help="active, orphan ou conflict.")
    ] = None,
    external_id: Annotated[str, Option(metavar="<id>", help="Só com este ID externo.")] = "",
    search: Annotated[str, Option(metavar="<texto>", help="Só com isto no ID externo.")] = "",
    after: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os mapeamentos."""

    async def work() -> list[listings.Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration) if integration else None
            return await listings.mappings(
                engine,
                owner.id,
                integration_id=found.id if found else None,
                entity=entity.value if entity else None,
                state=state,
                external_id=external_id or None,
                search=search,
                after=after,
                limit=limit,
            )

    rows = [_row(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum mapeamento.")


@command(app)
def show(mapping: Mapping, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Mostra um mapeamento com sua história: ações, conflitos e falhas."""

    async def work() -> listings.Row:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await mappings.read(engine, owner.id, mapping)

    row = _row(asyncio.run(work()))
    if as_json:
        output.print_json(row)
        return
    for key, heading in DETAILS.items():
        print(f"{heading}: {output.cell(row[key])}")
    for name, columns in (("history", HISTORY), ("conflicts", CONFLICTS), ("issues", ISSUES)):
        if row[name]:
            print()
            output.show(row[name], columns, as_json=False, empty="")


@command(app)
def create(
    integration: words.Integration,
    entity: Annotated[
        str,
        Argument(metavar="ENTIDADE", parser=words.kind, help="produtos, variações, clientes, pedidos…"),
    ],
    internal_id: Annotated[UUID, Option(metavar="<uuid>", help="ID do registro no ERP.")],
    external_id: Annotated[str, Option(metavar="<id>", help="ID no sistema externo.")],
    notes: Annotated[str, Option(metavar="<texto>", help="Notas do mapeamento.")] = "",
    reason: words.Reason = "",
    tenant: words.Tenant = "",
) -> None:
    """Vincula um registro do ERP a um externo. A sincronização seguinte compara os dois."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration)
            by = By(ACTOR, reason)
            id_ = await mappings.create(
                engine,
                owner.id,
                found.id,
                entity,
                internal_id=internal_id,
                external_id=external_id,
                by=by,
                notes=notes,
            )
            print(f"Mapeamento criado: {id_}")
            if reads_one(found.provider, entity):
                asked = await resync.read_again(engine, owner.id, found.id, entity, [external_id.strip()], by)
                for request in asked:
                    await run_now(engine, request)

    asyncio.run(work())


@command(app)
def delete(
    mapping: Mapping, reason: words.Reason = "", yes: words.Yes = False, tenant: words.Tenant = ""
) -> None:
    """Quebra o vínculo; os registros permanecem dos dois lados.

    As variações e o estoque de um produto perdem o vínculo com ele.
    """

    async def work() -> listings.Row:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await mappings.delete(engine, owner.id, mapping, By(ACTOR, reason))

    if not yes and not output.confirmed("Quebrar o vínculo? Os registros permanecem."):
        raise Exit(1)
    row = asyncio.run(work())
    more = f" e {row['parts']} de variações e estoque" if row["parts"] else ""
    print(f"Vínculo quebrado: ID externo {row['external_id']}, registro {row['internal_id']} do ERP{more}.")


@command(app)
def note(
    mapping: Mapping,
    notes: Annotated[str, Argument(metavar="NOTAS", help="Texto que substitui as notas; '' as apaga.")],
    tenant: words.Tenant = "",
) -> None:
    """Escreve as notas de um mapeamento."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            await mappings.annotate(engine, owner.id, mapping, notes, By(ACTOR))

    asyncio.run(work())
    print("Notas gravadas.")


@command(app, "resync")
def resync_(
    mapping: Mapping,
    direction: Annotated[
        Direction | None,
        Option(
            metavar="<direção>",
            parser=words.direction,
            help="importar grava o ERP com o que o externo tem; exportar, o contrário.",
        ),
    ] = None,
    reason: words.Reason = "",
    tenant: words.Tenant = "",
) -> None:
    """Ressincroniza um registro: força um lado a ficar como o outro, mesmo sem mudança."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            asked = await resync.resync(engine, owner.id, mapping, direction, By(ACTOR, reason))
            print(f"Ressincronização pedida: {asked.id}")
            await run_now(engine, asked)

    asyncio.run(work())


@command(app)
def orphans(
    integration: words.Integration,
    entity: words.OneEntity,
    confirm: Annotated[bool, Option("--confirm", help="Foram mesmo excluídos: viram órfãos.")] = False,
    release: Annotated[bool, Option("--release", help="Ainda existem: seguem ativos.")] = False,
    mapping: Annotated[
        list[UUID] | None, Option(metavar="<id>", help="Só este; repita para vários. Sem isto, todos.")
    ] = None,
    reason: words.Reason = "",
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista o que uma varredura completa não viu e espera decisão, e decide com --confirm ou --release.

    Mais de 10 % ou 50 registros sumidos de uma vez não viram órfãos sozinhos. Nada é excluído do ERP.
    """
    if confirm and release:
        raise ConfigurationError("Escolha --confirm ou --release, não os dois.")

    async def work() -> list[listings.Row] | int:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration)
            if confirm or release:
                decide = mappings.confirm_missing if confirm else mappings.release_missing
                scope = (found.id, entity.value, By(ACTOR, reason))
                return await decide(engine, owner.id, *scope, ids=mapping or None)
            return await listings.mappings(
                engine, owner.id, integration_id=found.id, entity=entity.value, held=True, limit=limit
            )

    done = asyncio.run(work())
    if isinstance(done, int):
        print(f"{number(done)} {'órfãos confirmados' if confirm else 'mapeamentos liberados'}.")
        return
    columns = {"id": "Mapeamento", **COLUMNS, "missing_at": "Não visto desde"}
    output.show([_row(row) for row in done], columns, as_json=as_json, empty="Nada espera decisão.")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    labels = {"entity_label": mappings.LABELS[row["entity"]], "state_label": STATES[row["state"]]}
    return row | labels
