"""`cloudtosys conflict`: records that both sides changed, and which side is right."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, BadParameter, Exit, Option

from cli import chosen, output, words
from cli.installation import database, orchestrator
from cli.portuguese import command, group
from core.entities import Entity, Trigger
from core.errors import SyncError
from core.formats import number
from core.merging import Side
from core.resolving import Choice, Decision, Typed
from db import conflicts, resync
from db.admin import ACTOR
from db.audit import By
from db.conflicts import Resolved
from db.mappings import LABELS

app = group("Conflitos: registros que mudaram nos dois lados.")
STATES = {"open": "aberto", "resolved": "resolvido"}
SIDES = {"erp": "ERP", "external": "externo", "value": "valor digitado"}
COLUMNS = {
    "id": "Conflito",
    "integration": "Integração",
    "entity_label": "Entidade",
    "internal_id": "ID interno (ERP)",
    "external_id": "ID externo",
    "fields": "Campos",
    "created_at": "Desde",
    "state_label": "Situação",
}
SIDE_BY_SIDE = {"path": "Campo", "base": "Antes", "erp": "ERP", "external": "Externo"}
OUTCOME = {**SIDE_BY_SIDE, "final": "Fica", "writes": "Grava em"}

Conflict = Annotated[UUID, Argument(metavar="CONFLITO", help="Id do conflito (conflict list).")]
Use = Annotated[
    str | None,
    Option(metavar="<lado>", parser=words.side, help="erp ou external: o lado certo para os demais campos."),
]
Fields = Annotated[
    list[str] | None, Option("--field", metavar="<campo=lado>", help="O lado certo de um campo; repita.")
]
Values = Annotated[
    list[str] | None,
    Option("--value", metavar="<campo=valor>", help="Um valor próprio, gravado nos dois lados; repita."),
]


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
        str, Option(metavar="<situação>", parser=words.conflict_state, help="open ou resolved.")
    ] = "open",
    after: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os conflitos."""

    async def work() -> list[conflicts.Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration) if integration else None
            return await conflicts.conflicts(
                engine,
                owner.id,
                integration_id=found.id if found else None,
                entity=entity.value if entity else None,
                state=state,
                after=after,
                limit=limit,
            )

    rows = [
        row | {"entity_label": LABELS[row["entity"]], "state_label": STATES[row["state"]]}
        for row in asyncio.run(work())
    ]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum conflito.")


@command(app)
def show(
    conflict: Conflict,
    use: Use = None,
    field: Fields = None,
    value: Values = None,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Mostra os dois lados de um conflito; com escolhas, também o que seria gravado."""
    decisions = asyncio.run(_preview(conflict, use, field, value, tenant))
    columns = OUTCOME if use or field or value else SIDE_BY_SIDE
    rows = [_row(decision, as_json=as_json) for decision in decisions]
    output.show(rows, columns, as_json=as_json, empty="")


@command(app)
def resolve(
    conflict: Conflict,
    use: Use = None,
    field: Fields = None,
    value: Values = None,
    reason: words.Reason = "",
    yes: words.Yes = False,
    tenant: words.Tenant = "",
) -> None:
    """Resolve um conflito: um lado inteiro (--use), ou campo a campo (--field, --value).

    O ERP é gravado na hora; o sistema externo, pela execução do par que é pedida em seguida.
    """
    decisions = asyncio.run(_preview(conflict, use, field, value, tenant, strict=True))
    output.show([_row(one, as_json=False) for one in decisions], OUTCOME, as_json=False, empty="")
    if not yes and not output.confirmed("Gravar assim?"):
        raise Exit(1)

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            choices = {one.path: one.choice for one in decisions}
            done = await conflicts.settle(engine, owner.id, conflict, choices, None, By(ACTOR, reason))
            print("Conflito resolvido.")
            await _follow_up(engine, owner.id, [done])

    asyncio.run(work())


@command(app, "resolve-all")
def resolve_all(
    integration: words.Integration,
    use: Annotated[str, Option(metavar="<lado>", parser=words.side, help="erp ou external: o lado certo.")],
    entity: Annotated[
        Entity | None, Option(metavar="<entidade>", parser=words.entity, help="Só desta entidade.")
    ] = None,
    reason: words.Reason = "",
    yes: words.Yes = False,
    tenant: words.Tenant = "",
) -> None:
    """Resolve todos os conflitos abertos de uma integração a favor de um lado."""
    if not yes and not output.confirmed(f"Resolver todos os conflitos a favor do lado {SIDES[use]}?"):
        raise Exit(1)

    async def work() -> bool:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration)
            only = entity.value if entity else None
            by = By(ACTOR, reason)
            done = await conflicts.settle_all(engine, owner.id, found.id, _side(use), by, entity=only)
            print(f"{number(len(done.resolved))} conflitos resolvidos.")
            for id_, why in done.failed.items():
                print(f"{id_}: {why}", file=sys.stderr)
            await _follow_up(engine, owner.id, done.resolved)
            return not done.failed

    if not asyncio.run(work()):
        raise Exit(1)


async def _preview(
    conflict: UUID,
    use: str | None,
    fields: Sequence[str] | None,
    values: Sequence[str] | None,
    tenant: str,
    *,
    strict: bool = False,
) -> Sequence[Decision]:
    """`strict`: every field has to be chosen; else what is not stays as the ERP has it."""
    async with database() as engine:
        owner = await chosen.tenant(engine, tenant)
        sides = {one.path: one for one in await conflicts.preview(engine, owner.id, conflict, {}, "erp")}
        choices: dict[str, Choice] = {}
        for path, side in _assigned(fields, "--field").items():
            choices[path] = _side(words.side(side))
        for path, text in _assigned(values, "--value").items():
            choices[path] = Typed(_value(text, sides.get(path)))
        default = _side(use) if use else None if strict else "erp"
        return await conflicts.preview(engine, owner.id, conflict, choices, default)


async def _follow_up(engine: AsyncEngine, tenant_id: UUID, resolved: Sequence[Resolved]) -> None:
    """Run the pairs; where Prefect does not answer, their next run writes the external side.

    What else changed outside is read by a run of its own, which the sentinel asks for after this one.
    """
    behind: dict[tuple[UUID, str], list[str]] = {}
    for one in resolved:
        if one.behind:
            behind.setdefault((one.integration_id, one.entity), []).append(one.external_id)
    for (integration_id, entity), ids in behind.items():
        await resync.read_again(engine, tenant_id, integration_id, entity, ids, By(ACTOR))
    try:
        async with orchestrator(engine) as prefect:
            for pair_id in {one.pair_id for one in resolved if one.pair_id}:
                run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
                print(f"Execução pedida: {run}")
    except SyncError as error:
        print(f"Execução não pedida ({error.message}) A próxima do par grava o sistema externo.")


def _assigned(given: Sequence[str] | None, option: str) -> Mapping[str, str]:
    found = {}
    for text in given or ():
        path, equals, value = text.partition("=")
        if not equals:
            raise BadParameter(f"{option} quer campo=valor, não {text!r}.")
        found[path.strip()] = value
    return found


def _value(text: str, sides: Decision | None) -> Any:
    """Text where the field holds text (amounts too), else JSON; an empty one is no value."""
    if text == "":
        return None
    samples = (sides.erp, sides.external) if sides else ()
    if all(sample is None or isinstance(sample, str) for sample in samples):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise BadParameter(f"{text!r} não é um valor JSON.") from None


def _side(name: str) -> Side:
    return "erp" if name == "erp" else "external"


def _row(decision: Decision, *, as_json: bool) -> dict[str, Any]:
    values = {name: getattr(decision, name) for name in ("base", "erp", "external", "final")}
    if not as_json:
        values = {name: _shown(value) for name, value in values.items()}
    targets = [label for label, hit in (("ERP", decision.to_erp), ("externo", decision.to_external)) if hit]
    choice = "value" if isinstance(decision.choice, Typed) else decision.choice
    return {"path": decision.path, **values, "choice": choice, "writes": targets}


def _shown(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
