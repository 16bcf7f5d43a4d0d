"""The queue of orders: one at a time, hidden for five minutes, gone only when it was deleted.

https://desenvolvedores.skyhub.com.br/pedidos/consumo-de-pedidos-queues
"""

import time
from collections.abc import Callable

LEASE_SECONDS = 300.0


class Clock:
    """Time that a test may let pass."""

    def __init__(self) -> None:
        self._passed = 0.0

    def now(self) -> float:
        return time.monotonic() + self._passed

    def let_pass(self, seconds: float) -> None:
        self._passed += seconds


class Queue:
    """Codes of orders whose state somebody has to fetch; an order that changes twice stands in it once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.lease = LEASE_SECONDS
        self._hidden: dict[str, float] = {}
        self.given: list[str] = []

    def put(self, code: str) -> None:
        self._hidden.setdefault(code, 0.0)

    def take(self) -> str | None:
        """The next visible one; what was not deleted in time is visible again."""
        now = self._now()
        for code, until in self._hidden.items():
            if until <= now:
                self._hidden[code] = now + self.lease
                self.given.append(code)
                return code
        return None

    def delete(self, code: str) -> bool:
        return self._hidden.pop(code, None) is not None

    def left(self) -> list[str]:
        return list(self._hidden)


class Meter:
    """Calls in each second by the clock on the wall, as "Limite de requisições" counts them."""

    def __init__(self) -> None:
        self._window: dict[str, tuple[int, int]] = {}
        self.refused = 0

    def take(self, kind: str, limit: int) -> bool:
        second = int(time.time())
        at, count = self._window.get(kind, (second, 0))
        count = count + 1 if at == second else 1
        self._window[kind] = (second, count)
        self.refused += count > limit
        return count <= limit
