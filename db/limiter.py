"""`core.ports.Limiter` in PostgreSQL: one row for what the external system counts, shared by all processes.

Calls are spaced evenly: each takes the next free moment of the row, so no window of any length ever holds
more than its share. A call that leaves late would crowd the one that comes a whole window later: that one
waits for a window since it was really sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import RateLimited
from core.spec import RateLimit
from db.session import system_transaction

LONGEST_WAIT_SECONDS = 60.0
ROOM_SECONDS = 0.03
"""What a window is longer than the external system says, for calls that arrive late."""
LOOK_AGAIN_SECONDS = 5.0
"""How long a process without a known limit trusts that nobody else was told to be silent."""

_TAKE = text(
    "INSERT INTO sync.rate_bucket AS b (key, next_at) VALUES (:key, now() + make_interval(secs => :gap))"
    " ON CONFLICT (key) DO UPDATE SET next_at ="
    " greatest(b.next_at, now(), coalesce(b.blocked_until, now())) + make_interval(secs => :gap)"
    " RETURNING extract(epoch FROM next_at - clock_timestamp())::float8 - :gap"
)
_BLOCK = text(
    "INSERT INTO sync.rate_bucket AS b (key, blocked_until) VALUES (:key, :until)"
    " ON CONFLICT (key) DO UPDATE SET blocked_until = greatest(b.blocked_until, excluded.blocked_until)"
)
_RESERVE = text(
    "INSERT INTO sync.rate_bucket AS b (key, next_at) VALUES (:key, now() + make_interval(secs => :gap))"
    " ON CONFLICT (key) DO UPDATE SET next_at = greatest(b.next_at, now()) + make_interval(secs => :gap)"
    " WHERE greatest(b.next_at, now()) + make_interval(secs => :gap) <= now() + make_interval(secs => :room)"
)
_FULL = text(
    "SELECT extract(epoch FROM next_at - clock_timestamp())::float8 + :gap - :room FROM sync.rate_bucket"
    " WHERE key = :key"
)
_BLOCKED = text(
    "SELECT extract(epoch FROM blocked_until - clock_timestamp())::float8 FROM sync.rate_bucket"
    " WHERE key = :key"
)


class PgLimiter:
    """Waits of more than a minute raise `RateLimited`: the run ends as deferred instead of sleeping."""

    def __init__(self, engine: AsyncEngine, key: str, rate: RateLimit) -> None:
        self._engine = engine
        self._key = key
        room = ROOM_SECONDS * min(1.0, rate.seconds)
        self._gap = (rate.seconds + room) / rate.requests if rate.requests else 0.0
        self._window = rate.seconds + room
        self._sent: deque[_Call] = deque(maxlen=rate.requests or 1)
        self._looked_at = -LOOK_AGAIN_SECONDS

    async def acquire(self) -> Callable[[], None]:
        wait = await (self._take() if self._gap else self._blocked())
        if wait > LONGEST_WAIT_SECONDS:
            retry_at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + wait, UTC)
            raise RateLimited("O sistema externo pediu uma pausa longa.", retry_at=retry_at)
        if wait > 0:
            await asyncio.sleep(wait)
        while (wait := self._too_early()) > 0:  # noqa: ASYNC110 - time alone makes it end
            await asyncio.sleep(wait)
        call = _Call()
        self._sent.append(call)
        return call.leave

    def _too_early(self) -> float:
        """Seconds until the call that is a whole window's share ago is a window old."""
        if not self._gap or len(self._sent) < (self._sent.maxlen or 0):
            return 0.0
        return self._sent[0].at + self._window - asyncio.get_running_loop().time()

    async def block(self, until: datetime) -> None:
        async with system_transaction(self._engine) as connection:
            await connection.execute(_BLOCK, {"key": self._key, "until": until})
        self._looked_at = -LOOK_AGAIN_SECONDS

    async def reserve(self, name: str, rate: RateLimit) -> None:
        """Half of the share at once and the other half evenly: no window holds more than all of it."""
        assert rate.requests  # noqa: S101 - a share without a number is none
        burst = max(1, rate.requests // 2)
        gap = (rate.seconds + ROOM_SECONDS) / max(1, rate.requests - burst)
        values = {"key": f"{self._key}:{name}", "gap": gap, "room": gap * burst}
        async with system_transaction(self._engine) as connection:
            if (await connection.execute(_RESERVE, values)).rowcount == 1:
                return
            wait = float((await connection.execute(_FULL, values)).scalar_one())
        retry_at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + max(0.0, wait), UTC)
        raise RateLimited("O limite deste tipo de consulta foi atingido.", retry_at=retry_at)

    async def _take(self) -> float:
        async with system_transaction(self._engine) as connection:
            found = await connection.execute(_TAKE, {"key": self._key, "gap": self._gap})
            return float(found.scalar_one())

    async def _blocked(self) -> float:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_AGAIN_SECONDS:
            return 0.0
        self._looked_at = now
        async with system_transaction(self._engine) as connection:
            return float((await connection.execute(_BLOCKED, {"key": self._key})).scalar() or 0.0)


class _Call:
    """When a call was allowed, and then when it was sent."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.leave()

    def leave(self) -> None:
        self.at = asyncio.get_running_loop().time()
