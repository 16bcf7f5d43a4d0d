"""The installation as a whole: whether it is migrated, and the canary of its keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from db.session import unavailable

_MIGRATED = text(
    "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'sync' AND c.relname = 'installation')"
)
_AS_DISPATCHER = text("SELECT set_config('role', 'cloudtosys_dispatcher', true)")
_CANARY = text("SELECT canary FROM sync.installation")


@dataclass(frozen=True, slots=True)
class Installed:
    """`canary` is None as long as no keys were registered."""

    migrated: bool
    canary: bytes | None = None


def inspect(url: str, *, as_admin: bool) -> Installed:
    """What is there. Without `as_admin` the address is that of the services. Raises `DatabaseUnavailable`."""
    with _connected(url) as connection:
        if not connection.execute(_MIGRATED).scalar_one():
            return Installed(migrated=False)
        if not as_admin:
            connection.execute(_AS_DISPATCHER)
        canary = connection.execute(_CANARY).scalar_one_or_none()
    return Installed(migrated=True, canary=bytes(canary) if canary is not None else None)


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unavailable(error) from None
