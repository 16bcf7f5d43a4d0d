"""The way in for webhooks: whose address it is, and the rows that are committed before anything is answered.

Deliveries that wait while others are committed share the next transaction, of whatever tenants they are: at
500 a second each would otherwise wait for a commit of its own.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import DatabaseUnavailable
from core.webhooks import TOKEN, Event
from db.session import system_transaction
from db.vault import Vault
from db.webhooks import accepted

Got = TypeVar("Got")
DOOR_SECONDS = 5.0
"""For so long a deleted integration, or the end of a token, is not noticed."""
FRESH_SECONDS = 0.1
"""A message that proves nothing may be signed with a token newer than what is known."""
MOST_DOORS = 10_000
DOORS_AT_ONCE = 4
"""Lookups of unknown addresses must leave connections for commits."""
MOST_ROWS, MOST_BYTES = 250, 8 << 20
"""Of one transaction."""
MOST_WAITING_BYTES = 64 << 20
PATIENCE_SECONDS = 4.0
"""Senders give up after 5 s, and some after one."""

_DOOR = text(
    "SELECT i.tenant_id, i.id, i.provider, i.settings, c.name, c.ciphertext FROM sync.integration i"
    " LEFT JOIN sync.credential c ON c.integration_id = i.id AND c.name = ANY(:names)"
    " WHERE i.webhook_public_id = :public_id AND i.deleted_at IS NULL"
)
_PUT = text(
    "INSERT INTO sync.webhook_event"
    " (tenant_id, integration_id, delivery_id, topic, external_id, records, body, key_id)"
    " SELECT i.tenant_id, i.id, e.delivery, e.topic, e.external_id, e.records, e.body, e.key"
    " FROM unnest(CAST(:integrations AS uuid[]), CAST(:deliveries AS text[]), CAST(:topics AS text[]),"
    " CAST(:externals AS text[]), CAST(:records AS jsonb[]), CAST(:bodies AS bytea[]), CAST(:keys AS text[]))"
    " AS e (integration, delivery, topic, external_id, records, body, key)"
    " JOIN sync.integration i ON i.id = e.integration AND i.deleted_at IS NULL"
    " ON CONFLICT (integration_id, delivery_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Door:
    """An integration as its address is knocked at. `settings` hold only the secrets that prove a message;
    `tokens` are ours that are accepted now."""

    tenant_id: UUID
    integration_id: UUID
    provider: str
    settings: Mapping[str, str]
    tokens: Sequence[str]


@dataclass(slots=True)
class _Row:
    integration_id: UUID
    event: Event
    body: bytes
    key_id: str
    done: asyncio.Future[None]


class Inbox:
    """One for a process. `keys` are the names of the secrets that prove a message, by provider."""

    def __init__(self, engine: AsyncEngine, vault: Vault, keys: Mapping[str, Sequence[str]]) -> None:
        self._engine = engine
        self._vault = vault
        self._keys = keys
        self._names = sorted({TOKEN, *(name for names in keys.values() for name in names)})
        self._doors: dict[UUID, tuple[float, asyncio.Task[Door | None]]] = {}
        self._looking = asyncio.Semaphore(DOORS_AT_ONCE)
        self._waiting: list[_Row] = []
        self._bytes = 0
        self._committing: asyncio.Task[None] | None = None

    async def door(self, public_id: UUID, *, fresh: bool = False) -> Door | None:
        """Raises `DatabaseUnavailable`, `WrongKey`."""
        found, lasts = self._doors.get(public_id), FRESH_SECONDS if fresh else DOOR_SECONDS
        if found is None or time.monotonic() - found[0] > lasts or _failed(found[1]):
            self._doors.pop(public_id, None)
            if len(self._doors) >= MOST_DOORS:
                self._doors.pop(next(iter(self._doors)))
            found = time.monotonic(), asyncio.create_task(self._look(public_id))
            self._doors[public_id] = found
        return await _patient(asyncio.shield(found[1]))

    async def put(self, door: Door, events: Sequence[Event]) -> None:
        """Returns when they are on disk, also those that were there before. Raises `DatabaseUnavailable`."""
        loop = asyncio.get_running_loop()
        size = sum(len(event.body) for event in events)
        if self._bytes + size > MOST_WAITING_BYTES:
            raise DatabaseUnavailable("O banco de dados não acompanha os webhooks que chegam.")
        rows = []
        for event in events:
            sealed = self._vault.seal_payload(event.body)
            rows.append(
                _Row(door.integration_id, event, sealed.ciphertext, sealed.key_id, loop.create_future())
            )
        self._waiting += rows
        self._bytes += sum(len(row.body) for row in rows)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        await _patient(asyncio.gather(*(row.done for row in rows)))

    async def _look(self, public_id: UUID) -> Door | None:
        async with self._looking, system_transaction(self._engine) as connection:
            values = {"public_id": public_id, "names": self._names}
            rows = (await connection.execute(_DOOR, values)).all()
        if not rows:
            return None
        tenant_id, integration_id, provider, settings = rows[0][:4]
        secrets = {
            row.name: self._vault.open(tenant_id, integration_id, row.name, bytes(row.ciphertext))
            for row in rows
            if row.name == TOKEN or row.name in self._keys.get(provider, ())
        }
        tokens = accepted(secrets.pop(TOKEN, ""))
        plain = {name: str(value) for name, value in settings.items()}
        return Door(tenant_id, integration_id, provider, plain | secrets, tokens)

    async def _commit(self) -> None:
        """Until nothing waits."""
        try:
            while self._waiting:
                await self._commit_some(self._next())
        finally:
            self._committing = None

    def _next(self) -> list[_Row]:
        count = size = 0
        for row in self._waiting[:MOST_ROWS]:
            size += len(row.body)
            if count and size > MOST_BYTES:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= sum(len(row.body) for row in taken)
        # Whoever asked gave up, and will tell again.
        return [row for row in taken if not row.done.done()]

    async def _commit_some(self, rows: Sequence[_Row]) -> None:
        try:
            await self._write(rows)
        except DBAPIError as error:
            if len(rows) == 1:
                _fail(rows[0], error)
                return
            for row in rows:  # one that PostgreSQL cannot keep must not take the others with it
                await self._commit_some([row])
        except Exception as error:  # whoever waits for an answer gets this one
            for row in rows:
                _fail(row, error)
        else:
            for row in rows:
                if not row.done.done():
                    row.done.set_result(None)

    async def _write(self, rows: Sequence[_Row]) -> None:
        if not rows:
            return
        # In one order: two processes that are told the same must not wait for each other.
        ordered = sorted(rows, key=lambda row: (row.integration_id, row.event.id))
        values = {
            "integrations": [row.integration_id for row in ordered],
            "deliveries": [row.event.id for row in ordered],
            "topics": [row.event.topic for row in ordered],
            "externals": [_named(row.event) for row in ordered],
            "records": [msgspec.json.encode(row.event.records).decode() for row in ordered],
            "bodies": [row.body for row in ordered],
            "keys": [row.key_id for row in ordered],
        }
        async with system_transaction(self._engine) as connection:
            await connection.execute(_PUT, values)


async def _patient(work: "asyncio.Future[Got]") -> Got:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await work
    except TimeoutError:
        raise DatabaseUnavailable("O banco de dados não respondeu a tempo.") from None


def _named(event: Event) -> str | None:
    """The first record that it names."""
    return next((ids[0] for ids in event.records.values() if ids), None)


def _fail(row: _Row, error: Exception) -> None:
    if not row.done.done():
        row.done.set_exception(error)


def _failed(task: "asyncio.Task[Any]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
