"""The two databases of an installation: ours and Prefect's, each closed to the other's role."""

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from db.embedded import Server
from db.session import unavailable
from db.upgrade import create_roles

OURS = "cloudtosys"
PREFECT = "prefect"


def create_databases(server: Server) -> None:
    """Databases `cloudtosys` and `prefect` with their roles; what exists stays. Raises `DatabaseUnavailable`.

    Prefect's server needs the extension pg_trgm and owns its database:
    https://docs.prefect.io/v3/advanced/self-hosted
    """
    engine = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            create_roles(connection)
            if not _exists(connection, "pg_roles WHERE rolname", PREFECT):
                connection.execute(text(f"CREATE ROLE {PREFECT} LOGIN"))
            _database(connection, OURS, "postgres")
            _database(connection, PREFECT, PREFECT)
            connection.execute(text(f"GRANT CONNECT ON DATABASE {OURS} TO cloudtosys"))
        trigrams = create_engine(server.admin_url(PREFECT), poolclass=NullPool)
        with trigrams.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except OperationalError as error:
        raise unavailable(error) from None


def _database(connection: Connection, name: str, owner: str) -> None:
    if not _exists(connection, "pg_database WHERE datname", name):
        connection.execute(text(f"CREATE DATABASE {name} OWNER {owner}"))
        connection.execute(text(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"))


def _exists(connection: Connection, where: str, name: str) -> bool:
    return bool(connection.execute(text(f"SELECT true FROM {where} = :name"), {"name": name}).scalar())  # noqa: S608
