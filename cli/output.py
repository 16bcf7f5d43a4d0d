"""What the commands print: tables for people, JSON for programs; numbers and times as in Brazil."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from core.errors import SyncError
from core.formats import moment, number

PIPED_WIDTH = 10_000
"""Columns where the output is no terminal: in a file or a pipe a row is one line, however long."""

Row = Mapping[str, Any]


def show(rows: Sequence[Row], columns: Mapping[str, str], *, as_json: bool, empty: str) -> None:
    """A listing. `columns` are the keys shown in a table, with their headings; JSON holds every key."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        table.add_column(heading, justify="right" if _is_number(rows, key) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row[key]) for key in columns))
    console().print(table)


def print_json(value: Any) -> None:
    """Times in ISO 8601 UTC, decimals as text, ids as text."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False, markup=False)


def cell(value: Any) -> str:
    match value:
        case None | "":
            text = "—"
        case bool():
            text = "sim" if value else "não"
        case int():
            text = number(value)
        case float() | Decimal():
            text = number(value, 1)
        case datetime():
            text = moment(value)
        case list() | tuple():
            text = ", ".join(str(item) for item in value)
        case _:
            text = str(value)
    return text


def confirmed(question: str) -> bool:
    return input(f"{question} [s/N] ").strip().lower() in ("s", "sim")


def print_error(error: SyncError) -> None:
    """What happened, why it usually does, and what to do."""
    lines = [f"Erro: {error.message}", f"Causa: {error.advice.cause}", f"Solução: {error.advice.remedy}"]
    print("\n".join(lines), file=sys.stderr)


def _is_number(rows: Sequence[Row], key: str) -> bool:
    return any(isinstance(row[key], int | float | Decimal) and row[key] not in (True, False) for row in rows)
