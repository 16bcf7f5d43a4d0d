"""What HubSpot counts: calls in a rolling window of ten seconds, calls in a day, searches in a second."""

import time
from collections import deque
from dataclasses import dataclass, field

from sandbox.wire import Headers

WINDOW = 10.0


@dataclass(slots=True)
class Meter:
    """Searches and association batches are no part of the window, and their answers tell nothing of it."""

    ten_secondly: int = 100_000
    daily: int = 250_000
    searches: int = 100_000
    today: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    _calls: deque[float] = field(default_factory=deque)
    _searched: deque[float] = field(default_factory=deque)

    def take(self, kind: str) -> str | None:
        """The policy that refuses a call of `kind`: call, search or associations."""
        now = time.monotonic()
        policy = None
        if self.today >= self.daily:
            policy = "DAILY"
        elif kind == "search" and not _room(self._searched, now, 1.0, self.searches):
            policy = "SECONDLY"
        elif kind == "call" and not _room(self._calls, now, WINDOW, self.ten_secondly):
            policy = "TEN_SECONDLY_ROLLING"
        if policy is None:
            self.today += 1
        else:
            self.refused[policy] = self.refused.get(policy, 0) + 1
        return policy

    def headers(self, kind: str) -> Headers:
        told = {
            "X-HubSpot-RateLimit-Daily": self.daily,
            "X-HubSpot-RateLimit-Daily-Remaining": max(0, self.daily - self.today),
        }
        if kind == "call":
            told |= {
                "X-HubSpot-RateLimit-Interval-Milliseconds": int(WINDOW * 1000),
                "X-HubSpot-RateLimit-Max": self.ten_secondly,
                "X-HubSpot-RateLimit-Remaining": max(0, self.ten_secondly - len(self._calls)),
            }
        return [(name.lower().encode(), str(value).encode()) for name, value in told.items()]


def _room(calls: deque[float], now: float, seconds: float, most: int) -> bool:
    while calls and calls[0] <= now - seconds:
        calls.popleft()
    if len(calls) >= most:
        return False
    calls.append(now)
    return True
