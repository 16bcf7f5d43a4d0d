"""Records as plain data, so that two sides can be compared field by field.

A tree holds the fields that a pair keeps in step: JSON values by field name. Parts with an identity of their
own (variants, addresses) are dictionaries by key instead of lists, so that one side may change one variant
and the other side another.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.records import Record

Tree = dict[str, Any]

OUTSIDE = frozenset({"external_id", "updated_at", "reference"})
"""What only the external system's own record has; never compared."""
PARTS = ("variants", "addresses")

_encode = msgspec.json.Encoder(order="deterministic").encode


def tree(record: Record, fields: frozenset[str]) -> Tree:
    """`fields` of a record as data: what decoding the stored JSON of a tree gives, lists included."""
    data = msgspec.json.decode(msgspec.json.encode(record))
    return {name: _parts(data[name]) if name in PARTS else data[name] for name in fields if name in data}


def rebuilt(record: Record, found: Mapping[str, Any]) -> Record:
    """`record` with the values of a tree. Parts that `record` has too keep their external ids."""
    data = msgspec.to_builtins(record)
    for name, value in found.items():
        data[name] = _list(data[name], value) if name in PARTS else value
    return msgspec.convert(data, type(record))


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> frozenset[str]:
    """Names of the fields that are not equal."""
    return frozenset(name for name in {*one, *other} if one.get(name) != other.get(name))


def encoded(found: Tree) -> bytes:
    return _encode(found)


def tree_hash(found: Tree, version: int) -> bytes:
    """SHA-256 (32 bytes) over the mapping's version and the tree."""
    return hashlib.sha256(b"%d:" % version + _encode(found)).digest()


def part_key(part: Mapping[str, Any]) -> str:
    """Variants are told apart by SKU, and by external id where they have none; addresses by kind."""
    return str(part.get("kind") or part.get("sku") or part.get("external_id"))


def keyed(parts: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A second part with the same key is told apart by its number."""
    found: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        key = part_key(part)
        same = sum(known.partition("#")[0] == key for known in found)
        found[f"{key}#{same + 1}" if same else key] = part
    return found


def _parts(parts: Sequence[Mapping[str, Any]]) -> Tree:
    return {
        key: {name: value for name, value in part.items() if name not in OUTSIDE}
        for key, part in keyed(parts).items()
    }


def _list(old: Sequence[Mapping[str, Any]], parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts as a list again, in their old order, new ones last."""
    known = keyed(old)
    order = [*(key for key in known if key in parts), *(key for key in parts if key not in known)]
    return [{"external_id": "", **known.get(key, {}), **parts[key]} for key in order]
