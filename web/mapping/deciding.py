"""A conflict's form: what can be chosen for each field, what was, and what that would write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.entities import Entity
from core.errors import ConfigurationError, SyncError
from core.fields import Shape, editable, name, shape, typed
from core.resolving import Choice, Decision, Sides, Typed, steps_of, value_at
from db.conflicts import Faced
from web.access import Visitor
from web.mapping.values import Value, value

SIDE, TYPED = "lado:", "valor:"
"""Beginnings of the form's names, before a field's path."""
ALL = "todos"


@dataclass(slots=True)
class Field:
    """One field in conflict; `base` is None where the two were never in step. `chosen` is erp, base,
    external, value or nothing yet, `wrong` why what was typed cannot be."""

    path: str
    steps: tuple[str, ...]
    name: str
    erp: Value
    base: Value | None
    external: Value
    shape: Shape
    chosen: str = ""
    typed: str = ""
    wrong: str = ""

    @property
    def short(self) -> str:
        return self.steps[-1]


@dataclass(frozen=True, slots=True)
class Write:
    """A field that a side is to be given."""

    name: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Settled:
    """A field of a resolved conflict."""

    name: str
    erp: Value
    base: Value
    external: Value
    chosen: str


@dataclass(frozen=True, slots=True)
class Outcome:
    erp: Sequence[Write]
    external: Sequence[Write]


@dataclass(slots=True)
class Deciding:
    """`outcome` and `digest` once all is chosen; `moved`: it is not what was confirmed."""

    entity: Entity
    fields: list[Field]
    choices: dict[str, Choice] = field(default_factory=dict)
    reason: str = ""
    outcome: Outcome | None = None
    digest: str = ""
    moved: bool = False
    error: SyncError | None = None

    @property
    def missing(self) -> list[str]:
        return [one.name for one in self.fields if not one.chosen]

    @property
    def complete(self) -> bool:
        return bool(self.fields) and len(self.choices) == len(self.fields)


def undecided(faced: Faced, person: Visitor) -> Deciding:
    entity, whole = Entity(faced.row.entity), person.can_edit
    fields = [
        Field(
            path=one.path,
            steps=one.steps,
            name=name(one.steps),
            erp=value(one.erp, entity, one.steps, whole=whole),
            base=None if faced.base is None else value(one.base, entity, one.steps, whole=whole),
            external=value(one.external, entity, one.steps, whole=whole),
            shape=_shape(entity, one),
            typed=editable(one.erp, _shape(entity, one)) if whole else "",
        )
        for one in faced.decisions
    ]
    return Deciding(entity, fields)


def choices(faced: Faced, person: Visitor, form: Mapping[str, Any]) -> Deciding:
    """What a form says; a choice that cannot be is left out, with the reason at its field."""
    found = undecided(faced, person)
    found.reason = str(form.get("motivo", ""))[:500]
    all_of = str(form.get(ALL, ""))
    for one, decision in zip(found.fields, faced.decisions, strict=True):
        one.chosen = all_of or str(form.get(SIDE + one.path, ""))
        one.typed = str(form.get(TYPED + one.path, ""))[:10_000]
        try:
            choice = _choice(one, decision)
        except ConfigurationError as error:
            one.wrong = error.message
            continue
        if choice is None:
            one.chosen = ""
        else:
            found.choices[one.path] = choice
    return found


def outcome(entity: Entity, decisions: Sequence[Decision]) -> Outcome:
    def write(one: Decision, before: Any) -> Write:
        return Write(
            name(one.steps),
            value(before, entity, one.steps, whole=True),
            value(one.final, entity, one.steps, whole=True),
        )

    return Outcome(
        [write(one, one.erp) for one in decisions if one.to_erp],
        [write(one, one.external) for one in decisions if one.to_external],
    )


def settled(faced: Faced, person: Visitor) -> list[Settled]:
    """The fields of a resolved conflict, as both sides held them then."""
    entity, whole = Entity(faced.row.entity), person.can_edit
    chosen = (faced.row.resolution or {}).get("fields", {})
    sides = Sides(None, faced.base, faced.erp, faced.external)
    found = []
    for path in faced.row.fields:
        steps = steps_of(path, sides)
        held = [
            value(value_at(side, steps), entity, steps, whole=whole)
            for side in (faced.erp, faced.base or {}, faced.external)
        ]
        found.append(Settled(name(steps), held[0], held[1], held[2], chosen.get(path, "")))
    return found


def _choice(one: Field, decision: Decision) -> Choice | None:
    match one.chosen:
        case "erp":
            return "erp"
        case "external":
            return "external"
        case "base" if one.base is not None:
            return Typed(decision.base)
        case "value" if one.shape.typed:
            return Typed(typed(one.typed, one.shape, one.short))
        case _:
            return None


def _shape(entity: Entity, decision: Decision) -> Shape:
    """A part that one side took away is chosen as a whole."""
    whole = any(isinstance(one, dict | list) for one in (decision.erp, decision.external, decision.base))
    return Shape.LIST if whole else shape(entity, decision.steps)
