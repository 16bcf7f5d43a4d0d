"""Records side by side, field by field, as people read them.

Who may only see gets records about people without what tells who they are, by the rules for what leaves the
company (core/personal.py); who may edit has to know what they decide about.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.entities import Entity
from core.fields import PART_TYPES, name, raw, shape, shown
from core.personal import without_people
from core.records import RECORDS
from core.resolving import value_at
from core.trees import OUTSIDE, Tree


@dataclass(frozen=True, slots=True)
class Value:
    """`raw` is the value as JSON has it."""

    text: str
    raw: str


@dataclass(frozen=True, slots=True)
class Line:
    """One field; `values` in the order of the sides."""

    steps: tuple[str, ...]
    name: str
    values: tuple[Value, ...]
    differs: bool


def value(found: Any, entity: Entity, steps: Sequence[str], *, whole: bool) -> Value:
    if not whole:
        found = next(iter(without_people({steps[-1]: found}, entity).values()))
    shape_ = shape(entity, steps)
    return Value(shown(found, shape_, steps[-1]), "" if found is None else raw(found))


def lines(entity: Entity, sides: Sequence[Tree | None], *, whole: bool) -> list[Line]:
    """Every field that a side has, in the record's own order; one that is empty everywhere is left out."""
    found = []
    for steps in _paths(entity, [side for side in sides if side]):
        held = [value_at(side, steps) if side else None for side in sides]
        if all(one in (None, "", [], {}) for one in held):
            continue
        there = [one for one, side in zip(held, sides, strict=True) if side is not None]
        values = tuple(value(one, entity, steps, whole=whole) for one in held)
        found.append(Line(steps, name(steps), values, any(one != there[0] for one in there)))
    return found


def _paths(entity: Entity, sides: Sequence[Tree]) -> Iterator[tuple[str, ...]]:
    for field in RECORDS[entity].__struct_fields__:
        if field in OUTSIDE or not any(field in side for side in sides):
            continue
        if field not in PART_TYPES:
            yield (field,)
            continue
        keys = sorted({key for side in sides for key in side.get(field) or {}})
        for key in keys:
            for inner in PART_TYPES[field].__struct_fields__:
                if inner not in OUTSIDE:
                    yield (field, key, inner)
