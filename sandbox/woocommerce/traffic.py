"""What reached the shop: a log that forgets its oldest entries, and two meters."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

KEPT = 200_000


class Traffic:
    def __init__(self) -> None:
        # Encoded: a fifth of the memory of dictionaries.
        self._entries: deque[bytes] = deque(maxlen=KEPT)
        self._encode = msgspec.json.Encoder().encode
        self._running = 0
        self.clear()

    def clear(self) -> None:
        self._entries.clear()
        self._total, self._second, self._in_second = 0, 0, 0
        self._most_in_second, self._most_running = 0, self._running

    def begin(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._total += 1
        self._in_second += 1
        self._running += 1
        self._most_in_second = max(self._most_in_second, self._in_second)
        self._most_running = max(self._most_running, self._running)

    def end(self, method: str, path: str, query: str, status: int, size: int, fault: str | None) -> None:
        """`query` has no credentials; `status` 0 stands for a request that got no answer."""
        self._running -= 1
        entry = {"at": time.monotonic(), "time": time.time(), "method": method, "path": path, "query": query}
        entry |= {"status": status, "bytes": size, "fault": fault}
        self._entries.append(self._encode(entry))

    def entries(self) -> Iterator[bytes]:
        return iter(self._entries)

    def meter(self) -> dict[str, Any]:
        return {
            "requests": self._total,
            "requests_per_second_max": self._most_in_second,
            "concurrent": self._running,
            "concurrent_max": self._most_running,
        }
