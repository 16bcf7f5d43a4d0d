"""`_fields`: only the wanted parts of an answer, cut out of the JSON text without reading the rest."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from sandbox.woocommerce.php import Record, encode

_encode = msgspec.json.Encoder().encode


def cut(body: str, fields: Sequence[str]) -> str:
    """`body` is one record or a list; a dotted field keeps a part of an object, as WordPress does."""
    if any("." in name for name in fields):
        return encode(_picked(msgspec.json.decode(body), tuple(fields)))
    decoder = _decoder(tuple(sorted(fields)), body.startswith("["))
    return str(_encode(decoder.decode(body)), "ascii")


@lru_cache(maxsize=64)
def _decoder(fields: tuple[str, ...], many: bool) -> "msgspec.json.Decoder[Any]":
    names = {f"f{place}": name for place, name in enumerate(fields)}
    kept = [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in names]
    record = msgspec.defstruct("Cut", kept, rename=names)
    wanted: Any = list[record] if many else record  # type: ignore[valid-type]
    return msgspec.json.Decoder(wanted)


def _picked(value: Any, fields: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_picked(item, fields) for item in value]
    found: Record = {}
    for path in fields:
        source, target = value, found
        *parents, last = path.split(".")
        for name in parents:
            source = source.get(name) if isinstance(source, dict) else None
            if not isinstance(source, dict):
                break
            target = target.setdefault(name, {})
        if isinstance(source, dict) and last in source:
            target[last] = source[last]
    return found
