"""A seeded script of troubles: a list of entries, each call is struck by the first that fits.

    {"kind": "lost_answer", "match": {"method": "POST", "path": "^/products"}, "skip": 2, "times": 3,
     "probability": 0.3, "seed": 7}

Before anything is done: `reset` (a TCP reset), `500`, `429` and `html` (a page with status 200).
`timeout` hangs for `seconds`, then does and answers as usual, or does nothing where the caller has gone.
After everything is done and committed: `lost_answer` (the connection ends without one), `500_after_commit`,
`timeout_after_commit` (hangs for `seconds`, then answers), `slow` (the answer in pieces over `seconds`),
`broken_json` (the first two thirds of it).
Lists alone: `duplicate` (the first item comes again at the end; with `of: "page"` the list before, of the
same kind, is answered again), `reorder` (shuffled), `truncated` (the first half, as if it were the last
page), `empty` (none). `total` says what the header X-Total of the last two does: "keep" tells the truth,
"lie" counts the items that are left, "none" leaves it out.
Reads alone: `stale` answers as before the last `behind` changes of that kind.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sandbox.wire import Reply
from sandbox.world.api import Outcome

LISTS = {"duplicate", "reorder", "truncated", "empty"}
KINDS = LISTS | {"reset", "500", "429", "html", "timeout", "timeout_after_commit", "lost_answer"}
KINDS |= {"500_after_commit", "slow", "broken_json", "stale"}
_LIST = re.compile(r"/\w+")
_NEXT, _TOTAL = b"x-next", b"x-total"


@dataclass(slots=True)
class Fault:
    """`path` is a pattern searched in the path with its query. `retry_after`: seconds or an HTTP date."""

    kind: str
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int | None = None
    probability: float | None = None
    seed: int = 0
    seconds: float = 30.0
    retry_after: int | str = 1
    behind: int = 1
    of: str = "item"
    total: str = "keep"
    matched: int = 0
    fired: int = 0
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        if (
            self.kind not in KINDS
            or self.of not in {"item", "page"}
            or self.total not in {"keep", "lie", "none"}
        ):
            raise ValueError(f"no such fault: {self.kind}, of {self.of}, total {self.total}")
        self.chance = random.Random(self.seed)

    def strikes(self, method: str, path: str, query: str) -> bool:
        if self.method and self.method != method:
            return False
        if self.kind in LISTS and not (method == "GET" and _LIST.fullmatch(path)):
            return False
        if self.kind == "stale" and method != "GET":
            return False
        if not re.search(self.path, f"{path}?{query}" if query else path):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.times is not None and self.fired >= self.times):
            return False
        if self.probability is not None and self.chance.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Script:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def load(self, entries: list[dict[str, Any]]) -> None:
        """Raises TypeError or ValueError for an entry that makes no sense."""
        self.faults = [
            Fault(**entry.get("match", {}), **{name: entry[name] for name in entry if name != "match"})
            for entry in entries
        ]

    def next(self, method: str, path: str, query: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.strikes(method, path, query)), None)

    def fired(self) -> list[dict[str, Any]]:
        return [{"kind": one.kind, "matched": one.matched, "fired": one.fired} for one in self.faults]


def bend(fault: Fault, outcome: Outcome, before: Outcome | None) -> Outcome:
    """A list that is not what it seems. `before` is the last list of the same kind."""
    reply = outcome.reply
    if reply.status != 200:
        return outcome
    if fault.kind == "duplicate" and fault.of == "page":
        return before or outcome
    items = msgspec.json.decode(reply.body)
    headers = list(reply.headers)
    if fault.kind == "reorder":
        fault.chance.shuffle(items)
    elif fault.kind == "duplicate":
        items += items[:1]
    else:
        items = items[: len(items) // 2] if fault.kind == "truncated" else []
        headers = [header for header in headers if header[0] != _NEXT]
        if fault.total != "keep":
            headers = [header for header in headers if header[0] != _TOTAL]
        if fault.total == "lie":
            headers.append((_TOTAL, str(len(items)).encode()))
    return Outcome(Reply(200, headers, msgspec.json.encode(items)), len(items), [])
