"""Thirty days of runs as a table of cells and as bars; each says in words what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from core.formats import number
from db.hub import Day, Pair

WEEKDAYS = (
    "segunda-feira",
    "terça-feira",
    "quarta-feira",
    "quinta-feira",
    "sexta-feira",
    "sábado",
    "domingo",
)
SUNDAY = 6
SPARK_DAYS = 14
BAR, GAP, HEIGHT = 6, 2, 24
"""Of a sparkline, in its own units."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`tone` and `glyph` say how the day went, `title` with counts; `address` is that day's log."""

    tone: str
    glyph: str
    title: str
    address: str
    starts_week: bool


@dataclass(frozen=True, slots=True)
class Column:
    day: date
    title: str
    starts_week: bool


@dataclass(frozen=True, slots=True)
class Spark:
    """`bars` as x, y and height in a picture of `width` × `HEIGHT`; `text` is the same in words."""

    width: int
    height: int
    bar: int
    bars: Sequence[tuple[int, int, int]]
    total: int
    text: str


def columns(today: date, days: int) -> list[Column]:
    """Days up to today; weeks start on Sunday."""
    found = [today - timedelta(days=back) for back in reversed(range(days))]
    return [
        Column(day, f"{WEEKDAYS[day.weekday()]} {day:%d/%m/%Y}", day.weekday() == SUNDAY) for day in found
    ]


def weeks(found: Sequence[Column]) -> list[tuple[str, int]]:
    """Title and width of each group of columns; of a lone day there is room for no title."""
    groups: list[tuple[date, int]] = []
    for column in found:
        if not groups or column.starts_week:
            groups.append((column.day, 1))
        else:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
    return [(f"{first:%d/%m}" if width > 1 else "", width) for first, width in groups]


def cells(pair: Pair, found: Sequence[Column]) -> list[Cell]:
    return [_cell(pair, column, pair.days.get(column.day)) for column in found]


def spark(days: Mapping[date, Day], today: date) -> Spark:
    """Records read a day; the highest bar is the greatest of these days."""
    span = [today - timedelta(days=back) for back in reversed(range(SPARK_DAYS))]
    values = [days[day].processed if day in days else 0 for day in span]
    most = max(values) or 1
    bars = []
    for place, value in enumerate(values):
        height = max(1, round(value / most * HEIGHT))
        bars.append((place * (BAR + GAP), HEIGHT - height, height))
    listed = ", ".join(
        f"{day:%d/%m} {number(value)}" for day, value in zip(span, values, strict=True) if value
    )
    text = f"Registros por dia: {listed}." if listed else "Nenhum registro em 14 dias."
    return Spark(SPARK_DAYS * (BAR + GAP) - GAP, HEIGHT, BAR, bars, sum(values), text)


def _cell(pair: Pair, column: Column, day: Day | None) -> Cell:
    when = f"{column.day:%d/%m}"
    if day is None:
        return Cell("none", "·", f"{when}: nenhuma execução", "", column.starts_week)
    tone, glyph = _tone(day)
    address = (
        f"/logs?integracao={pair.integration_id}&entidade={pair.entity}&desde={column.day}&ate={column.day}"
    )
    return Cell(tone, glyph, f"{when}: {_counts(day)}", address, column.starts_week)


def _tone(day: Day) -> tuple[str, str]:
    if day.error and not day.success + day.partial:
        return "bad", "✕"
    if day.error or day.partial:
        return "warn", "◐"
    return ("good", "✓") if day.success else ("calm", "↷")


def _counts(day: Day) -> str:
    parts = [
        (day.success, "com sucesso"),
        (day.partial, "com sucesso parcial"),
        (day.error, "com erro"),
        (day.other, "sem resultado"),
    ]
    runs = ", ".join(f"{number(count)} {name}" for count, name in parts if count)
    failed = f", {number(day.failed)} com erro" if day.failed else ""
    return f"{runs}; {number(day.processed)} {'registro' if day.processed == 1 else 'registros'}{failed}"
