"""What a person sees before anything is read whole: the source as understood, its columns with confidence,
its first rows. Blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.entities import Entity
from core.errors import ConfigurationError
from core.spec import Settings
from providers.legacy.cells import WITH_POINTS, has_decimal_points, plain
from providers.legacy.columns import Column, propose
from providers.legacy.fields import FIELDS, field_named
from providers.legacy.formats import Format, decode, delimiter, detect
from providers.legacy.sheets import Cells, Options, open_sheet


@dataclass(frozen=True, slots=True)
class Preview:
    """`options` are kept with the migration: the run reads what the person saw. `others`: further sheets or
    tables that could be read."""

    options: dict[str, Any]
    columns: list[Column]
    sample: list[Cells]
    others: tuple[str, ...]

    @property
    def stored(self) -> list[dict[str, Any]]:
        return stored(self.columns)


def of_file(
    data: bytes, entity: Entity, told: Mapping[str, str], saved: Mapping[str, str], asked: Options
) -> Preview:
    """Raises `ConfigurationError`. What was `told` goes before what was `saved`."""
    sheet = open_sheet(data, asked)
    columns = propose(entity, sheet.titles, sheet.sample, merged(entity, sheet.titles, told, saved))
    options: dict[str, Any] = {
        "format": sheet.format.value,
        "sheet": sheet.name,
        "header_row": sheet.header_row,
        "encoding": asked.encoding,
        "delimiter": asked.delimiter,
        "points": points(entity, columns, sheet.sample),
    }
    if sheet.format is Format.CSV:
        options["encoding"] = asked.encoding or detect(data)
        options["delimiter"] = asked.delimiter or delimiter(decode(data, asked.encoding))
    return Preview(options, columns, sheet.sample, sheet.others)


def of_table(
    settings: Settings,
    entity: Entity,
    name: str,
    key: Sequence[str],
    told: Mapping[str, str],
    private: frozenset[str],
) -> Preview:
    """The named table, else the one that looks like the entity. Raises `ConfigurationError` and what
    `tables.connected` raises."""
    from providers.legacy import tables  # noqa: PLC0415 - SQLAlchemy's dialects only where asked for

    names = tables.found_tables(settings, private)
    chosen = name or tables.proposed_table(entity, names)
    if not chosen:
        shown = ", ".join(names[:40]) or "nenhuma"
        raise ConfigurationError(f"Indique a tabela de {entity.label} com --table. Existem: {shown}.")
    table, sample = tables.describe(settings, chosen, private, key)
    columns = propose(entity, table.columns, sample, told)
    options = table.options | {"points": points(entity, columns, sample)}
    return Preview(options, columns, sample, tuple(names))


def merged(
    entity: Entity, titles: Sequence[str], told: Mapping[str, str], saved: Mapping[str, str]
) -> dict[str, str]:
    """Saved fields of columns that the person says nothing of, unless another column has the field now."""
    fields = {field_named(entity, name) for name in told.values()}
    columns = {plain(title) for title in told}
    kept = {
        title: name
        for title, name in saved.items()
        if title in titles and plain(title) not in columns and field_named(entity, name) not in fields
    }
    return kept | dict(told)


def stored(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Columns as a migration keeps them."""
    return [
        {"title": column.title, "field": column.field, "label": column.label, "score": column.score}
        for column in columns
    ]


def points(entity: Entity, columns: Sequence[Column], sample: Sequence[Cells]) -> list[str]:
    """Fields whose texts have decimal points."""
    amounts = {field.name for field in FIELDS[entity] if field.parse in WITH_POINTS}
    return [
        column.field
        for column in columns
        if column.field in amounts
        and has_decimal_points([row[column.index] for row in sample if column.index < len(row)])
    ]
