"""From rows of cells to canonical records, as the columns were mapped; and the rows in portions of a run.

A raw record is {"id", "row", "rows": [[number, cells], ...]}, with "reason" where the row cannot be used or
"ignored" where it is no record (a total, a repeated header).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Protocol

from core.entities import Entity
from core.errors import RecordError
from core.records import Record
from core.spec import Raw, Resource, Settings, Source, Span, Step
from providers.legacy import cells, records
from providers.legacy.columns import Column
from providers.legacy.fields import FIELDS
from providers.legacy.sheets import Cells, Numbered

PORTION = 2_000
"""Rows of a batch: twice as many as others have, for Prefect's tasks cost a third of such a run."""
LONGEST_ORDER = 500
"""Rows of one order; more are another order of the same number, and refused."""
_NO_RECORDS = ("total", "subtotal", "pagina", "totais", "emitido em", "soma")
_TOTALS = frozenset({"total", "totais", "total geral", "subtotal", "soma"})


class Rows(Protocol):
    """A source of rows. Blocks, so it is used in a thread."""

    def after(self, place: str) -> Iterator[tuple[str, Numbered]]:
        """Rows after `place` ("" = the first), each with its own place."""
        ...

    def before(self, place: str) -> Iterator[Numbered]:
        """Rows up to `place`, where they are cheap to read again: what keys were seen."""
        ...


class Layout:
    """How one source's columns make records of one entity."""

    def __init__(self, entity: Entity, columns: Sequence[Column], points: Iterable[str] = ()) -> None:
        """`points`: fields whose texts have decimal points."""
        fields = {field.name: field for field in FIELDS[entity]}
        with_points = set(points)
        self.entity = entity
        self.titles = [column.title for column in columns]
        self._columns = [
            (
                fields[column.field].name,
                column.index,
                column.title,
                cells.WITH_POINTS.get(fields[column.field].parse, fields[column.field].parse)
                if column.field in with_points
                else fields[column.field].parse,
            )
            for column in columns
            if column.is_taken and column.field
        ]
        names, self._key = records.KEYS[entity]
        self._key_columns = [found for found in self._columns if found[0] in names]
        taken = {name for name, *_ in self._columns}
        self._required = [field for field in FIELDS[entity] if field.required and field.name in taken]
        self._headers = {name: title for name, _, title, _ in self._columns}
        self._is_title = {title for _, _, title, _ in self._key_columns}.__contains__
        self.fields = records.filled(entity, [name for name, *_ in self._columns])

    def key(self, row: Cells) -> str | None:
        """The natural key of a row; None where it has none that can be read."""
        values = {}
        for name, index, _, parse in self._key_columns:
            if index < len(row) and not cells.is_blank(row[index]):
                try:
                    values[name] = parse(row[index])
                except ValueError:
                    return None
        try:
            return self._key(values) or None
        except (KeyError, RecordError):
            return None

    def is_no_record(self, row: Cells, key: str | None) -> bool:
        """Totals, page numbers and repeated titles between the records. "Totalflex" may well be a SKU."""
        if key is None:
            first = next((cell for cell in row if not cells.is_blank(cell)), None)
            return isinstance(first, str) and cells.plain(first).startswith(_NO_RECORDS)
        if self._is_title(key):
            return [str(cell).strip() for cell in row[: len(self.titles)]] == self.titles
        return key[0] in "TtSs" and cells.plain(key) in _TOTALS

    def map(self, raw: Raw, _settings: Settings) -> Record:
        """Raises `RecordError` with every reason of the row at once."""
        if "reason" in raw:
            raise RecordError(f"Linha {raw['row']}: {raw['reason']}", field="")
        problems: list[tuple[str, str]] = []
        values = [self.values(row, problems) for _, row in raw["rows"]]
        if not problems:
            try:
                return records.BUILD[self.entity](values)
            except (ValueError, RecordError) as error:
                problems.append(("", str(error)))
        said = "; ".join(f"coluna {title}: {reason}" if title else reason for title, reason in problems)
        raise RecordError(f"Linha {raw['row']}, {said}", field=problems[0][0])

    def values(self, row: Cells, problems: list[tuple[str, str]]) -> dict[str, Any]:
        """What the cells of one row are, by field; (title, reason) of each that cannot be read is added."""
        values: dict[str, Any] = {}
        width = len(row)
        for name, index, title, parse in self._columns:
            cell = row[index] if index < width else ""
            if cell == "" or cell is None or (type(cell) is str and cell.isspace()):
                continue
            try:
                value = parse(cell)
            except ValueError as error:
                problems.append((title, str(error)))
            else:
                if value is not None and value != "":
                    values[name] = value
        if len(values) < len(self._columns):
            broken = {title for title, _ in problems}
            problems += [
                (self._headers[field.name], "o campo é obrigatório e está vazio.")
                for field in self._required
                if field.name not in values and self._headers[field.name] not in broken
            ]
        return values


class Portions:
    """`Resource.fetch` over rows: the records of a portion, the place after it. A key that comes again is
    refused, for an upsert would silently keep the last of the two."""

    def __init__(self, layout: Layout, rows: Rows, prefix: str, total: int | None = None) -> None:
        """`prefix` begins every place, so that a place of another file is not taken for one of this."""
        self._layout = layout
        self._rows = rows
        self._prefix = prefix
        self._total = total
        self._place: str | None = None
        self._held: list[tuple[str, Numbered]] = []
        self._iterator: Iterator[tuple[str, Numbered]] = iter(())
        self._seen: dict[str, int] = {}

    def resource(self, version: int = 1) -> Resource:
        return Resource(
            map=self._layout.map,
            fetch=self.fetch,
            key=lambda raw: str(raw["id"]),
            wanted=lambda raw: not raw.get("ignored"),
            fields=self._layout.fields,
            version=version,
        )

    async def fetch(self, _source: Source, _span: Span, place: str | None) -> Step:
        return await asyncio.to_thread(self._portion, place)

    def _portion(self, place: str | None) -> Step:
        inner = place.removeprefix(self._prefix) if place and place.startswith(self._prefix) else ""
        if inner != self._place:
            self._seek(inner)
        limit = PORTION + (LONGEST_ORDER if self._layout.entity is Entity.ORDERS else 0)
        found = list(islice(chain(self._held, self._iterator), limit))
        more = len(found) == limit
        groups = self._groups(found)
        if more and self._layout.entity is Entity.ORDERS and len(groups) > 1:
            self._held = groups.pop()
        else:
            self._held = []
        self._place = groups[-1][-1][0] if groups else inner
        items = [self._raw([numbered for _, numbered in group]) for group in groups]
        return Step(items, f"{self._prefix}{self._place}" if more else None, self._total)

    def _seek(self, place: str) -> None:
        self._seen, self._held = {}, []
        for number, row in self._rows.before(place) if place else ():
            if (key := self._layout.key(row)) is not None:
                self._seen.setdefault(key, number)
        self._iterator = self._rows.after(place)
        self._place = place

    def _groups(self, found: Sequence[tuple[str, Numbered]]) -> list[list[tuple[str, Numbered]]]:
        """Rows of the same order that follow each other are one record; of other entities every row is."""
        if self._layout.entity is not Entity.ORDERS:
            return [[one] for one in found]
        groups: list[list[tuple[str, Numbered]]] = []
        last: str | None = None
        for one in found:
            key = self._layout.key(one[1][1])
            if groups and key is not None and key == last and len(groups[-1]) < LONGEST_ORDER:
                groups[-1].append(one)
            else:
                groups.append([one])
            last = key
        return groups

    def _raw(self, rows: Sequence[Numbered]) -> Raw:
        number, row = rows[0]
        raw: Raw = {"id": f"linha {number}", "row": number, "rows": [list(one) for one in rows]}
        key = self._layout.key(row)
        if self._layout.is_no_record(row, key):
            raw["ignored"] = True
        elif key in self._seen:
            raw["reason"] = f"duplicada no arquivo: a mesma chave já apareceu na linha {self._seen[key]}."
        elif key is not None:
            self._seen[key] = number
            raw["id"] = key
        return raw


class Memory:
    """Rows of a sheet as `Rows`: the place is the row number."""

    def __init__(self, rows: Callable[[], Iterator[Numbered]]) -> None:
        self._rows = rows

    def after(self, place: str) -> Iterator[tuple[str, Numbered]]:
        last = int(place or 0)
        return ((str(numbered[0]), numbered) for numbered in self._rows() if numbered[0] > last)

    def before(self, place: str) -> Iterator[Numbered]:
        last = int(place)
        for numbered in self._rows():
            if numbered[0] > last:
                return
            yield numbered
