"""Which column is which field: proposed by titles and contents, with a confidence, corrected by a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process

from core.entities import Entity
from core.errors import ConfigurationError
from providers.legacy.cells import document, is_blank, plain
from providers.legacy.fields import FIELDS, Field, field_named

SURE, DOUBTFUL = 90, 75
"""Scores (0 to 100) from which a column is taken, and from which it is shown as doubtful and left out."""
BY_CONTENT = 0.8


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the source; `score` says how sure `field` is, 100 for an exact title or a person's word."""

    index: int
    title: str
    field: str | None = None
    label: str = ""
    score: int = 0

    @property
    def is_taken(self) -> bool:
        return self.field is not None and self.score >= SURE


def propose(
    entity: Entity,
    titles: Sequence[str],
    sample: Sequence[Sequence[Any]],
    told: Mapping[str, str] | None = None,
) -> list[Column]:
    """One proposal for each column; a field takes one column. `told` are the person's own, title → field,
    an empty field leaves the column out. Raises `ConfigurationError` for a title or field there is not."""
    chosen = _told(entity, titles, told or {})
    free = [field for field in FIELDS[entity] if field not in chosen.values()]
    open_ = [index for index in range(len(titles)) if index not in chosen]
    scores = sorted(
        ((score, -index, field) for index in open_ for score, field in _scores(titles[index], free)),
        key=lambda found: found[:2],
        reverse=True,
    )
    best: dict[int, tuple[int, Field]] = {}
    for score, place, field in scores:
        if -place not in best and all(field is not other for _, other in best.values()):
            best[-place] = (score, field)
    _by_content(free, open_, sample, best)
    return [_column(index, title, chosen, best) for index, title in enumerate(titles)]


def assigned(entity: Entity, titles: Sequence[str], names: Sequence[str]) -> list[Column]:
    """The columns as a person says them, one after the other; an empty name leaves the column out. Raises
    `ConfigurationError` for a field that there is not, or that two columns are to be."""
    by_name = {field.name: field for field in FIELDS[entity]}
    columns: list[Column] = []
    for index, (title, name) in enumerate(zip(titles, names, strict=True)):
        field = by_name.get(name)
        if name and field is None:
            raise ConfigurationError(f"Não há campo {name!r} em {entity.label}.")
        if field is not None and any(column.field == name for column in columns):
            raise ConfigurationError(f"O campo {field.label} foi indicado para duas colunas.")
        columns.append(Column(index, title, field.name, field.label, 100) if field else Column(index, title))
    return columns


def lacking(entity: Entity, columns: Sequence[Column]) -> list[str]:
    """Labels of the required fields that no column gives."""
    given = {column.field for column in columns if column.is_taken}
    found = [field.label for field in FIELDS[entity] if field.required and field.name not in given]
    if entity is Entity.CUSTOMERS and not given & {"document", "code"}:
        found.append("CPF/CNPJ ou Código")
    return found


def required(entity: Entity, columns: Sequence[Column]) -> None:
    """Raises `ConfigurationError` naming the required fields that no column gives."""
    if missing := lacking(entity, columns):
        titles = ", ".join(column.title for column in columns if not column.is_taken) or "nenhuma"
        raise ConfigurationError(
            f"Falta dizer qual coluna é: {', '.join(missing)}. Colunas sem campo: {titles}. "
            'Indique com --map "coluna=campo".'
        )


def _told(entity: Entity, titles: Sequence[str], told: Mapping[str, str]) -> dict[int, Field | None]:
    places = {plain(title): index for index, title in reversed(list(enumerate(titles)))}
    chosen: dict[int, Field | None] = {}
    for title, name in told.items():
        index = places.get(plain(title))
        if index is None:
            raise ConfigurationError(f"Não há coluna {title!r}. Colunas: {', '.join(titles)}.")
        field = field_named(entity, name) if name.strip() else None
        if name.strip() and field is None:
            labels = ", ".join(field.label for field in FIELDS[entity])
            raise ConfigurationError(f"Não há campo {name!r} em {entity.label}. Campos: {labels}.")
        if field is not None and field in chosen.values():
            raise ConfigurationError(f"O campo {field.label} foi indicado para duas colunas.")
        chosen[index] = field
    return chosen


def _scores(title: str, fields: Sequence[Field]) -> list[tuple[int, Field]]:
    found, wanted = [], plain(title)
    for field in fields if wanted else ():
        if wanted in field.titles:
            # An earlier synonym is the more usual one: "Código" is the SKU before it is the EAN.
            found.append((100, field))
            continue
        match = process.extractOne(wanted, field.titles, scorer=fuzz.token_sort_ratio, score_cutoff=DOUBTFUL)
        if match is not None:
            found.append((min(99, int(match[1])), field))
    return found


def _by_content(
    free: Sequence[Field],
    open_: Sequence[int],
    sample: Sequence[Sequence[Any]],
    best: dict[int, tuple[int, Field]],
) -> None:
    """A column full of valid CPFs and CNPJs is one, whatever it is called."""
    field = next((field for field in free if field.parse is document), None)
    if field is None or any(field is other and score >= SURE for score, other in best.values()):
        return
    for index in open_:
        cells = [row[index] for row in sample if index < len(row) and not is_blank(row[index])]
        if (index in best and best[index][0] >= SURE) or len(cells) < 3:
            continue
        if sum(map(_is_document, cells)) >= BY_CONTENT * len(cells):
            best[index] = (SURE, field)
            return


def _is_document(cell: Any) -> bool:
    try:
        document(cell)
    except ValueError:
        return False
    return True


def _column(
    index: int,
    title: str,
    chosen: Mapping[int, Field | None],
    best: Mapping[int, tuple[int, Field]],
) -> Column:
    if index in chosen:
        field = chosen[index]
        return Column(index, title, field.name, field.label, 100) if field else Column(index, title)
    if index in best:
        score, found = best[index]
        return Column(index, title, found.name, found.label, score)
    return Column(index, title)
