"""The life of a run: open with a lease and a log, keep alive, close."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import (
    ConflictPolicy,
    Direction,
    Entity,
    IntegrationStatus,
    Matching,
    RequestKind,
    RunStatus,
    Trigger,
)
from core.errors import ConfigurationError, SyncError
from core.ports import Counts, Cursor
from db import audit, requests
from db.health import judge
from db.requests import Request
from db.session import system_transaction, tenant_transaction
from db.vault import Vault

_PAIR = text(
    "SELECT p.id, p.tenant_id, p.integration_id, p.entity, p.direction, p.last_full_at, i.provider, i.name,"
    " i.base_url, i.settings, i.matching, i.branch_id, i.status, i.draft, p.conflict_policy, p.simulate_next"
    " FROM sync.pair p"
    " JOIN sync.integration i ON i.id = p.integration_id WHERE p.id = :pair AND i.deleted_at IS NULL"
)
_TAKE = text(
    "UPDATE sync.pair SET lease_token = lease_token + 1, lease_log_id = :log,"
    " lease_expires_at = now() + make_interval(secs => :seconds)"
    " WHERE id = :pair AND (lease_log_id IS NULL OR lease_expires_at < now()) RETURNING lease_token"
)
_DEAD = text(
    "UPDATE sync.sync_log SET status = 'interrupted', ended_at = now(),"
    " message = 'A execução parou sem aviso; a seguinte continua de onde ela estava.'"
    " WHERE pair_id = :pair AND status = 'running'"
)
_SERVED = text(
    "SELECT EXISTS (SELECT FROM sync.sync_log WHERE pair_id = :pair AND direction = :direction"
    " AND (started_at >= :slot OR slot_at = :slot) AND request_id IS NULL AND NOT dry_run"
    " AND status NOT IN ('skipped', 'cancelled', 'interrupted'))"
)
_LOG = text(
    "INSERT INTO sync.sync_log (id, tenant_id, integration_id, pair_id, entity, direction, status,"
    " initiated_by, flow_run_id, slot_at, request_id, parent_id, dry_run, ended_at, message)"
    " VALUES (:id, :tenant, :integration, :pair, :entity, :direction, :status, :initiated_by, :flow_run,"
    " :slot, :request, :parent, :dry_run, CASE WHEN :status = 'running' THEN NULL ELSE now() END,"
    " :message)"
    " ON CONFLICT (flow_run_id, direction) DO NOTHING"
)
_CURSOR = text(
    "SELECT watermark, scanning, full_scan, since, place, signpost, high, change_seq, change_id, items,"
    " scan_id, scan_started_at FROM sync.cursor WHERE pair_id = :pair"
)
# How often a run began here without a commit or an ending after it, before this one.
_BEGIN = text(
    "INSERT INTO sync.cursor AS c (pair_id, tenant_id, deaths) VALUES (:pair, :tenant, 1)"
    " ON CONFLICT (pair_id) DO UPDATE SET deaths = c.deaths + 1 RETURNING deaths - 1 AS deaths, suspect"
)
_SURVIVED = text(
    "UPDATE sync.cursor SET deaths = 0, suspect = NULL WHERE pair_id = :pair"
    " AND (deaths > 0 OR suspect IS NOT NULL)"
)
_POISONED = text(
    "SELECT external_id FROM sync.issue WHERE integration_id = :integration AND entity = :entity"
    " AND direction = 'import' AND state = 'open' AND error_class = 'PoisonError'"
)
_RENEW = text(
    "UPDATE sync.pair SET lease_expires_at = now() + make_interval(secs => :seconds)"
    " WHERE id = :pair AND lease_log_id = :log AND lease_token = :token"
)
_CLOSE = text(
    "UPDATE sync.sync_log SET status = :status, ended_at = now(), error_class = :error_class,"
    " message = :message, cause = :cause, remedy = :remedy, full_scan = :full,"
    " details = CAST(:details AS jsonb) WHERE id = :log AND status = 'running'"
)
_RELEASE = text(
    "UPDATE sync.pair SET lease_log_id = NULL, lease_expires_at = NULL"
    " WHERE id = :pair AND lease_log_id = :log AND lease_token = :token"
)
_SIMULATED = text("UPDATE sync.pair SET simulate_next = false WHERE id = :pair AND simulate_next")
_STOP = text("SELECT cancel_requested_at IS NOT NULL FROM sync.sync_log WHERE id = :log")
_CANCEL = text(
    "UPDATE sync.sync_log SET cancel_requested_at = now(), cancel_requested_by = :by"
    " WHERE id = :log AND status = 'running' RETURNING flow_run_id"
)
_SUCCEEDED = text("UPDATE sync.integration SET last_success_at = now() WHERE id = :integration")
_HEALED = text(
    "UPDATE sync.alarm SET closed_at = now() WHERE pair_id = :pair AND closed_at IS NULL"
    " AND kind IN ('missed_slot', 'repeated_interruption')"
)


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair and its integration. `settings` hold no secret. A `draft` is only simulated, when
    a person asks."""

    id: UUID
    tenant_id: UUID
    integration_id: UUID
    entity: Entity
    direction: Direction
    last_full_at: datetime | None
    provider: str
    integration: str
    settings: dict[str, str]
    matching: Matching
    branch_id: UUID | None
    status: IntegrationStatus
    simulate_next: bool = False
    policy: ConflictPolicy = ConflictPolicy.ASK
    draft: bool = False

    @property
    def phases(self) -> tuple[Direction, ...]:
        """The runs that make up one run of the pair: both directions are an import and then an export."""
        if self.direction is Direction.BOTH:
            return Direction.IMPORT, Direction.EXPORT
        return (self.direction,)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a pair, held by one run of one direction; `token` fences off those before it.

    `opened_at` is the database's time. `deaths`: runs that ended at this place without a word; `suspect`: the
    record the last of them was at; `poisoned`: records that ended runs before, until somebody reprocesses
    them. `request` is what the run was asked to do beyond its scan. A `dry_run` writes
    nothing but its log.
    """

    pair: PairRow
    log_id: UUID
    token: int
    seconds: float
    cursor: Cursor
    opened_at: datetime
    direction: Direction = Direction.IMPORT
    request: Request | None = None
    dry_run: bool = False
    deaths: int = 0
    suspect: str | None = None
    poisoned: frozenset[str] = frozenset()


async def read_pair(engine: AsyncEngine, pair_id: UUID) -> PairRow:
    """Raises `ConfigurationError` for a pair that does not exist any more."""
    async with system_transaction(engine) as connection:
        row = (await connection.execute(_PAIR, {"pair": pair_id})).one_or_none()
    if row is None:
        raise ConfigurationError("O par não existe mais: a integração foi excluída.")
    settings = {name: str(value) for name, value in row.settings.items()}
    if row.base_url:
        settings["base_url"] = row.base_url
    return PairRow(
        id=row.id,
        tenant_id=row.tenant_id,
        integration_id=row.integration_id,
        entity=Entity(row.entity),
        direction=Direction(row.direction),
        last_full_at=row.last_full_at,
        provider=row.provider,
        integration=row.name,
        settings=settings,
        matching=Matching(row.matching),
        branch_id=row.branch_id,
        status=IntegrationStatus(row.status),
        policy=ConflictPolicy(row.conflict_policy),
        simulate_next=row.simulate_next,
        draft=row.draft,
    )


async def open_run(
    engine: AsyncEngine,
    pair: PairRow,
    *,
    direction: Direction = Direction.IMPORT,
    initiated_by: Trigger,
    flow_run_id: UUID | None,
    slot_at: datetime | None,
    lease_seconds: float,
    request_id: UUID | None = None,
    dry_run: bool | None = None,
) -> Lease | None:
    """Take the lease, and the request where there is one, and start a log.

    None when the run has to be skipped, which is logged too.
    """
    log_id = uuid7()
    log = {
        "id": log_id,
        "tenant": pair.tenant_id,
        "integration": pair.integration_id,
        "pair": pair.id,
        "entity": pair.entity.value,
        "direction": direction.value,
        "initiated_by": initiated_by.value,
        "flow_run": flow_run_id,
        "slot": slot_at,
        "request": request_id,
        "parent": None,
        "dry_run": False,
    }
    async with tenant_transaction(engine, pair.tenant_id) as connection:
        reason = "" if pair.draft and request_id is not None else _refusal(pair)
        token = None if reason else await _take(connection, pair.id, log_id, lease_seconds)
        request = None
        if token is not None and request_id is not None:
            only = RequestKind.SIMULATION if pair.draft else None
            request = await requests.claim(connection, pair.id, direction, request_id, only)
            if request is None:
                reason = "O pedido desta execução já foi atendido ou cancelado."
        if token is not None and slot_at is not None and await _served(connection, log):
            reason = "Uma execução iniciada depois deste horário já leu tudo o que havia."
        if token is not None and reason:
            await connection.execute(_RELEASE, {"pair": pair.id, "log": log_id, "token": token})
            token = None
        if token is None:
            reason = reason or "Outra execução deste par está em andamento."
            await connection.execute(_LOG, {**log, "status": "skipped", "message": reason})
            return None
        await connection.execute(_DEAD, {"pair": pair.id})
        if request is not None:
            log |= {"parent": request.parent_log_id, "initiated_by": _trigger(request, initiated_by).value}
        dry_run = _dry(pair, request) if dry_run is None else dry_run
        await connection.execute(_LOG, {**log, "dry_run": dry_run, "status": "running", "message": ""})
        row = (await connection.execute(_CURSOR, {"pair": pair.id})).one_or_none()
        opened_at = (await connection.execute(text("SELECT now()"))).scalar_one()
        cursor = Cursor(*row) if row else Cursor()
        lease = Lease(
            pair, log_id, token, lease_seconds, cursor, opened_at, direction, request=request, dry_run=dry_run
        )
        return await _beginning(connection, lease) if direction is Direction.IMPORT else lease


async def _beginning(connection: AsyncConnection, lease: Lease) -> Lease:
    pair = lease.pair
    begun = (await connection.execute(_BEGIN, {"pair": pair.id, "tenant": pair.tenant_id})).one()
    values = {"integration": pair.integration_id, "entity": pair.entity.value}
    poisoned = frozenset((await connection.execute(_POISONED, values)).scalars())
    return replace(lease, deaths=begun.deaths, suspect=begun.suspect, poisoned=poisoned)


async def renew(engine: AsyncEngine, lease: Lease) -> bool:
    """Keep the lease; False when another run took the pair over."""
    async with tenant_transaction(engine, lease.pair.tenant_id) as connection:
        values = _lease_values(lease) | {"seconds": lease.seconds}
        return (await connection.execute(_RENEW, values)).rowcount == 1


async def close_run(
    engine: AsyncEngine,
    lease: Lease,
    status: RunStatus,
    *,
    full_scan: bool,
    error: SyncError | None = None,
    details: dict[str, Any] | None = None,
    counts: Counts | None = None,
    done: bool = True,
) -> None:
    """End the log and give the lease back; a log that was closed by the watchdog stays as it is.

    A request that is not `done` waits for another run.
    """
    async with tenant_transaction(engine, lease.pair.tenant_id) as connection:
        closed = await connection.execute(
            _CLOSE,
            {
                "log": lease.log_id,
                "status": status.value,
                "error_class": type(error).__name__ if error else None,
                "message": error.message if error else _remark(lease, status),
                "cause": error.advice.cause if error else "",
                "remedy": error.advice.remedy if error else "",
                "full": full_scan,
                "details": msgspec.json.encode(details or {}).decode(),
            },
        )
        released = await connection.execute(_RELEASE, _lease_values(lease))
        if released.rowcount == 1 and lease.direction is Direction.IMPORT:
            await connection.execute(_SURVIVED, {"pair": lease.pair.id})
        if lease.request is not None and closed.rowcount == 1:
            await requests.settle(connection, lease.request, status, error, counts or Counts(), done=done)
        succeeded = status in (RunStatus.SUCCESS, RunStatus.PARTIAL)
        if succeeded and lease.dry_run and lease.direction is lease.pair.phases[-1]:
            await connection.execute(_SIMULATED, {"pair": lease.pair.id})
        if succeeded and not lease.dry_run:
            await connection.execute(_SUCCEEDED, {"integration": lease.pair.integration_id})
            await connection.execute(_HEALED, {"pair": lease.pair.id})
        if status is RunStatus.ERROR and error is not None:
            await judge(connection, lease.log_id, lease.pair.entity, error)


async def stop_asked(engine: AsyncEngine, lease: Lease) -> bool:
    """Whether a person asked this run to stop."""
    async with tenant_transaction(engine, lease.pair.tenant_id) as connection:
        return bool((await connection.execute(_STOP, {"log": lease.log_id})).scalar_one_or_none())


async def ask_to_stop(engine: AsyncEngine, tenant_id: UUID, log_id: UUID, by: str) -> UUID | None:
    """Let a running run stop before its next batch; returns its flow run, if it has one.

    Raises `ConfigurationError` for a run that has ended or does not exist.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_CANCEL, {"log": log_id, "by": by})).one_or_none()
        if row is None:
            raise ConfigurationError("Não há execução em andamento com este log.")
        await audit.record(connection, tenant_id, audit.By(by), "run.cancel", str(log_id))
    return None if row.flow_run_id is None else UUID(str(row.flow_run_id))


async def read_secrets(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, integration_id: UUID
) -> dict[str, str]:
    """An integration's secrets in clear, for calls to the external system. Raises `WrongKey`."""
    statement = text("SELECT name, ciphertext FROM sync.credential WHERE integration_id = :integration")
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(statement, {"integration": integration_id})).all()
    return {row.name: vault.open(tenant_id, integration_id, row.name, bytes(row.ciphertext)) for row in found}


async def read_branch(engine: AsyncEngine, pair: PairRow) -> UUID:
    """The linked branch, else the tenant's default one. Raises `ConfigurationError` when there is none."""
    if pair.branch_id is not None:
        return pair.branch_id
    async with tenant_transaction(engine, pair.tenant_id) as connection:
        branch = (await connection.execute(text("SELECT id FROM erp.branch WHERE is_default"))).scalar()
    if branch is None:
        raise ConfigurationError("O tenant não tem filial padrão: vincule uma filial à integração.")
    return UUID(str(branch))


def _dry(pair: PairRow, request: Request | None) -> bool:
    return pair.simulate_next if request is None else request.kind is RequestKind.SIMULATION


def _trigger(request: Request, asked: Trigger) -> Trigger:
    return Trigger.REPROCESS if request.kind.trigger is Trigger.REPROCESS else asked


def _remark(lease: Lease, status: RunStatus) -> str:
    if not lease.dry_run or status not in (RunStatus.SUCCESS, RunStatus.PARTIAL):
        return ""
    if lease.pair.simulate_next:
        return "Simulação: nada foi gravado. A próxima execução deste par grava."
    return "Simulação: nada foi gravado."


def _refusal(pair: PairRow) -> str:
    if pair.status in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED):
        return "A integração está pausada ou desativada."
    return ""


async def _take(connection: AsyncConnection, pair_id: UUID, log_id: UUID, seconds: float) -> int | None:
    taken = await connection.execute(_TAKE, {"pair": pair_id, "log": log_id, "seconds": seconds})
    token = taken.scalar_one_or_none()
    return None if token is None else int(token)


async def _served(connection: AsyncConnection, log: dict[str, Any]) -> bool:
    """Whether a run of the pair began at or after this slot, or for it: late and doubled runs have nothing
    left to do. One that never ran, or was broken off, does not count."""
    values = {name: log[name] for name in ("pair", "direction", "slot")}
    return bool((await connection.execute(_SERVED, values)).scalar_one())


def _lease_values(lease: Lease) -> dict[str, Any]:
    return {"pair": lease.pair.id, "log": lease.log_id, "token": lease.token}
