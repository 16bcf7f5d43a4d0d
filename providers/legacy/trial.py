"""Rows as they would be written: each value as read, each cell that cannot be read with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.entities import Entity
from core.errors import RecordError
from core.formats import moment, number
from providers.legacy.cells import is_blank, text
from providers.legacy.columns import Column, lacking
from providers.legacy.layout import Layout
from providers.legacy.sheets import Cells, Numbered

PLACES = 4
LONGEST = 80


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as people read it; with `wrong`, the cell as it is and why it cannot be used."""

    text: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A row. `ignored`: it is a total or a repeated title. `reason`: of the whole row."""

    number: int
    shown: tuple[Shown, ...]
    ignored: bool = False
    reason: str = ""

    @property
    def is_refused(self) -> bool:
        return bool(self.reason) or any(cell.wrong for cell in self.shown)


def tried(
    entity: Entity, columns: Sequence[Column], points: Sequence[str], rows: Sequence[Numbered]
) -> list[Tried]:
    """The used columns of each row, in their order. Whole records are judged once no column is lacking."""
    layout = Layout(entity, columns, points)
    used = [column for column in columns if column.is_taken]
    seen: dict[str, int] | None = None if lacking(entity, columns) else {}
    return [_row(layout, used, seen, number_, cells) for number_, cells in rows]


def _row(
    layout: Layout, used: Sequence[Column], seen: dict[str, int] | None, number_: int, cells: Cells
) -> Tried:
    key = layout.key(cells)
    if layout.is_no_record(cells, key):
        return Tried(number_, tuple(Shown(_original(cells, column)) for column in used), ignored=True)
    problems: list[tuple[str, str]] = []
    values = layout.values(cells, problems)
    wrong = dict(problems)
    shown = tuple(
        Shown(_original(cells, column), wrong[column.title])
        if column.title in wrong
        else Shown(written(values.get(column.field or "")))
        for column in used
    )
    if problems or seen is None:
        return Tried(number_, shown)
    return Tried(
        number_, shown, reason=_refused(layout, number_, cells) or _again(layout, seen, number_, key)
    )


def _again(layout: Layout, seen: dict[str, int], number_: int, key: str | None) -> str:
    """Rows of one order have the same key."""
    if layout.entity is Entity.ORDERS or key is None:
        return ""
    first = seen.setdefault(key, number_)
    return f"repete a chave da linha {first}." if first != number_ else ""


def _refused(layout: Layout, number_: int, cells: Cells) -> str:
    try:
        layout.map({"id": "", "row": number_, "rows": [[number_, cells]]}, {})
    except RecordError as error:
        return error.message.removeprefix(f"Linha {number_}, ")
    return ""


def _original(cells: Cells, column: Column) -> str:
    cell = cells[column.index] if column.index < len(cells) else ""
    if is_blank(cell):
        return ""
    try:
        return text(cell)[:LONGEST]
    except ValueError:
        return str(cell)[:LONGEST]


def written(value: Any) -> str:
    """A parsed value in Brazilian format."""
    match value:
        case None:
            return ""
        case bool():
            return "Sim" if value else "Não"
        case Decimal():
            return number(value, max(2, min(PLACES, -int(value.normalize().as_tuple().exponent))))
        case datetime():
            return moment(value)
        case date():
            return value.strftime("%d/%m/%Y")
        case _:
            return str(value)[:LONGEST]
