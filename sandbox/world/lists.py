"""GET /{kind}: which objects, in which order, and where the next ones begin."""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sandbox.world import moments
from sandbox.world.disk import Disk
from sandbox.world.kinds import KINDS
from sandbox.world.refused import RefusedError, invalid

LIMIT, MOST, MOST_VALUES = 50, 250, 100


@dataclass(frozen=True, slots=True)
class Listed:
    bodies: list[str]
    total: int
    next: str | None = None


def listed(disk: Disk, kind: str, query: str) -> Listed:
    """Raises RefusedError."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    limit = _limit(asked.pop("limit", str(LIMIT)))
    deleted = _boolean("include_deleted", asked.pop("include_deleted", "false"))
    cursor = asked.pop("cursor", None)
    selector, value = asked.popitem() if asked else ("after", "0")
    if asked or (cursor is not None and selector != "updated_since"):
        raise RefusedError(422, "unknown_parameter", field=next(iter(asked), "cursor"))
    if selector == "after":
        return _by_id(disk, kind, value, limit, deleted=deleted)
    if selector == "updated_since":
        return _by_update(disk, kind, value, cursor, limit, deleted=deleted)
    column, values = _values(kind, selector, value)
    bodies = disk.found(kind, column, values, deleted=deleted)
    return Listed(bodies, len(bodies))


def _by_id(disk: Disk, kind: str, after: str, limit: int, *, deleted: bool) -> Listed:
    rows = disk.page(kind, _number("after", after), limit + 1, deleted=deleted)
    last = str(rows[limit - 1][0]) if len(rows) > limit else None
    total = disk.total(kind, None, deleted=deleted)
    return Listed([body for _, body in rows[:limit]], total, last)


def _by_update(disk: Disk, kind: str, since: str, cursor: str | None, limit: int, *, deleted: bool) -> Listed:
    try:
        moment = moments.milliseconds(since)
    except ValueError:
        raise invalid("updated_since", "Must be a moment with its zone.") from None
    updated, id_ = (moment, 0) if cursor is None else max((moment, 0), _place(cursor))
    rows = disk.changed(kind, updated, id_, limit + 1, deleted=deleted)
    last = _cursor(rows[limit - 1][0], rows[limit - 1][1]) if len(rows) > limit else None
    total = disk.total(kind, moment, deleted=deleted)
    return Listed([body for _, _, body in rows[:limit]], total, last)


def _values(kind: str, selector: str, value: str) -> tuple[str, list[Any]]:
    """Column and values of a selection that is answered whole."""
    if selector == KINDS[kind]:
        return "natural_key", [value]
    if selector not in {"ids", "reference"}:
        raise RefusedError(422, "unknown_parameter", field=selector)
    values = value.split(",")
    if len(values) > MOST_VALUES:
        raise invalid(selector, f"At most {MOST_VALUES} values.")
    if selector == "reference":
        return "reference", values
    return "id", [_number("ids", one) for one in values]


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise invalid(name, "Must be an id.")
    return int(value)


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 3 and 1 <= int(value) <= MOST):
        raise invalid("limit", f"Must be 1 to {MOST}.")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise invalid(name, "Must be true or false.")
    return value == "true"


def _cursor(updated: int, id_: int) -> str:
    return base64.urlsafe_b64encode(f"{updated}.{id_}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, int]:
    try:
        updated, _, id_ = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")
        return int(updated), int(id_)
    except ValueError:
        raise invalid("cursor", "Must be the text of X-Next.") from None
