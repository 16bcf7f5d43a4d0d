"""The speed at which calls arrive, and the limit to it."""

import math
from collections import deque
from typing import Any


class Meter:
    """A sliding window over arrivals: a call counts against the limit until exactly `seconds` after it."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self._served: deque[float] = deque()
        self.clear()

    def clear(self) -> None:
        """Forgets the figures, not the window."""
        self._all: deque[float] = deque()
        self._calls, self._violations, self._most, self._busy = 0, 0, 0, 0.0
        self._last: float | None = None

    def limit(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds

    def arrive(self, now: float) -> int | None:
        """None where the call may be served, else the whole seconds after which one may."""
        self._calls += 1
        if self._last is not None:
            self._busy += min(now - self._last, self.seconds)
        self._last = now
        for window in (self._all, self._served):
            while window and window[0] <= now - self.seconds:
                window.popleft()
        self._all.append(now)
        self._most = max(self._most, len(self._all))
        if self.requests and len(self._served) >= self.requests:
            self._violations += 1
            return max(1, math.ceil(self._served[0] + self.seconds - now))
        self._served.append(now)
        return None

    def report(self) -> dict[str, Any]:
        """`most` is the highest number of arrivals in any window; `rate` is of served calls in a second.

        Busy time leaves out what a pause between two calls has beyond one window.
        """
        served = self._calls - self._violations
        return {
            "requests": self.requests,
            "seconds": self.seconds,
            "calls": self._calls,
            "violations": self._violations,
            "most": self._most,
            "busy_seconds": self._busy,
            "rate": (served - 1) / self._busy if self._busy else 0.0,
        }
