"""The recorded exchanges of a running WooCommerce, and how to put them in another shop's terms."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2].parent / "shared" / "specs" / "woocommerce" / "recorded"

DELIVERIES = "sent by the shop: see tests/sandbox/test_hooks.py"
ATTRIBUTES = "global attributes are read by nobody here: products carry what is needed of them"
NOT_APPLICABLE = {
    "39": ATTRIBUTES,
    "40": ATTRIBUTES,
    **dict.fromkeys(("78", "81", "82", "83", "84"), DELIVERIES),
}

# Ids of the recorded shop: products with a picture, simple, not managed, variable; a variation; orders.
IDS = {281: 290, 283: 100_002_901, 683: 500_000_001, 684: 500_000_008}
WORDS = {
    "VAR-001-0": "SKU-0000290-0",
    "SKU-01005,SKU-01006": "SKU-0000005,SKU-0000006",
    "café & cia": "Araucária & 246",
    "cliente05@cliente.exemplo.test": "cliente5@cliente.exemplo.test",
}


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    auth: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    headers: dict[str, str]
    answer: Any

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def plain(self) -> bool:
        return self.number in {"06", "07", "08"}


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Recording:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    request, response = found["request"], found["response"]
    return Recording(
        name=name,
        auth=found.get("auth", ""),
        method=request["method"],
        path=request["path"],
        query=tuple((key, value) for key, value in request["query"] if not key.startswith("oauth_")),
        body=request.get("body"),
        status=response["status"],
        headers={key.lower(): value for key, value in response["headers"]},
        answer=response.get("body"),
    )


def translated(value: Any, ids: dict[int, int]) -> Any:
    """A recorded request in the terms of the stand-in: other ids, SKUs and words."""
    if isinstance(value, dict):
        return {key: translated(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [translated(item, ids) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return ids.get(value, value)
    if isinstance(value, str):
        for theirs, ours in WORDS.items():
            value = value.replace(theirs, ours)
    return value


def translated_path(path: str, ids: dict[int, int]) -> str:
    tail = path.removeprefix("/wp-json/wc/v3")
    return re.sub(r"\d+", lambda found: str(ids.get(int(found[0]), int(found[0]))), tail)
