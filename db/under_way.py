"""Sign-ins at an OpenID provider that are under way: each is taken up once, by the browser that began it.

Every function raises `DatabaseUnavailable`.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import system_transaction

LONGEST = timedelta(minutes=10)

_PURGE = text("DELETE FROM sync.sign_in_attempt WHERE created_at < now() - CAST(:longest AS interval)")
_ADD = text(
    "INSERT INTO sync.sign_in_attempt (state_hash, browser_hash, nonce, verifier, back)"
    " VALUES (:state, :browser, :nonce, :verifier, :back)"
)
# Gone with its first use, also by another browser: a state that leaked is worth nothing.
_TAKE = text(
    "DELETE FROM sync.sign_in_attempt WHERE state_hash = :state RETURNING nonce, verifier, back,"
    " browser_hash = :browser AND created_at > now() - CAST(:longest AS interval) AS valid"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    nonce: str
    verifier: str
    back: str


async def keep(engine: AsyncEngine, state: str, browser: str, attempt: Attempt) -> None:
    """`browser` is in a cookie of the browser alone."""
    values = {"state": _hash(state), "browser": _hash(browser), "longest": LONGEST}
    async with system_transaction(engine) as connection:
        await connection.execute(_PURGE, values)
        more = {"nonce": attempt.nonce, "verifier": attempt.verifier, "back": attempt.back}
        await connection.execute(_ADD, values | more)


async def take(engine: AsyncEngine, state: str, browser: str) -> Attempt | None:
    """None for a state that was never given, was used, is too old, or is another browser's."""
    values = {"state": _hash(state), "browser": _hash(browser), "longest": LONGEST}
    async with system_transaction(engine) as connection:
        row = (await connection.execute(_TAKE, values)).one_or_none()
    return Attempt(row.nonce, row.verifier, row.back) if row is not None and row.valid else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
