"""Three-way comparison of one record: what changed on each side since they were last in step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from core.entities import ConflictPolicy
from core.trees import Tree

Side = Literal["erp", "external"]
Choose = Callable[[str], Side | None]
"""Which side wins at a path; None leaves it to a person."""

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Merged:
    """What each side should hold. `base` is the ERP side's new base once the ERP holds `erp`: where only the
    ERP changed it stays behind, and the export finds the difference. `conflicts` are dotted paths."""

    erp: Tree
    external: Tree
    base: Tree
    conflicts: tuple[str, ...]


@dataclass(slots=True)
class _Outcome:
    erp: Tree = field(default_factory=dict)
    external: Tree = field(default_factory=dict)
    base: Tree = field(default_factory=dict)

    def put(self, key: str, erp: Any, external: Any, base: Any) -> None:
        for side, value in ((self.erp, erp), (self.external, external), (self.base, base)):
            if value is not _MISSING:
                side[key] = value


def merge(
    base_erp: Mapping[str, Any] | None,
    base_external: Mapping[str, Any] | None,
    erp: Tree,
    external: Tree,
    choose: Choose,
) -> Merged:
    """Bring two trees together. Without bases (never in step before) every difference is a conflict.

    Each side has a base of its own: a provider may round or trim what it is given, and that is no change.
    """
    conflicts: list[str] = []
    outcome = _merge("", base_erp or {}, base_external or {}, erp, external, choose, conflicts)
    return Merged(outcome.erp, outcome.external, outcome.base, tuple(conflicts))


@dataclass(frozen=True, slots=True)
class Sides:
    """One record around a write: the bases before it, the ERP's side, the external one as it was seen, as it
    was meant to be and as it is."""

    base_erp: Mapping[str, Any]
    base_external: Mapping[str, Any]
    erp: Mapping[str, Any]
    seen: Mapping[str, Any]
    target: Mapping[str, Any]
    after: Mapping[str, Any]

    def at(self, key: str) -> tuple[Any, ...]:
        trees = (self.base_erp, self.base_external, self.erp, self.seen, self.target, self.after)
        return tuple(tree.get(key, _MISSING) for tree in trees)


def rebased(sides: Sides) -> tuple[Tree, Tree]:
    """The bases of both sides after a write. Where they are equal, or the external system made something else
    of what it was given, both move; all else is to be decided again, and keeps its bases."""
    erp, external = Tree(), Tree()
    for key in {*sides.base_erp, *sides.base_external, *sides.erp, *sides.after}:
        values = sides.at(key)
        base_erp, base_external, ours, seen, target, after = values
        if isinstance(ours, dict) and isinstance(after, dict):
            inner = rebased(Sides(*(_dict(value) for value in values)))
            _put(erp, external, key, *inner)
        elif ours == after or (target == ours and target != seen):
            _put(erp, external, key, ours, after)
        else:
            _put(erp, external, key, base_erp, base_external)
    return erp, external


def _put(erp: Tree, external: Tree, key: str, ours: Any, theirs: Any) -> None:
    for side, value in ((erp, ours), (external, theirs)):
        if value is not _MISSING:
            side[key] = value


def chooser(policy: ConflictPolicy, erp_at: datetime | None, external_at: datetime | None) -> Choose:
    """`newest` asks a person where the external system does not say when a record changed."""
    if policy is ConflictPolicy.ERP_WINS:
        return lambda _path: "erp"
    if policy is ConflictPolicy.EXTERNAL_WINS:
        return lambda _path: "external"
    if policy is ConflictPolicy.NEWEST and erp_at is not None and external_at is not None:
        newest: Side = "erp" if erp_at > external_at else "external"
        return lambda _path: newest
    return lambda _path: None


def _merge(
    path: str,
    base_erp: Mapping[str, Any],
    base_external: Mapping[str, Any],
    erp: Mapping[str, Any],
    external: Mapping[str, Any],
    choose: Choose,
    conflicts: list[str],
) -> _Outcome:
    outcome = _Outcome()
    for key in sorted({*erp, *external, *base_erp, *base_external}):
        at = f"{path}.{key}" if path else key
        ours, theirs = erp.get(key, _MISSING), external.get(key, _MISSING)
        base, their_base = base_erp.get(key, _MISSING), base_external.get(key, _MISSING)
        if isinstance(ours, dict) and isinstance(theirs, dict) and ours != theirs:
            inner = _merge(at, _dict(base), _dict(their_base), ours, theirs, choose, conflicts)
            outcome.put(key, inner.erp, inner.external, inner.base)
            continue
        side = _winner(base, their_base, ours, theirs)
        decided = side == "conflict"
        if decided:
            side = choose(at) or "conflict"
        if side == "conflict":
            conflicts.append(at)
        if side == "external":
            outcome.put(key, theirs, theirs, theirs)
        elif side == "erp":
            # Decided against what is there: only that would be in step with it, not what the ERP had before.
            outcome.put(key, ours, ours, theirs if decided else base)
        else:
            outcome.put(key, ours, theirs, ours if side == "equal" else base)
    return outcome


def _winner(base: Any, their_base: Any, ours: Any, theirs: Any) -> str:
    if ours == theirs:
        return "equal"
    match ours != base, theirs != their_base:
        case False, False:
            return "unchanged"
        case True, False:
            return "erp"
        case False, True:
            return "external"
        case _:
            return "conflict"


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
