"""A legacy migration as the run of its pair: its file or table as the source, its mapping as the resource.

The same pair run serves the migration's own flow and whoever resumes an interrupted run.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core.batch import Job
from core.entities import Entity
from core.errors import ConfigurationError
from core.ports import Cursor
from core.spec import RateLimit, Settings
from db import legacy, legacy_files
from db.ledger import Bound
from db.legacy import Migration
from db.runs import Lease, PairRow
from db.session import engine
from db.settings import Environment, read
from db.store import PgStore
from db.vault import Vault
from providers.legacy.columns import Column
from providers.legacy.formats import Format
from providers.legacy.layout import Layout, Memory, Portions, Rows
from providers.legacy.once import ONLY_BY_MIGRATION
from providers.legacy.sheets import Options, Sheet
from providers.registry import get
from tasks.connection import Account, read_settings
from tasks.failures import without_data


@dataclass(frozen=True, slots=True)
class Unreached:
    """The `Source` of a system that is not called over HTTP."""

    settings: Settings

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> NoReturn:
        raise ConfigurationError(ONLY_BY_MIGRATION)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> NoReturn:
        raise ConfigurationError(ONLY_BY_MIGRATION)

    async def download(self, url: str, start: int, size: int) -> NoReturn:
        raise ConfigurationError(ONLY_BY_MIGRATION)

    async def reserve(self, name: str, rate: RateLimit) -> NoReturn:
        raise ConfigurationError(ONLY_BY_MIGRATION)


async def begin(migration_id: UUID, *, apply: bool, flow_run_id: UUID | None) -> tuple[UUID, Entity]:
    """Make it the one that its pair's run reads; returns the pair. Raises `ConfigurationError`."""
    database = engine(read().database_url)
    with without_data():
        migration = await legacy.read(database, migration_id)
        await legacy.begin(database, migration, dry_run=not apply, flow_run_id=flow_run_id)
    return migration.pair_id, migration.entity


async def is_dry(database: AsyncEngine, pair: PairRow) -> bool | None:
    """Whether the pair's run is a migration's simulation; None for pairs of other systems."""
    if not get(pair.provider).by_migration:
        return None
    migration = await legacy.current(database, pair.tenant_id, pair.id)
    return migration is not None and migration.dry_run


@asynccontextmanager
async def migrating(
    environment: Environment,
    database: AsyncEngine,
    vault: Vault,
    account: Account,
    bound: Bound,
    lease: Lease,
) -> AsyncIterator[Job]:
    """The job of the pair's current migration; once all rows are read, the migration is over.

    Raises `ConfigurationError` where there is none, or its source cannot be read.
    """
    migration = await legacy.current(database, account.tenant_id, lease.pair.id)
    if migration is None:
        raise ConfigurationError(ONLY_BY_MIGRATION)
    settings = await read_settings(database, vault, account)
    prefix = _prefix(migration)
    rows = await _rows(environment, database, migration, settings)
    portions = Portions(layout(migration), rows, prefix)
    resource, provider = portions.resource(), get(account.provider)
    job = Job(
        provider=replace(provider, resources={**provider.resources, migration.entity: resource}),
        entity=migration.entity,
        source=Unreached(settings),
        store=PgStore(
            database,
            vault,
            replace(bound, fields=resource.fields),
            rejections=legacy.Rejections(migration),
        ),
        cursor=_place(lease, prefix),
        matching=lease.pair.matching,
        dry_run=lease.dry_run,
    )
    yield job
    if job.done:
        await legacy.end(database, migration, "done", job.counts, "")


def layout(migration: Migration) -> Layout:
    columns = [
        Column(index, column["title"], column["field"], column["label"], column["score"])
        for index, column in enumerate(migration.columns)
    ]
    return Layout(migration.entity, columns, migration.options.get("points", ()))


def _prefix(migration: Migration) -> str:
    """A migration that is begun anew reads everything anew."""
    return f"{migration.id.hex}:{migration.begun_at:%Y%m%d%H%M%S%f}:"


def _place(lease: Lease, prefix: str) -> Cursor:
    """No complete scan: what a file does not have is not gone from the old ERP."""
    goes_on = not lease.dry_run and (lease.cursor.place or "").startswith(prefix)
    return replace(lease.cursor if goes_on else Cursor(), scanning=True)


async def _rows(
    environment: Environment, database: AsyncEngine, migration: Migration, settings: Settings
) -> Rows:
    options = migration.options
    if migration.file_id is None:
        from providers.legacy.tables import Table, TableRows  # noqa: PLC0415 - drivers only where asked for

        return TableRows(settings, Table.read(options), environment.private_hosts)
    data = await legacy_files.read(database, migration.tenant_id, migration.file_id)
    how = Options(sheet=options["sheet"], encoding=options["encoding"], delimiter=options["delimiter"])
    kind, titles = Format(options["format"]), [column["title"] for column in migration.columns]
    return Memory(Sheet(data, kind, how, options["header_row"], titles, []).rows)
