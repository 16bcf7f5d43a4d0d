"""Thirty days of runs as cells of a table and as bars; each says in words what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

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
NONE = '<span class="day none" aria-hidden="true">·</span><span class="hidden">nenhuma execução</span>'
BAR, GAP, HEIGHT = 6, 2, 24
"""Of a sparkline, in its own units."""


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


def cells(pair: Pair, found: Sequence[Column]) -> Markup:
    """A pair's row of cells, each a link to that day's logs. There are thousands on a page: put together
    here, they take a quarter of the time that a template needs."""
    address = f"/logs?integracao={pair.integration_id}&amp;entidade={pair.entity}"
    made = []
    for place, column in enumerate(found):
        day, week = pair.days.get(column.day), ' class="week"' if column.starts_week else ""
        if day is None:
            made.append(f"<td{week}>{NONE}</td>")
            continue
        tone, glyph = _tone(day)
        span = f"desde={column.day}&amp;ate={column.day}"
        title = f"{column.day:%d/%m}: {_counts(day)}"
        made.append(
            f'<td{week}><a class="day {tone}" id="d{pair.id.hex}{place}" href="{address}&amp;{span}"'
            f' title="{title}"><span aria-hidden="true">{glyph}</span></a></td>'
        )
    # Ids, dates, numbers and our own words: nothing that somebody typed.
    return Markup("".join(made))  # noqa: S704


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
