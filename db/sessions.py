"""Who is signed in. A session's token is in the browser alone; the row keeps its hash.

Every function raises `DatabaseUnavailable`.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import Absent
from db.people import Workplace, workplaces
from db.session import system_transaction

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
TOUCH_SECONDS = 60
AGENT_CHARACTERS = 200

_OPEN = text(
    "INSERT INTO sync.session (token_hash, user_id, tenant_id, agent) VALUES (:token, :user, :tenant, :agent)"
)
_READ = text(
    "SELECT s.user_id, s.tenant_id, u.name, u.email, u.is_operator, u.must_change_password AS must_change,"
    " s.seen_at < now() - make_interval(secs => :touch) AS stale"
    " FROM sync.session s JOIN sync.user u ON u.id = s.user_id"
    " WHERE s.token_hash = :token AND u.disabled_at IS NULL"
    " AND s.seen_at > now() - CAST(:idle AS interval) AND s.created_at > now() - CAST(:longest AS interval)"
)
# Of those who look on without asking for anything: it does not count as being seen.
_ALIVE = text(
    "SELECT w.token, w.tenant FROM unnest(CAST(:tokens AS bytea[]), CAST(:tenants AS uuid[]))"
    " AS w (token, tenant) JOIN sync.session s ON s.token_hash = w.token JOIN sync.user u ON u.id = s.user_id"
    " WHERE u.disabled_at IS NULL AND s.seen_at > now() - CAST(:idle AS interval)"
    " AND s.created_at > now() - CAST(:longest AS interval) AND (u.is_operator OR EXISTS (SELECT FROM"
    " sync.membership m WHERE m.user_id = u.id AND m.tenant_id = w.tenant AND m.can_view))"
)
_TOUCH = text("UPDATE sync.session SET seen_at = now() WHERE token_hash = :token")
_TENANT = text("UPDATE sync.session SET tenant_id = :tenant WHERE token_hash = :token")
_CLOSE = text("DELETE FROM sync.session WHERE token_hash = :token")
_CLOSE_OTHERS = text("DELETE FROM sync.session WHERE user_id = :user AND token_hash <> :token")
_LIST = text(
    "SELECT encode(token_hash, 'hex') AS id, token_hash = :token AS current, agent, created_at, seen_at"
    " FROM sync.session WHERE user_id = :user AND seen_at > now() - CAST(:idle AS interval)"
    " AND created_at > now() - CAST(:longest AS interval) ORDER BY seen_at DESC, token_hash"
)
_CLOSE_ONE = text(
    "DELETE FROM sync.session WHERE user_id = :user AND token_hash = decode(:id, 'hex')"
    " AND token_hash <> :token"
)
_PURGE = text(
    "DELETE FROM sync.session WHERE seen_at < now() - CAST(:idle AS interval)"
    " OR created_at < now() - CAST(:longest AS interval)"
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`tenant_id` is the chosen one of `workplaces`, None where there is none. With `must_change` the
    password was good for this sign-in alone."""

    user_id: UUID
    name: str
    email: str
    is_operator: bool
    must_change: bool
    tenant_id: UUID | None
    workplaces: tuple[Workplace, ...]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`id` tells it from the person's others and opens nothing."""

    id: str
    current: bool
    agent: str
    created_at: datetime
    seen_at: datetime


async def open_(engine: AsyncEngine, user_id: UUID, tenant_id: UUID | None, agent: str) -> str:
    """The new session's token, 256 random bits."""
    token = secrets.token_urlsafe(32)
    async with system_transaction(engine) as connection:
        await connection.execute(_PURGE, {"idle": IDLE, "longest": LONGEST})
        values = {"token": _hash(token), "user": user_id, "tenant": tenant_id}
        await connection.execute(_OPEN, values | {"agent": agent[:AGENT_CHARACTERS]})
    return token


async def read(engine: AsyncEngine, token: str) -> SignedIn | None:
    """None for a session that ended, or of somebody who was disabled since."""
    values = {"token": _hash(token), "idle": IDLE, "longest": LONGEST, "touch": TOUCH_SECONDS}
    async with system_transaction(engine) as connection:
        row = (await connection.execute(_READ, values)).one_or_none()
        if row is None:
            return None
        if row.stale:
            await connection.execute(_TOUCH, {"token": _hash(token)})
        places = await workplaces(connection, row.user_id, operator=row.is_operator)
    chosen = next((place.id for place in places if place.id == row.tenant_id), None)
    first = places[0].id if places else None
    return SignedIn(
        user_id=row.user_id,
        name=row.name,
        email=row.email,
        is_operator=row.is_operator,
        must_change=row.must_change,
        tenant_id=chosen or first,
        workplaces=tuple(places),
    )


async def alive(engine: AsyncEngine, looking: Iterable[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Those of (token, tenant) whose session lasts and whose person may see the tenant."""
    known = {(_hash(token), tenant): (token, tenant) for token, tenant in looking}
    values = {"tokens": [t for t, _ in known], "tenants": [t for _, t in known]}
    async with system_transaction(engine) as connection:
        rows = await connection.execute(_ALIVE, values | {"idle": IDLE, "longest": LONGEST})
        return {known[bytes(row.token), row.tenant] for row in rows}


async def choose(engine: AsyncEngine, token: str, tenant_id: UUID) -> None:
    """The tenant that this session works in from now on; whether it may is asked at every reading."""
    async with system_transaction(engine) as connection:
        await connection.execute(_TENANT, {"token": _hash(token), "tenant": tenant_id})


async def close(engine: AsyncEngine, token: str) -> None:
    async with system_transaction(engine) as connection:
        await connection.execute(_CLOSE, {"token": _hash(token)})


async def listing(engine: AsyncEngine, user_id: UUID, token: str) -> list[SessionRow]:
    """A person's living sessions, the last used first; `token` is of the one that asks."""
    values = {"user": user_id, "token": _hash(token), "idle": IDLE, "longest": LONGEST}
    async with system_transaction(engine) as connection:
        return [SessionRow(**row._mapping) for row in await connection.execute(_LIST, values)]


async def close_one(engine: AsyncEngine, user_id: UUID, session_id: str, token: str) -> None:
    """Another one of the person's own. Raises `Absent`."""
    if re.fullmatch("[0-9a-f]{64}", session_id) is None:
        raise Absent("Não há esta sessão.")
    values = {"user": user_id, "id": session_id, "token": _hash(token)}
    async with system_transaction(engine) as connection:
        if (await connection.execute(_CLOSE_ONE, values)).rowcount == 0:
            raise Absent("Esta sessão já terminou.")


async def close_others(engine: AsyncEngine, user_id: UUID, token: str) -> int:
    """How many other sessions of the person were ended."""
    async with system_transaction(engine) as connection:
        closed = await connection.execute(_CLOSE_OTHERS, {"user": user_id, "token": _hash(token)})
        return closed.rowcount


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
