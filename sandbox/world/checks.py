"""What an object may hold."""

import re
from typing import Any

from sandbox.world.kinds import KINDS, NAMED, SERVER_MADE, Record
from sandbox.world.refused import RefusedError, invalid

_PRICE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


def check(kind: str, fields: Any, *, partial: bool) -> None:
    """Raises RefusedError with status 422."""
    fields = as_object(fields)
    for name in SERVER_MADE:
        if name in fields:
            raise RefusedError(422, "read_only", field=name)
    if "name" in fields or (kind in NAMED and not partial):
        _name(fields.get("name"))
    for name in (KINDS[kind], "reference"):
        if not isinstance(fields.get(name), str | None):
            raise invalid(name, "Must be text.")
    _price(fields.get("price"))
    if "quantity" in fields or (kind == "stock" and not partial):
        _quantity(fields.get("quantity"))


def as_object(value: Any) -> Record:
    if not isinstance(value, dict):
        raise RefusedError(422, "invalid", "An object is needed.")
    return value


def _name(value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise invalid("name", "A name is needed.")


def _price(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and _PRICE.fullmatch(value)):
        raise invalid("price", 'Must be a decimal number as text, such as "12.90".')


def _quantity(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid("quantity", "Must be an integer, not negative.")
