"""A file as a person is to see it: its titles, its first rows, how many there are.

`python -m providers.legacy.opened` reads a file that a stranger may have made, in a process of its own that
knows no secret and may use so much memory and time: {"path", "options"} on stdin, `Opened` or {"error"} on
stdout, as JSON.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from core.entities import Entity
from core.errors import ConfigurationError
from core.spec import Settings
from providers.legacy.columns import Column, propose
from providers.legacy.formats import Format, decode, delimiter, detect
from providers.legacy.preview import merged, points
from providers.legacy.sheets import Cells, Numbered, Options, Sheet, open_sheet

MOST_MEMORY = 3 * 2**30
MOST_SECONDS = 60
MOST_COLUMNS = 400
FIRST_ROWS = 200
LONGEST_CELL = 1_000
TOO_MUCH = "O arquivo não cabe na memória ou no tempo que uma leitura pode ter: divida-o em partes."


class Opened(msgspec.Struct):
    """`options` are kept with the migration: the run reads what the person saw. `others`: further sheets or
    tables that could be read; `total`: rows below the titles, None where it is not known."""

    options: dict[str, Any]
    titles: list[str]
    first: list[Numbered]
    others: list[str]
    total: int | None = None


def open_file(path: Path, asked: Options) -> Opened:
    """Raises `ConfigurationError`."""
    data = path.read_bytes()
    sheet = open_sheet(data, asked)
    if len(sheet.titles) > MOST_COLUMNS:
        raise ConfigurationError(
            f"A planilha tem mais de {MOST_COLUMNS} colunas: apague as que não são usadas e envie-a de novo."
        )
    options: dict[str, Any] = {
        "format": sheet.format.value,
        "sheet": sheet.name,
        "header_row": sheet.header_row,
        "encoding": asked.encoding,
        "delimiter": asked.delimiter,
    }
    if sheet.format is Format.CSV:
        options["encoding"] = asked.encoding or detect(data)
        options["delimiter"] = asked.delimiter or delimiter(decode(data, asked.encoding))
    first, total = _counted(sheet)
    return Opened(options, sheet.titles, first, list(sheet.others), total)


def open_table(
    settings: Settings, name: str, key: Sequence[str], private: frozenset[str]
) -> tuple[Opened, list[Cells]]:
    """Also the first rows as they are. Blocks. Raises as `tables.describe` does."""
    from providers.legacy import tables  # noqa: PLC0415 - SQLAlchemy's dialects only where asked for

    table, sample = tables.describe(settings, name, private, key)
    titles = list(table.columns)
    first = [shown((number, cells), len(titles)) for number, cells in enumerate(sample, 1)]
    return Opened(table.options, titles, first, []), sample


def proposal(
    entity: Entity, found: Opened, saved: Mapping[str, str], sample: Sequence[Cells] | None = None
) -> tuple[dict[str, Any], list[Column]]:
    """The options that a migration keeps, and a field for each column; `sample` where it is known better
    than it is shown."""
    rows = sample if sample is not None else [cells for _, cells in found.first]
    columns = propose(entity, found.titles, rows, merged(entity, found.titles, {}, saved))
    return found.options | {"points": points(entity, columns, rows)}, columns


def _counted(sheet: Sheet) -> tuple[list[Numbered], int]:
    rows = sheet.rows()
    first = [shown(numbered, len(sheet.titles)) for numbered in islice(rows, FIRST_ROWS)]
    return first, len(first) + sum(1 for _ in rows)


def shown(numbered: Numbered, width: int) -> Numbered:
    """As it is shown and kept beside the mapping: what JSON has no word for as what is read like it."""
    number, cells = numbered
    return number, [_short(cell) for cell in cells[:width]]


def _short(cell: Any) -> Any:
    match cell:
        case str():
            return cell[:LONGEST_CELL]
        case bytes() if len(cell) == 1:
            return cell[0]
        case bytes():
            return cell.decode("cp1252", "replace")[:LONGEST_CELL]
        case _:
            return cell


ENCODER = msgspec.json.Encoder(decimal_format="number")


def main() -> None:
    _limit()
    asked = msgspec.json.decode(sys.stdin.buffer.read())
    try:
        answer: Any = open_file(Path(asked["path"]), Options(**asked["options"]))
    except ConfigurationError as error:
        answer = {"error": error.message}
    except MemoryError:
        answer = {"error": TOO_MUCH}
    sys.stdout.buffer.write(ENCODER.encode(answer))


def request(path: Path, asked: Options) -> bytes:
    """What `main` is to be sent."""
    return msgspec.json.encode({"path": str(path), "options": asdict(asked)})


def answer(data: bytes) -> Opened:
    """Of what `main` wrote. Raises `ConfigurationError`."""
    found = msgspec.json.decode(data)
    if "error" in found:
        raise ConfigurationError(found["error"])
    return msgspec.convert(found, Opened)


def _limit() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows, where memory is not bounded
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


if __name__ == "__main__":
    main()
