"""Everything a run needs, opened and closed around its batches: lease, log, secrets, client, heartbeat."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core import engine as rules
from core import exporting, isolation, selecting
from core.batch import Job
from core.entities import Direction, Entity, RunStatus, Trigger
from core.errors import ConfigurationError, LeaseLost, RateLimited, StopRequested, SyncError
from core.spec import Provider
from db import requests, runs
from db.exports import PgErp
from db.ledger import Bound
from db.projection import View
from db.session import engine
from db.settings import Environment, read
from db.store import PgStore
from db.vault import from_environment
from providers.registry import get
from tasks.asked import prepare
from tasks.connection import Account, connected
from tasks.failures import without_data
from tasks.migration import is_dry, migrating

SLICE_SECONDS = float(os.environ.get("CLOUDTOSYS_SLICE_SECONDS", "600"))
"""For so long a request keeps a pair's own runs waiting."""


class Run:
    """A run under way. `job` is what the tasks work on; `status` and `error` say how it ended."""

    __slots__ = ("_began", "error", "job", "lease", "status")

    def __init__(self, lease: runs.Lease, job: Job | None = None) -> None:
        self.lease = lease
        self.job = job
        self.status = RunStatus.RUNNING
        self.error: SyncError | None = None
        self._began = time.monotonic()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Note how the body ended. A `SyncError` goes no further."""
        try:
            yield
        except RateLimited as error:
            self.status, self.error = RunStatus.DEFERRED, error
        except StopRequested as error:
            self.status, self.error = RunStatus.CANCELLED, error
        except SyncError as error:
            self.status, self.error = RunStatus.ERROR, error
        except BaseException as stop:
            # The worker says why: told to end itself, it leaves a run that is to be taken up again.
            ended = stop.args == ("interrupted",)
            self.status = RunStatus.INTERRUPTED if ended else RunStatus.CANCELLED
            raise

    async def check(self) -> None:
        """Between batches. Raises `StopRequested` when a person cancelled the run."""
        if await runs.stop_asked(engine(read().database_url), self.lease):
            raise StopRequested("A execução foi cancelada; o que já foi gravado está mantido.")

    @property
    def gives_way(self) -> bool:
        """Whether a request has had the pair for long enough: it goes on from its own place after the runs
        that met it. Only where there is such a place."""
        if self.lease.request is None or self.lease.dry_run or self.job is None or self.job.selective:
            return False
        return time.monotonic() - self._began > SLICE_SECONDS

    @property
    def summary(self) -> str:
        """Counts alone: this text is stored in Prefect."""
        if self.job is None:
            return ""
        counts = self.job.counts
        mark = "SIMULAÇÃO, nada foi gravado: " if self.lease.dry_run else ""
        return (
            f"{mark}lidos={counts.processed} criados={counts.created} atualizados={counts.updated}"
            f" ignorados={counts.skipped} erros={counts.errors}"
        )


async def phases(pair_id: UUID, request_id: UUID | None = None) -> tuple[Direction, ...]:
    """The runs that make up one run of a pair, in their order; a request is for one direction."""
    database = engine(read().database_url)
    request = await requests.read(database, request_id) if request_id else None
    if request is not None:
        return (request.direction,)
    return (await runs.read_pair(database, pair_id)).phases


@asynccontextmanager
async def open_run(
    pair_id: UUID,
    entity: Entity,
    *,
    direction: Direction = Direction.IMPORT,
    full: bool,
    initiated_by: Trigger,
    flow_run_id: UUID | None,
    slot_at: datetime | None,
    request_id: UUID | None = None,
) -> AsyncIterator[Run | None]:
    """The run of a pair in one direction, or None where it has to be skipped. Whatever happens inside, the
    log is closed.

    A `SyncError` raised inside ends the run with its class, cause and remedy, and goes no further.
    """
    environment = read()
    database = engine(environment.database_url)
    pair = await runs.read_pair(database, pair_id)
    if pair.entity is not entity:
        raise ConfigurationError("O par pertence a outra entidade: reaplique os deployments.")
    lease = await runs.open_run(
        database,
        pair,
        direction=direction,
        initiated_by=initiated_by,
        flow_run_id=flow_run_id,
        slot_at=slot_at,
        lease_seconds=environment.lease_seconds,
        request_id=request_id,
        dry_run=await is_dry(database, pair),
    )
    if lease is None:
        yield None
        return
    run = Run(lease)
    async with _kept_alive(database, lease):
        try:
            async with AsyncExitStack() as opened:
                with run.ending(), without_data():
                    run.job = await opened.enter_async_context(_job(environment, database, lease, full))
                with run.ending(), without_data():
                    yield run
        finally:
            await asyncio.shield(_close(database, run))


async def _close(database: AsyncEngine, run: Run) -> None:
    if run.status is RunStatus.RUNNING and run.job is not None:
        run.status = RunStatus.PARTIAL if run.job.counts.errors else RunStatus.SUCCESS
    if run.job is not None and run.job.reader is not None:
        await run.job.reader.close()
    if isinstance(run.error, LeaseLost):
        return
    job = run.job
    await runs.close_run(
        database,
        run.lease,
        run.status,
        full_scan=job.cursor.full if job else False,
        error=run.error,
        details=_details(run),
        counts=job.counts if job else None,
        done=job.done if job else False,
    )


def _details(run: Run) -> dict[str, Any]:
    """What the log keeps beside its columns; of a simulation the counts of errors by class."""
    found: dict[str, Any] = {}
    if isinstance(run.error, RateLimited):
        found["retry_at"] = run.error.retry_at.isoformat()
    if run.job is not None and run.job.orphaned:
        found["orphaned"] = run.job.orphaned
    if run.lease.dry_run and run.job is not None:
        found["refused"] = dict(run.job.refused)
    return found


@asynccontextmanager
async def _job(
    environment: Environment, database: AsyncEngine, lease: runs.Lease, full: bool
) -> AsyncIterator[Job]:
    pair, provider = lease.pair, get(lease.pair.provider)
    _check_offer(provider, pair, lease.direction, dry_run=lease.dry_run)
    vault = from_environment(environment)
    account = Account(pair.tenant_id, pair.integration_id, pair.provider, pair.settings)
    branch_id = await runs.read_branch(database, pair)
    if provider.by_migration:
        bound = _bound(lease, branch_id, None)
        async with migrating(environment, database, vault, account, bound, lease) as migrated:
            yield migrated
        return
    bound = _bound(lease, branch_id, provider.resources[pair.entity].fields)
    erp = None
    if pair.direction is not Direction.IMPORT:
        # What is published of an export without a branch is the stock of all of them.
        branch = branch_id if pair.direction is Direction.BOTH else pair.branch_id
        view = View(pair.integration_id, branch)
        erp = PgErp(database, vault, bound, view, first_look=environment.look_again[0])
    async with connected(environment, database, account, pair.entity) as connection:
        job = Job(
            provider=provider,
            entity=pair.entity,
            source=connection.source,
            store=PgStore(database, vault, bound, erp),
            cursor=lease.cursor,
            matching=pair.matching,
            full=full,
            concurrency=connection.rate.concurrency,
            erp=erp,
            two_way=pair.direction is Direction.BOTH,
            policy=pair.policy,
            look_again=environment.look_again,
            dry_run=lease.dry_run,
        )
        if lease.direction is Direction.IMPORT:
            job.cursor = rules.start(job, pair.last_full_at, lease.opened_at)
            job.isolating = isolation.needed(lease.deaths, lease.suspect)
            job.suspect, job.poisoned = lease.suspect, lease.poisoned
        else:
            await exporting.start(job)
        await prepare(job, lease, database, vault)
        yield job


def _check_offer(provider: Provider, pair: runs.PairRow, direction: Direction, *, dry_run: bool) -> None:
    resource = provider.resources.get(pair.entity)
    way = "exportação" if direction is Direction.EXPORT else "importação"
    if resource is None or direction not in resource.directions:
        raise ConfigurationError(f"{provider.name} não oferece {way} de {pair.entity.label}.")
    if resource.feed and dry_run:
        raise ConfigurationError(selecting.ONLY_ONCE)
    if direction not in pair.phases:
        raise ConfigurationError(f"O par não faz {way} de {pair.entity.label}.")


def _bound(lease: runs.Lease, branch_id: UUID, fields: frozenset[str] | None) -> Bound:
    pair = lease.pair
    return Bound(
        tenant_id=pair.tenant_id,
        integration_id=pair.integration_id,
        pair_id=pair.id,
        log_id=lease.log_id,
        entity=pair.entity,
        lease_token=lease.token,
        lease_seconds=lease.seconds,
        branch_id=branch_id,
        channel=f"{pair.provider}:{pair.integration_id}",
        direction=lease.direction,
        request_id=_place_of(lease),
        dry_run=lease.dry_run,
        fields=fields,
    )


def _place_of(lease: runs.Lease) -> UUID | None:
    """The request that keeps the run's place; None where the pair's own cursor does."""
    request = lease.request
    return None if request is None or request.is_scan or lease.dry_run else request.id


@asynccontextmanager
async def _kept_alive(database: AsyncEngine, lease: runs.Lease) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(lease.seconds / 3)
            # A database that is away for a moment is met again at the next write.
            with contextlib.suppress(SyncError):
                await runs.renew(database, lease)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await heart
