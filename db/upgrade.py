"""Bring a database to the newest schema: roles, migrations, and the sequence of changes after a restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from db.migrations import rules
from db.session import unavailable
from db.vault import Vault

FIRST_NATIVE = 180_000

_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} {options}; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
_MEMBER = text(
    "SELECT count(*) = 2 FROM pg_auth_members m WHERE m.member = 'cloudtosys'::regrole"
    " AND m.roleid IN ('cloudtosys_app'::regrole, 'cloudtosys_dispatcher'::regrole)"
)
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('cloudtosys.upgrade'))")
ROLES = {
    "cloudtosys_app": "NOLOGIN",
    "cloudtosys_dispatcher": "NOLOGIN",
    "cloudtosys": "LOGIN NOINHERIT NOBYPASSRLS",
}


def upgrade(admin_url: str, revision: str = "head") -> None:
    """Create roles, migrate, and fit the functions to this server and cluster, all in one transaction.

    Needs the right to create schemas, and CREATEROLE while roles are missing; no superuser.
    Raises `DatabaseUnavailable`.
    """
    with _connect(admin_url) as connection:
        connection.execute(_ALONE)
        create_roles(connection)
        command.upgrade(_config(connection), revision)
        _use_native_ids(connection)
        _mend_change_sequence(connection)


def downgrade(admin_url: str, revision: str = "base") -> None:
    with _connect(admin_url) as connection:
        command.downgrade(_config(connection), revision)


def check_keys(admin_url: str, vault: Vault) -> None:
    """Leave a canary on the first start, and refuse keys that do not open it. Raises `WrongKey`."""
    with _connect(admin_url) as connection:
        canary = connection.execute(text("SELECT canary FROM sync.installation FOR UPDATE")).scalar_one()
        if canary is None:
            connection.execute(text("UPDATE sync.installation SET canary = :c"), {"c": vault.canary()})
        else:
            vault.check(bytes(canary))


@contextmanager
def _connect(admin_url: str) -> Iterator[Connection]:
    engine = create_engine(admin_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unavailable(error) from None


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def create_roles(connection: Connection) -> None:
    """Roles belong to the cluster: another database of it may have made them, under another administrator."""
    for name, options in ROLES.items():
        connection.execute(text(_ROLE.format(name=name, options=options)))
    if not connection.execute(_MEMBER).scalar_one():
        connection.execute(text("GRANT cloudtosys_app, cloudtosys_dispatcher TO cloudtosys"))


def _use_native_ids(connection: Connection) -> None:
    """From PostgreSQL 18 on its own function serves: faster, and ascending within a millisecond too."""
    version = connection.execute(text("SELECT current_setting('server_version_num')::int")).scalar_one()
    body = "SELECT uuidv7()" if version >= FIRST_NATIVE else rules.UUID7
    connection.execute(
        text(f"CREATE OR REPLACE FUNCTION erp.uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$ {body} $$")
    )


def _mend_change_sequence(connection: Connection) -> None:
    """Transaction ids start anew in another cluster; an offset keeps new changes above restored ones."""
    here = connection.execute(text("SELECT system_identifier::text FROM pg_control_system()")).scalar_one()
    known = connection.execute(text("SELECT system_identifier FROM sync.installation")).scalar_one_or_none()
    if known == here:
        return
    now = connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
    offset = max(0, _highest_change(connection) - now + 1) if known is not None else 0
    for name, source in (
        ("current_change_seq", "pg_current_xact_id()"),
        ("change_horizon", "pg_snapshot_xmin(pg_current_snapshot())"),
    ):
        connection.execute(
            text(
                f"CREATE OR REPLACE FUNCTION erp.{name}() RETURNS bigint LANGUAGE sql VOLATILE"
                f" AS $$ SELECT {source}::text::bigint + {offset} $$"
            )
        )
    connection.execute(
        text(
            "INSERT INTO sync.installation (id, system_identifier, change_offset) VALUES (1, :here, :offset)"
            " ON CONFLICT (id) DO UPDATE SET system_identifier = :here, change_offset = :offset"
        ),
        {"here": here, "offset": offset},
    )


def _highest_change(connection: Connection) -> int:
    """The highest number given out or read up to. Forced row-level security hides every row from an owner
    who is no superuser, so it is lifted for the look, inside this transaction and under its locks."""
    highest = 0
    for table in (*(f'erp."{name}"' for name in rules.TRACKED), "sync.cursor"):
        connection.execute(text(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"))
        found = connection.execute(text(f"SELECT coalesce(max(change_seq), 0) FROM {table}")).scalar_one()  # noqa: S608
        connection.execute(text(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"))
        highest = max(highest, found)
    return highest
