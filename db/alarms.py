"""Alarms: opened once, closed by themselves, told in a notice when they open.

An alarm is of a pair, of an integration or of everybody. Those that open together make one notice for each
tenant: a scheduler that stops misses the slots of every pair. Every function raises `DatabaseUnavailable`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Direction, Entity
from db.notices import Notice, announce
from db.session import system_transaction, tenant_transaction

MISSED_SLOT = "missed_slot"
REPEATED_INTERRUPTION = "repeated_interruption"
PREFECT_DOWN = "prefect_down"
SCHEDULER_SILENT = "scheduler_silent"
NOTHING_ARRIVED = "nothing_arrived"
CREDENTIAL_EXPIRING = "credential_expiring"
CREDENTIAL_EXPIRED = "credential_expired"
DELETION_GATE = "deletion_gate"
WEBHOOKS_UNREGISTERED = "webhooks_unregistered"
LABELS = {
    MISSED_SLOT: "execução prevista não aconteceu",
    REPEATED_INTERRUPTION: "execuções interrompidas em sequência",
    PREFECT_DOWN: "o Prefect não responde",
    SCHEDULER_SILENT: "o agendador do Prefect parou",
    NOTHING_ARRIVED: "nada chegou",
    CREDENTIAL_EXPIRING: "credencial perto de vencer",
    CREDENTIAL_EXPIRED: "credencial vencida",
    DELETION_GATE: "exclusões à espera de confirmação",
    WEBHOOKS_UNREGISTERED: "webhooks não registrados",
}
MOST_LINES = 20

_OPEN = {
    "pair": text(
        "WITH opened AS (INSERT INTO sync.alarm (tenant_id, integration_id, pair_id, kind, message)"
        " SELECT p.tenant_id, p.integration_id, p.id, :kind, m.message FROM sync.pair p"
        " JOIN unnest(CAST(:ids AS uuid[]), CAST(:messages AS text[])) AS m (id, message) ON m.id = p.id"
        " ON CONFLICT (pair_id, kind) WHERE closed_at IS NULL DO NOTHING"
        " RETURNING tenant_id, integration_id, pair_id, message)"
        " SELECT o.tenant_id, o.integration_id, o.message, i.name, p.entity, p.direction FROM opened o"
        " JOIN sync.pair p ON p.id = o.pair_id JOIN sync.integration i ON i.id = o.integration_id"
        " ORDER BY o.tenant_id, i.name, p.entity"
    ),
    "integration": text(
        "WITH opened AS (INSERT INTO sync.alarm (tenant_id, integration_id, kind, message)"
        " SELECT i.tenant_id, i.id, :kind, m.message FROM sync.integration i"
        " JOIN unnest(CAST(:ids AS uuid[]), CAST(:messages AS text[])) AS m (id, message) ON m.id = i.id"
        " ON CONFLICT (integration_id, kind) WHERE closed_at IS NULL AND pair_id IS NULL DO NOTHING"
        " RETURNING tenant_id, integration_id, message)"
        " SELECT o.tenant_id, o.integration_id, o.message, i.name, NULL AS entity, NULL AS direction"
        " FROM opened o JOIN sync.integration i ON i.id = o.integration_id ORDER BY o.tenant_id, i.name"
    ),
}
_CLOSE_OTHERS = {
    "pair": text(
        "UPDATE sync.alarm SET closed_at = now() WHERE kind = :kind AND closed_at IS NULL"
        " AND pair_id IS NOT NULL AND pair_id <> ALL(:ids)"
    ),
    "integration": text(
        "UPDATE sync.alarm SET closed_at = now() WHERE kind = :kind AND closed_at IS NULL"
        " AND pair_id IS NULL AND integration_id <> ALL(:ids)"
    ),
}
_CALM = text(
    "UPDATE sync.alarm a SET closed_at = now() WHERE a.kind = :kind AND a.closed_at IS NULL"
    " AND a.pair_id IS NOT NULL AND (EXISTS (SELECT FROM sync.sync_log l WHERE l.pair_id = a.pair_id"
    " AND l.status IN ('success', 'partial') AND l.started_at > a.opened_at)"
    " OR NOT EXISTS (SELECT FROM sync.pair p JOIN sync.integration i ON i.id = p.integration_id"
    " WHERE p.id = a.pair_id AND p.enabled AND i.status = 'active' AND i.deleted_at IS NULL"
    " AND (:kind <> 'missed_slot' OR p.cadence <> 'manual')))"
)
_SAY = text(
    "UPDATE sync.alarm SET message = :message WHERE pair_id = :pair AND kind = :kind AND closed_at IS NULL"
)
_OPEN_FOR_ALL = text(
    "INSERT INTO sync.alarm (tenant_id, kind, message) SELECT DISTINCT p.tenant_id, :kind, :message"
    " FROM sync.pair p WHERE p.enabled AND NOT EXISTS (SELECT FROM sync.alarm a"
    " WHERE a.tenant_id = p.tenant_id AND a.kind = :kind AND a.pair_id IS NULL AND a.closed_at IS NULL)"
    " RETURNING tenant_id"
)
_CALM_FOR_ALL = text(
    "UPDATE sync.alarm SET closed_at = now() WHERE kind = :kind AND pair_id IS NULL AND closed_at IS NULL"
)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('cloudtosys.alarms'))")
_ALARMS = text(
    "SELECT a.id, a.kind, a.message, a.opened_at, a.closed_at, a.integration_id, i.name AS integration,"
    " a.pair_id, p.entity, p.direction FROM sync.alarm a"
    " LEFT JOIN sync.integration i ON i.id = a.integration_id LEFT JOIN sync.pair p ON p.id = a.pair_id"
    " WHERE (:closed OR a.closed_at IS NULL) ORDER BY a.opened_at DESC, a.id DESC LIMIT :limit"
)

Of = Literal["pair", "integration"]


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """`closed_at` is None while it is open; `integration` and `entity` where it is of one."""

    id: UUID
    kind: str
    message: str
    opened_at: Any
    closed_at: Any
    integration_id: UUID | None
    integration: str | None
    pair_id: UUID | None
    entity: str | None
    direction: str | None


async def raise_alarms(engine: AsyncEngine, kind: str, messages: Mapping[UUID, str]) -> int:
    """Open alarms of pairs, each with its message; returns how many were not open before."""
    async with system_transaction(engine) as connection:
        return await _open(connection, kind, messages, "pair")


async def raise_within(connection: AsyncConnection, kind: str, pair_id: UUID, message: str) -> None:
    """Open a pair's alarm, or renew its message, in the transaction of what it tells of."""
    if not await _open(connection, kind, {pair_id: message}, "pair"):
        await connection.execute(_SAY, {"kind": kind, "pair": pair_id, "message": message})


async def keep_alarms(engine: AsyncEngine, kind: str, messages: Mapping[UUID, str], of: Of) -> int:
    """As `raise_alarms`, where the given ones are all there are: the others of this kind are closed."""
    async with system_transaction(engine) as connection:
        await connection.execute(_CLOSE_OTHERS[of], {"kind": kind, "ids": list(messages)})
        return await _open(connection, kind, messages, of)


async def calm_alarms(engine: AsyncEngine, kind: str) -> int:
    """Close the alarms of pairs that a run succeeded for since, or that are not scheduled any more."""
    async with system_transaction(engine) as connection:
        return (await connection.execute(_CALM, {"kind": kind})).rowcount


async def raise_for_all(engine: AsyncEngine, kind: str, message: str) -> int:
    """Open an alarm for every tenant that has pairs; returns how many were new."""
    async with system_transaction(engine) as connection:
        await connection.execute(_ONE_AT_A_TIME)
        values = {"kind": kind, "message": message}
        tenants = (await connection.execute(_OPEN_FOR_ALL, values)).scalars().all()
        for tenant in tenants:
            await announce(connection, tenant, Notice(kind, f"CloudToSys: {LABELS[kind]}", message))
    return len(tenants)


async def calm_for_all(engine: AsyncEngine, kind: str) -> int:
    async with system_transaction(engine) as connection:
        return (await connection.execute(_CALM_FOR_ALL, {"kind": kind})).rowcount


async def alarms(
    engine: AsyncEngine, tenant_id: UUID, *, closed: bool = False, limit: int = 50
) -> list[AlarmRow]:
    """A tenant's alarms, the newest first; with `closed` also those that are over."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = await connection.execute(_ALARMS, {"closed": closed, "limit": limit})
        return [AlarmRow(**row._mapping) for row in rows]


async def _open(connection: AsyncConnection, kind: str, messages: Mapping[UUID, str], of: Of) -> int:
    if not messages:
        return 0
    values = {"kind": kind, "ids": list(messages), "messages": list(messages.values())}
    opened = (await connection.execute(_OPEN[of], values)).all()
    for tenant, rows in groupby(opened, key=lambda row: row.tenant_id):
        await announce(connection, tenant, _notice(kind, list(rows)))
    return len(opened)


def _notice(kind: str, rows: Sequence[Row[Any]]) -> Notice:
    lines = [f"{_name(row)}: {row.message}" for row in rows[:MOST_LINES]]
    if len(rows) > MOST_LINES:
        lines.append(f"… e mais {len(rows) - MOST_LINES}.")
    whole = {row.integration_id for row in rows}
    about = rows[0].name if len(whole) == 1 else f"{len(whole)} integrações"
    lines.append("\nTodos os alarmes abertos: cloudtosys alarm list")
    only = rows[0].integration_id if len(whole) == 1 else None
    return Notice(kind, f"{about}: {LABELS[kind]}", "\n".join(lines), only)


def _name(row: Row[Any]) -> str:
    if row.entity is None:
        return str(row.name)
    return f"{row.name} · {Entity(row.entity).label} · {Direction(row.direction).label}"
