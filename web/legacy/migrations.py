"""Migração de legado: columns and first rows of what was sent, the simulation, the run, the rows refused."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from core import spreadsheet
from core.errors import ConfigurationError
from db import legacy, legacy_wizard
from db.legacy import Migration
from db.legacy_wizard import Row, Seen
from providers.legacy.columns import DOUBTFUL, SURE, Column, assigned, lacking
from providers.legacy.fields import FIELDS
from providers.legacy.preview import points, stored
from providers.legacy.rejected import REASON, ROW
from providers.legacy.trial import Tried, tried
from web.access import Visiting, Wired
from web.pages import page

PAGE = 50
SHOWN_ROWS = 20
EXAMPLES = 3
LINES_AT_ONCE = 200
COUNTED = {"created": "criados", "updated": "atualizados", "skipped": "ignorados", "rejected": "rejeitadas"}
LIVE = (None, "running", "interrupted")
"""How the newest run is while there is something to wait for; None: it has only been asked for."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Step:
    """Where a migration is: `word` and `status` for its chip; `live` while it moves by itself."""

    word: str
    status: str
    live: bool = False
    trouble: str = ""


@router.get("/migracoes")
async def listing(request: Request, wired: Wired, person: Visiting, antes: UUID | None = None) -> Response:
    rows = await legacy_wizard.listing(wired.engine, person.tenant_id, before=antes, limit=PAGE + 1)
    more = f"/migracoes?antes={rows[PAGE - 1]['id']}" if len(rows) > PAGE else ""
    return page(
        request,
        "migrations.html",
        rows=rows[:PAGE],
        more=more,
        step_of=_listed,
        counted=COUNTED,
        source=_source,
    )


@router.get("/migracoes/{id_}")
async def detail(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    found = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    return await _shown(request, wired, *found)


@router.post("/migracoes/{id_}/mapeamento")
async def map_(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The field of each column; the button says whether to simulate at once."""
    migration, seen, runs = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    _check_rest(migration, seen, runs)
    form = await request.form()
    names = [str(form.get(f"coluna-{index}", "")) for index in range(len(migration.columns))]
    try:
        columns = assigned(migration.entity, legacy.titles_of(migration.columns), names)
    except ConfigurationError as error:
        return await _shown(request, wired, migration, seen, runs, chosen=names, refused=error.message)
    kept = stored(columns)
    if _fields(kept) != _fields(migration.columns) or migration.state == "failed":
        sample = [cells for _, cells in seen.sample]
        options = migration.options | {"points": points(migration.entity, columns, sample)}
        await legacy_wizard.map_(wired.engine, migration, kept, options, person.by())
    if "simular" in form:
        return await _ask(wired, person, id_, apply=False)
    return _back(id_)


@router.post("/migracoes/{id_}/simular")
async def simulate(wired: Wired, person: Visiting, id_: UUID) -> Response:
    return await _ask(wired, person, id_, apply=False)


@router.post("/migracoes/{id_}/gravar")
async def apply(wired: Wired, person: Visiting, id_: UUID) -> Response:
    """Also what takes up a run that was broken off."""
    return await _ask(wired, person, id_, apply=True)


@router.post("/migracoes/{id_}/excluir")
async def delete(wired: Wired, person: Visiting, id_: UUID) -> Response:
    migration, _, _ = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    await legacy_wizard.delete(wired.engine, migration, person.by())
    return RedirectResponse("/migracoes", status_code=303)


@router.get("/migracoes/{id_}/andamento")
async def progress(request: Request, wired: Wired, person: Visiting, id_: UUID) -> Response:
    """The block of a run that moves; the whole page again once it has ended."""
    migration, seen, runs = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    step = _step(migration, seen, runs)
    if not step.live:
        return Response(headers={"HX-Refresh": "true"})
    return page(
        request, "migration.html", block="progress", migration=migration, seen=seen, runs=runs, step=step
    )


@router.get("/migracoes/{id_}/rejeitadas.csv")
async def rejected(wired: Wired, person: Visiting, id_: UUID) -> Response:
    migration, _, _ = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    headers = {"Content-Disposition": f'attachment; filename="{migration.entity.value}-rejeitadas.csv"'}
    rows = legacy.rejected(wired.engine, migration)
    titles = legacy.titles_of(migration.columns)
    return StreamingResponse(_csv(titles, rows), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(titles: Sequence[str], rows: AsyncIterator[tuple[int, list[Any], str]]) -> AsyncIterator[str]:
    """The source's own columns, the row's number and why: to be corrected and sent again."""
    yield spreadsheet.BOM + spreadsheet.lines([[*titles, ROW, REASON]])
    waiting: list[list[str]] = []
    async for number, cells, reason in rows:
        padded = [*map(_cell, cells), *[""] * (len(titles) - len(cells))][: len(titles)]
        waiting.append([*padded, str(number), reason])
        if len(waiting) == LINES_AT_ONCE:
            yield spreadsheet.lines(waiting)
            waiting = []
    yield spreadsheet.lines(waiting)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "S" if value else "N"
        case float() if value.is_integer():
            return str(int(value))
        case float():
            return str(value).replace(".", ",")
        case _:
            return str(value)


async def _ask(wired: Wired, person: Visiting, id_: UUID, *, apply: bool) -> Response:
    migration, seen, runs = await legacy_wizard.read(wired.engine, person.tenant_id, id_)
    if missing := lacking(migration.entity, _columns(migration)):
        raise ConfigurationError(f"Falta dizer qual coluna é: {', '.join(missing)}.")
    if apply and migration.state == "ready":
        raise ConfigurationError("Simule esta migração antes de gravar.")
    _check_rest(migration, seen, runs)
    await legacy_wizard.check_free(wired.engine, migration)
    flow_run = await wired.orchestrator.migrate(id_, apply=apply)
    await legacy_wizard.asked(wired.engine, migration, flow_run, apply=apply, by=person.by())
    return _back(id_)


async def _shown(
    request: Request,
    wired: Wired,
    migration: Migration,
    seen: Seen,
    runs: Row | None,
    *,
    chosen: Sequence[str] | None = None,
    refused: str = "",
) -> Response:
    columns = _columns(migration)
    step = _step(migration, seen, runs)
    return page(
        request,
        "migration.html",
        status=422 if refused else 200,
        migration=migration,
        seen=seen,
        runs=runs,
        step=step,
        source=_source({"file": seen.file, "options": migration.options}),
        entities=tuple(FIELDS),
        fields=FIELDS[migration.entity],
        columns=[(column, _examples(seen, column.index), _doubt(column)) for column in columns],
        chosen=chosen or [column.field or "" if column.is_taken else "" for column in columns],
        used=[column for column in columns if column.is_taken],
        missing=lacking(migration.entity, columns),
        rows=_trial(migration, seen, columns),
        reasons=await legacy_wizard.reasons(wired.engine, migration),
        counted=COUNTED,
        refused=refused,
    )


def _trial(migration: Migration, seen: Seen, columns: Sequence[Column]) -> list[Tried]:
    found = migration.options.get("points", ())
    return tried(migration.entity, columns, found, seen.sample[:SHOWN_ROWS])


def _step(migration: Migration, seen: Seen, runs: Row | None) -> Step:
    if seen.queued:
        return Step("Na fila", "deferred", live=True)
    status = runs["status"] if runs else None
    if migration.state == "running" and status not in LIVE:
        said = f"{runs['message']} {runs['remedy'] or ''}".strip() if runs else ""
        return Step("Parou", "error", trouble=said)
    if migration.state == "running" and status == "interrupted":
        return Step("Interrompida", "interrupted", live=True)
    word, mark = _word(migration.state, migration.dry_run)
    return Step(word, mark, live=migration.state == "running", trouble=migration.message)


def _check_rest(migration: Migration, seen: Seen, runs: Row | None) -> None:
    """Raises `ConfigurationError` for what moves by itself; a run that was broken off may be taken up."""
    if _step(migration, seen, runs).live and (runs is None or runs["status"] != "interrupted"):
        raise ConfigurationError(legacy_wizard.BUSY)


def _listed(row: Row) -> Step:
    return Step(*_word(row["state"], row["dry_run"]))


def _word(state: str, dry_run: bool) -> tuple[str, str]:
    match state, dry_run:
        case "running", True:
            return "Simulando", "running"
        case "running", False:
            return "Gravando", "running"
        case "done", True:
            return "Simulada", "partial"
        case "done", False:
            return "Gravada", "success"
        case "failed", _:
            return "Substituída", "cancelled"
        case _:
            return "A simular", "ready"


def _columns(migration: Migration) -> list[Column]:
    return [
        Column(index, column["title"], column["field"], column["label"], column["score"])
        for index, column in enumerate(migration.columns)
    ]


def _fields(columns: Sequence[dict[str, Any]]) -> list[Any]:
    return [column["field"] if column["score"] >= SURE else None for column in columns]


def _doubt(column: Column) -> str:
    """What may be meant, where it is not sure enough to be used unasked."""
    return column.label if DOUBTFUL <= column.score < SURE else ""


def _examples(seen: Seen, index: int) -> list[str]:
    cells = (cells[index] for _, cells in seen.sample if index < len(cells))
    return [_cell(cell)[:40] for cell in cells if cell not in ("", None)][:EXAMPLES]


def _source(row: Row) -> str:
    options = row["options"]
    name = row["file"] or options.get("table", "")
    return f"{name} · {options['sheet']}" if options.get("sheet") else str(name)


def _back(id_: UUID) -> Response:
    return RedirectResponse(f"/migracoes/{id_}", status_code=303)
