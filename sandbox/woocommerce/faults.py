"""A seeded script of troubles."""

import random
import re
from dataclasses import dataclass, field
from typing import Any

KINDS = {"429", "500", "503", "timeout", "truncate", "slow", "repeat_page", "html", "reset"}
KINDS |= {"broken_json", "empty_page", "lost"}


@dataclass(slots=True)
class Fault:
    """Happens to requests whose path holds `path` (a pattern; below /wp-json/wc/v3/ or whole) and `method`.

    After `skip` matching requests: to the first `times`, to each `every`th, or with a `probability`; with
    none of the three to all. `retry_after` is seconds or an HTTP date, `delay` seconds. `lost`: what was
    asked for is done, and the connection ends without an answer.
    """

    kind: str
    path: str = ""
    method: str = ""
    skip: int = 0
    times: int | None = None
    every: int | None = None
    probability: float | None = None
    retry_after: int | str | None = None
    delay: float = 0.0
    matched: int = 0
    fired: int = 0

    def strikes(self, path: str, method: str, chance: random.Random) -> bool:
        if self.method and self.method != method:
            return False
        if not (re.search(self.path, path.removeprefix("/wp-json/wc/v3/")) or re.search(self.path, path)):
            return False
        self.matched += 1
        number = self.matched - self.skip
        if number < 1 or (self.times is not None and self.fired >= self.times):
            return False
        if self.every is not None and number % self.every:
            return False
        if self.probability is not None and chance.random() >= self.probability:
            return False
        self.fired += 1
        return True


@dataclass(slots=True)
class Script:
    faults: list[Fault] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def load(self, entries: list[dict[str, Any]], seed: int) -> None:
        """Raises ValueError for an entry that makes no sense."""
        found = []
        for entry in entries:
            fault = Fault(**{**entry.get("on", {}), **{k: v for k, v in entry.items() if k != "on"}})
            if fault.kind not in KINDS:
                raise ValueError(f"unknown kind of fault: {fault.kind}")
            found.append(fault)
        self.faults, self.chance = found, random.Random(seed)

    def next(self, path: str, method: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.strikes(path, method, self.chance)), None)
