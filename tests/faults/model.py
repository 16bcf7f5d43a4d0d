"""What both sides of a two-way pair should hold: a model of records, edits and policies, without any storage.

A record's `agreed` values are those that both sides held when they were last seen equal. From then on each
side's edits are kept apart; `expected` says what a field may be once both sides are equal again.
"""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from core.entities import ConflictPolicy

Side = Literal["erp", "external"]
Values = dict[str, Any]
SIDES: tuple[Side, Side] = ("erp", "external")


@dataclass(slots=True)
class Known:
    """One record. `edits` are the last values that were set on each side since both were seen equal, `last`
    the side that was edited last, `blurred` whether a run that failed may have carried some of it over."""

    sku: str
    internal_id: UUID | None = None
    external_id: str | None = None
    agreed: Values | None = None
    edits: dict[Side, Values] = field(default_factory=lambda: {"erp": {}, "external": {}})
    deleted: set[Side] = field(default_factory=set)
    last: Side = "erp"
    blurred: bool = False
    chosen: Side | None = None

    @property
    def living(self) -> bool:
        return not self.deleted

    @property
    def pending(self) -> bool:
        return any(self.edits.values())

    def edit(self, side: Side, values: Values) -> None:
        self.edits[side] |= values
        self.last = side

    def revive(self) -> None:
        """A side deleted it before anybody saw it there: the other side's is a record of its own."""
        for side in self.deleted:
            self.edits[side] = {}
        self.deleted = set()

    def settle(self, values: Values) -> None:
        """Both sides were seen to hold these."""
        self.agreed, self.edits = values, {"erp": {}, "external": {}}
        self.blurred, self.chosen = False, None

    def expected(self, name: str, policy: ConflictPolicy) -> list[Any]:
        """Every value that the field may have."""
        set_by = {side: self.edits[side][name] for side in SIDES if name in self.edits[side]}
        if not set_by:
            return [self.agreed[name]] if self.agreed else []
        if len(set_by) == 1:
            return list(set_by.values())
        if self.blurred:
            return list(set_by.values())
        before = self.agreed[name] if self.agreed else None
        changed = {side: value for side, value in set_by.items() if self.agreed is None or value != before}
        if len(changed) < 2 or set_by["erp"] == set_by["external"]:
            return [*changed.values()][:1] or [before]
        return [changed[self.winner(policy)]]

    def winner(self, policy: ConflictPolicy) -> Side:
        match policy:
            case ConflictPolicy.ERP_WINS:
                return "erp"
            case ConflictPolicy.EXTERNAL_WINS:
                return "external"
            case ConflictPolicy.NEWEST:
                return self.last
            case ConflictPolicy.ASK:
                assert self.chosen is not None, f"{self.sku} differs on both sides and nobody was asked"
                return self.chosen
