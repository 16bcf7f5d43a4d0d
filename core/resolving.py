"""A conflict decided by a person: what each side is to hold, and the bases that make it so.

At every path that was decided both bases become what the external side holds. Then the external side has
not changed, the ERP differs wherever it is to win, and the next run carries that out like any edit of the
ERP: nothing comes back. Fields that were not in conflict keep their bases.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigurationError
from core.merging import Side
from core.trees import Tree


@dataclass(frozen=True, slots=True)
class Typed:
    """A value that is on neither side."""

    value: Any


Choice = Side | Typed


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides now, and when they were last in step (None: never)."""

    base_erp: Tree | None
    base_external: Tree | None
    erp: Tree
    external: Tree


@dataclass(frozen=True, slots=True)
class Decision:
    """One field: what it was, is on each side and will be. None where a side does not have it."""

    path: str
    steps: tuple[str, ...]
    base: Any
    erp: Any
    external: Any
    final: Any
    choice: Choice

    @property
    def to_erp(self) -> bool:
        return bool(self.final != self.erp)

    @property
    def to_external(self) -> bool:
        return bool(self.final != self.external)


@dataclass(frozen=True, slots=True)
class Resolution:
    """`erp` is what the ERP is to hold, the bases are what the two sides are compared with from now."""

    erp: Tree
    base_erp: Tree
    base_external: Tree
    decisions: tuple[Decision, ...]


def resolve(
    sides: Sides, paths: Sequence[str], choices: Mapping[str, Choice], default: Side | None
) -> Resolution:
    """Decide the fields at `paths`; `default` where there is no choice of its own.

    Raises `ConfigurationError` for a path that is not in conflict, and where a choice is missing.
    """
    _check(paths, choices, default)
    erp = copy.deepcopy(sides.erp)
    base_erp = copy.deepcopy(_shared(sides.erp, sides.external) if sides.base_erp is None else sides.base_erp)
    base_external = copy.deepcopy(
        _shared(sides.external, sides.erp) if sides.base_external is None else sides.base_external
    )
    decisions = []
    for path in paths:
        steps = steps_of(path, sides)
        choice = choices.get(path, default)
        assert choice is not None  # noqa: S101 - checked above
        decision = _decision(sides, path, steps, choice)
        decisions.append(decision)
        if decision.to_erp:
            _put(erp, steps, decision.final, sides.external)
        theirs = value_at(sides.external, steps)
        _put(base_erp, steps, theirs, sides.external)
        _put(base_external, steps, theirs, sides.external)
    return Resolution(erp, base_erp, base_external, tuple(decisions))


def settled(resolution: Resolution, erp: Tree) -> Tree:
    """The ERP's base once it holds `erp`: what it took over from outside counts as it took it.

    A reference that it does not know, or a decimal too many, is no change of the ERP.
    """
    base = copy.deepcopy(resolution.base_erp)
    for decision in resolution.decisions:
        if not decision.to_external:
            _put(base, decision.steps, value_at(erp, decision.steps), erp)
    return base


def value_at(tree: Any, steps: Sequence[str]) -> Any:
    """None where there is nothing."""
    for step in steps:
        if not isinstance(tree, Mapping) or step not in tree:
            return None
        tree = tree[step]
    return tree


def _shared(one: Tree, other: Tree) -> Tree:
    """A base for what was never in step: parts that one side alone has are to be carried over yet."""
    return {name: _both(value, other.get(name)) for name, value in one.items()}


def _both(value: Any, other: Any) -> Any:
    if not (isinstance(value, dict) and isinstance(other, dict)):
        return value
    return {key: part for key, part in value.items() if key in other}


def _check(paths: Sequence[str], choices: Mapping[str, Choice], default: Side | None) -> None:
    if strange := [path for path in choices if path not in paths]:
        raise ConfigurationError(
            f"Não está em conflito: {', '.join(strange)}. Em conflito: {', '.join(paths)}."
        )
    if default is None and (open_ := [path for path in paths if path not in choices]):
        raise ConfigurationError(f"Falta escolher: {', '.join(open_)}.")


def _decision(sides: Sides, path: str, steps: Sequence[str], choice: Choice) -> Decision:
    erp, external = value_at(sides.erp, steps), value_at(sides.external, steps)
    match choice:
        case Typed(value):
            final = value
        case "erp":
            final = erp
        case _:
            final = external
    base = value_at(sides.base_external or {}, steps)
    return Decision(path, tuple(steps), base, erp, external, final, choice)


def steps_of(path: str, sides: Sides) -> list[str]:
    """The keys of a dotted path. A key may have dots of its own (a SKU), so that only the trees tell: they
    differ there, and not further inside."""
    for steps in _walks(path, [tree for tree in (sides.erp, sides.external, sides.base_erp) if tree]):
        ours, theirs = value_at(sides.erp, steps), value_at(sides.external, steps)
        if not (isinstance(ours, Mapping) and isinstance(theirs, Mapping)):
            return steps
    return path.split(".")


def _walks(path: str, trees: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    keys = {key for tree in trees for key in tree}
    if path in keys:
        yield [path]
    for key in sorted(keys, key=len, reverse=True):
        if path.startswith(f"{key}."):
            inner = [tree[key] for tree in trees if isinstance(tree.get(key), Mapping)]
            for rest in _walks(path.removeprefix(f"{key}."), inner):
                yield [key, *rest]


def _put(tree: Tree, steps: Sequence[str], value: Any, whole: Tree) -> None:
    """Set a value; None takes a part away. A part that is not there yet comes whole from `whole`."""
    place: Any = tree
    for depth, step in enumerate(steps[:-1]):
        if not isinstance(place.get(step), dict):
            place[step] = copy.deepcopy(value_at(whole, steps[: depth + 1])) or {}
        place = place[step]
    if value is None and len(steps) > 1 and isinstance(place.get(steps[-1]), dict):
        del place[steps[-1]]
    else:
        place[steps[-1]] = copy.deepcopy(value)
