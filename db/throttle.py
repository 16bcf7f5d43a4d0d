"""Sign-ins that failed, counted by account and by address: whoever guesses has to wait.

Kept are hashes alone. Every function raises `DatabaseUnavailable`.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import system_transaction

WINDOW = timedelta(minutes=15)
ALLOWED = {"account": 5, "address": 30}
"""Failures within the window, after which the next try is refused unread."""

_COUNT = text(
    "SELECT count(*), extract(epoch FROM min(at) + CAST(:window AS interval) - now())"
    " FROM (SELECT at FROM sync.sign_in_failure WHERE subject = :subject"
    " AND at > now() - CAST(:window AS interval) ORDER BY at DESC LIMIT :allowed) recent"
)
_ADD = text("INSERT INTO sync.sign_in_failure (subject) VALUES (:subject)")
_PURGE = text("DELETE FROM sync.sign_in_failure WHERE at < now() - CAST(:window AS interval)")
_CLEAR = text("DELETE FROM sync.sign_in_failure WHERE subject = :subject")


async def seconds_to_wait(engine: AsyncEngine, account: str, address: str) -> int:
    """0 when a try is welcome."""
    longest = 0
    async with system_transaction(engine) as connection:
        for kind, subject in zip(ALLOWED, _subjects(account, address), strict=True):
            values = {"subject": subject, "window": WINDOW, "allowed": ALLOWED[kind]}
            count, wait = (await connection.execute(_COUNT, values)).one()
            if count >= ALLOWED[kind]:
                longest = max(longest, int(wait) + 1)
    return longest


async def failed(engine: AsyncEngine, account: str, address: str) -> None:
    async with system_transaction(engine) as connection:
        await connection.execute(_PURGE, {"window": WINDOW})
        await connection.execute(_ADD, [{"subject": found} for found in _subjects(account, address)])


async def succeeded(engine: AsyncEngine, account: str) -> None:
    """The account's own count begins anew; the address's does not."""
    async with system_transaction(engine) as connection:
        await connection.execute(_CLEAR, {"subject": _subjects(account, "")[0]})


def _subjects(account: str, address: str) -> Sequence[bytes]:
    named = (f"account:{account.strip().lower()}", f"address:{address}")
    return [hashlib.sha256(name.encode()).digest() for name in named]
