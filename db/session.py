"""Transactions as one tenant, or as the dispatcher that sees what the system flows need of all tenants.

The login role owns nothing and may do nothing: every transaction begins by taking a role and naming the
tenant, for that transaction alone, so a pooled connection cannot carry either into the next one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from uuid import UUID

import psycopg
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import DatabaseUnavailable

# A process that stands still inside a transaction must not keep the run that takes over from its rows. The
# first setting ends one that stands between two statements; only the second one that has sent half of one,
# which PostgreSQL has from version 17 on.
IDLE_SECONDS = 30
LONGEST_SECONDS = 120
FIRST_WITH_TRANSACTION_TIMEOUT = (17,)
_AS_TENANT = "set_config('role', 'cloudtosys_app', true), set_config('app.tenant_id', :tenant, true)"
_AS_DISPATCHER = "set_config('role', 'cloudtosys_dispatcher', true)"


@lru_cache(maxsize=8)
def engine(url: str) -> AsyncEngine:
    """The process's engine for a database: a small pool that waits instead of growing."""
    return create_async_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=30,
        pool_recycle=1800,
        # An error's text must not show the values that were written.
        hide_parameters=True,
        # A statement prepared while a table was empty reads all of it for as long as the connection lives,
        # and a first import fills the tables under its own statements.
        connect_args={"prepare_threshold": None},
    )


@asynccontextmanager
async def tenant_transaction(engine_: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
    """Rows of `tenant_id` alone. Raises `DatabaseUnavailable` when the database does not answer."""
    async with _transaction(engine_) as connection:
        await connection.execute(_taking(_AS_TENANT, connection), {"tenant": str(tenant_id)})
        yield connection


@asynccontextmanager
async def system_transaction(
    engine_: AsyncEngine, *, longest: int | None = None
) -> AsyncIterator[AsyncConnection]:
    """What the system flows need of every tenant. Raises `DatabaseUnavailable`.

    `longest`: seconds that it may last, busy or not, where it holds nothing that a run waits for.
    """
    async with _transaction(engine_) as connection:
        await connection.execute(_taking(_AS_DISPATCHER, connection, longest))
        yield connection


def _taking(role: str, connection: AsyncConnection, longest: int | None = None) -> TextClause:
    limited = (connection.dialect.server_version_info or ()) >= FIRST_WITH_TRANSACTION_TIMEOUT
    return _first(role, longest or IDLE_SECONDS, (longest or LONGEST_SECONDS) if limited else None)


@cache
def _first(role: str, idle: int, whole: int | None) -> TextClause:
    patience = f"set_config('idle_in_transaction_session_timeout', '{idle}s', true)"
    if whole is not None:
        patience += f", set_config('transaction_timeout', '{whole}s', true)"
    return text(f"SELECT {role}, {patience}")


@asynccontextmanager
async def _transaction(engine_: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine_.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError) as error:
        raise unavailable(error) from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise unavailable(error) from None
        raise


def unavailable(error: BaseException) -> DatabaseUnavailable:
    name = type(getattr(error, "orig", None) or error).__name__
    return DatabaseUnavailable(f"O banco de dados não respondeu ({name}).")
