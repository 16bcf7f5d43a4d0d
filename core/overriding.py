"""Corrections that a person made to a record that failed, until its source changes what they correct."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Override:
    """Values by dotted path ("billing.cpf", "line_items.0.sku"), and the digest of the source's own values
    there when the correction was made."""

    id: UUID
    fields: Mapping[str, Any]
    base: str

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether the source still says what was corrected."""
        return digest(record, self.fields) == self.base

    def apply(self, record: Mapping[str, Any]) -> dict[str, Any]:
        corrected = dict(record)
        for path, value in self.fields.items():
            corrected = _put(corrected, path.split("."), value)
        return corrected


def digest(record: Mapping[str, Any], paths: Iterable[str]) -> str:
    values = [[path, *_found(record, path.split("."))] for path in sorted(paths)]
    return hashlib.sha256(_encode(values)).hexdigest()


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """None also where nothing is there."""
    found = _found(record, path.split("."))
    return found[0] if found else None


def leaves(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value that is neither object nor list, with its path. A name with a dot in it has none."""
    yield from _leaves("", record)


def shown(value: Any) -> str:
    """A value as a person edits it."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def typed(record: Mapping[str, Any], path: str, text: str) -> Any:
    """What a person wrote for a field: text where the source has text, else JSON where it is some."""
    if isinstance(value_at(record, path), str | None):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _leaves(path: str, place: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(place, Mapping):
        items: Iterable[tuple[str, Any]] = place.items()
    elif isinstance(place, list):
        items = ((str(index), item) for index, item in enumerate(place))
    else:
        yield path, place
        return
    for name, item in items:
        if "." not in name:
            yield from _leaves(f"{path}.{name}" if path else name, item)


def _found(place: Any, names: list[str]) -> list[Any]:
    """The value in a list, or an empty list: nothing there is not the same as null."""
    for name in names:
        if isinstance(place, Mapping) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return []
    return [place]


def _put(place: Any, names: list[str], value: Any) -> Any:
    """A copy of `place` with the value put in. What is in the way, or missing, becomes an object."""
    if not names:
        return value
    name, rest = names[0], names[1:]
    if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
        items = list(place)
        items[int(name)] = _put(items[int(name)], rest, value)
        return items
    inside = dict(place) if isinstance(place, Mapping) else {}
    inside[name] = _put(inside.get(name), rest, value)
    return inside
