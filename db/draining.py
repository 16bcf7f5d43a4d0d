"""Webhook events become requests: for each pair one that names all the records it is to read again.

Events that come while such a request waits are put into it, so a record that changes five times in a row is
read once. Nothing is called here: the requests are served as all others are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.session import system_transaction

STEP = 1000
MOST_STEPS = 100
MOST_IDS = 5000
"""Records in one request; more events make another."""
UNDECLARED = "O sistema não declara este tópico."
NO_PAIR = "A integração não importa esta entidade, ou o par está desligado."
DISABLED = "A integração está desativada."
NOT_YET = "O par ainda não fez a primeira execução, que lê tudo."

_CLAIM = text(
    "SELECT e.id, e.tenant_id, e.integration_id, e.topic, e.records, e.received_at,"
    " i.status = 'disabled' OR i.deleted_at IS NOT NULL AS disabled"
    " FROM sync.webhook_event e JOIN sync.integration i ON i.id = e.integration_id"
    " WHERE e.state = 'received' ORDER BY e.received_at LIMIT :limit FOR UPDATE OF e SKIP LOCKED"
)
_PAIRS = text(
    "SELECT p.id, p.integration_id, p.entity, p.simulate_next FROM sync.pair p"
    " WHERE p.integration_id = ANY(:integrations) AND p.enabled AND p.direction IN ('import', 'both')"
)
_WAITS = (
    " FROM sync.run_request WHERE pair_id = :pair AND kind = 'refresh' AND state = 'waiting'"
    " AND cursor IS NULL"
)
_MERGE = text(
    "UPDATE sync.run_request SET selection = jsonb_build_object('ids', (SELECT jsonb_agg(DISTINCT id)"  # noqa: S608
    " FROM (SELECT jsonb_array_elements_text(selection -> 'ids') UNION SELECT unnest(CAST(:ids AS text[])))"
    " AS named (id))) WHERE id = (SELECT id"
    + _WAITS
    + " AND jsonb_array_length(selection -> 'ids') <= :most - cardinality(CAST(:ids AS text[]))"
    " ORDER BY created_at DESC LIMIT 1 FOR UPDATE)"
)
# A run that has begun may have passed what the event is about; the row's lock keeps it from beginning.
_STILL_WAITS = text("SELECT id" + _WAITS + " AND selection = '{}' LIMIT 1 FOR UPDATE")
_NEW = text(
    "INSERT INTO sync.run_request (tenant_id, integration_id, pair_id, kind, direction, selection,"
    " fingerprint, requested_by) SELECT p.tenant_id, p.integration_id, p.id, 'refresh', 'import',"
    " CAST(:selection AS jsonb), gen_random_uuid()::text, 'webhook' FROM sync.pair p WHERE p.id = :pair"
)
_CLOSE = text(
    "UPDATE sync.webhook_event SET state = :state, reason = :reason, processed_at = now()"
    " WHERE id = ANY(:ids)"
)
_HEARD = text(
    "INSERT INTO sync.webhook_topic AS t (tenant_id, integration_id, topic, events, last_received_at)"
    " VALUES (:tenant, :integration, :topic, :events, :last) ON CONFLICT (integration_id, topic) DO UPDATE"
    " SET events = t.events + excluded.events,"
    " last_received_at = greatest(t.last_received_at, excluded.last_received_at)"
)


@dataclass(slots=True)
class _Wish:
    """What a pair is to read: records by id, and with `changes` whatever has changed."""

    ids: set[str] = field(default_factory=set)
    changes: bool = False


async def drain(engine: AsyncEngine) -> int:
    """All that was received so far; returns how many events were closed. Raises `DatabaseUnavailable`."""
    total = 0
    for _ in range(MOST_STEPS):
        async with system_transaction(engine) as connection:
            events = (await connection.execute(_CLAIM, {"limit": STEP})).all()
            await _close(connection, events)
        total += len(events)
        if len(events) < STEP:
            break
    return total


async def _close(connection: AsyncConnection, events: Sequence[Row[Any]]) -> None:
    if not events:
        return
    integrations = list({event.integration_id for event in events})
    rows = (await connection.execute(_PAIRS, {"integrations": integrations})).all()
    pairs = {(row.integration_id, row.entity): row for row in rows}
    wishes: dict[UUID, _Wish] = defaultdict(_Wish)
    closed: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for event in events:
        reason = _wish(event, pairs, wishes)
        closed["ignored" if reason else "asked", reason].append(event.id)
    # In one order: two who drain at once must not wait for each other.
    for pair_id in sorted(wishes):
        await _ask(connection, pair_id, wishes[pair_id])
    for (state, reason), ids in closed.items():
        await connection.execute(_CLOSE, {"state": state, "reason": reason, "ids": ids})
    await connection.execute(_HEARD, _heard(events))


def _wish(event: Row[Any], pairs: Mapping[tuple[UUID, str], Row[Any]], wishes: Mapping[UUID, _Wish]) -> str:
    """Add what the event is about; returns why nothing is read for its sake, empty where something is."""
    if event.disabled:
        return DISABLED
    if not event.records:
        return UNDECLARED
    found = [(pairs.get((event.integration_id, entity)), ids) for entity, ids in event.records.items()]
    known = [(pair, ids) for pair, ids in found if pair is not None]
    ready = [(pair, ids) for pair, ids in known if not pair.simulate_next]
    for pair, ids in ready:
        wishes[pair.id].ids.update(ids)
        wishes[pair.id].changes |= not ids
    if ready:
        return ""
    return NOT_YET if known else NO_PAIR


async def _ask(connection: AsyncConnection, pair_id: UUID, wish: _Wish) -> None:
    if wish.changes and (await connection.execute(_STILL_WAITS, {"pair": pair_id})).first() is None:
        await connection.execute(_NEW, {"pair": pair_id, "selection": "{}"})
    ids = sorted(wish.ids)
    for start in range(0, len(ids), MOST_IDS):
        part = ids[start : start + MOST_IDS]
        values = {"pair": pair_id, "ids": part, "most": MOST_IDS}
        if (await connection.execute(_MERGE, values)).rowcount == 0:
            selection = msgspec.json.encode({"ids": part}).decode()
            await connection.execute(_NEW, {"pair": pair_id, "selection": selection})


def _heard(events: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[UUID, str], dict[str, Any]] = {}
    for event in events:
        values = {"tenant": event.tenant_id, "integration": event.integration_id, "topic": event.topic}
        row = found.setdefault((event.integration_id, event.topic), values | {"events": 0, "last": None})
        row["events"] += 1
        row["last"] = max(filter(None, (row["last"], event.received_at)))
    return [found[key] for key in sorted(found)]
