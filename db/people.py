"""People, and what each may do in which tenant. Every function raises `DatabaseUnavailable`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import Absent, ConfigurationError
from db import audit
from db.session import system_transaction, tenant_transaction

_COLUMNS = "id, email, name, password_hash, is_operator, disabled_at, oidc_subject"
_FIND = text(f"SELECT {_COLUMNS} FROM sync.user WHERE lower(email) = lower(:email)")  # noqa: S608
_READ = text(f"SELECT {_COLUMNS} FROM sync.user WHERE id = :id")  # noqa: S608
_FIND_SUBJECT = text(
    f"SELECT {_COLUMNS} FROM sync.user WHERE oidc_issuer = :issuer AND oidc_subject = :subject"  # noqa: S608
)
_CREATE = text(
    "INSERT INTO sync.user (id, email, name, password_hash, is_operator, must_change_password)"
    " VALUES (erp.uuid7(), :email, :name, :password, :operator, :change) RETURNING id"
)
_PASSWORD = text(
    "UPDATE sync.user SET password_hash = :password, must_change_password = :change WHERE id = :id"
)
_REHASH = text("UPDATE sync.user SET password_hash = :password WHERE id = :id")
# Who has a password or is somebody's already is not linked by an e-mail.
_LINK = text(
    "UPDATE sync.user SET oidc_issuer = :issuer, oidc_subject = :subject"
    " WHERE id = :id AND oidc_subject IS NULL AND password_hash IS NULL"
)
_DISABLED = text(
    "UPDATE sync.user SET disabled_at = CASE WHEN :disabled THEN now() END WHERE id = :id RETURNING id"
)
_FORGET_SESSIONS = text("DELETE FROM sync.session WHERE user_id = :id")
_GRANT = text(
    "INSERT INTO sync.membership (tenant_id, user_id, can_view, can_edit) VALUES (:tenant, :id, true, :edit)"
    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET can_view = true, can_edit = :edit"
)
_REVOKE = text("DELETE FROM sync.membership WHERE tenant_id = :tenant AND user_id = :id")
_MEMBERS = text(
    "SELECT u.id, u.email, u.name, m.can_edit, u.disabled_at, m.created_at FROM sync.membership m"
    " JOIN sync.user u ON u.id = m.user_id WHERE m.tenant_id = :tenant ORDER BY lower(u.name), u.id"
)
_TENANTS = text(
    "SELECT t.id, t.name, true AS can_edit FROM erp.tenant t WHERE :operator"
    " UNION ALL SELECT t.id, t.name, m.can_edit FROM sync.membership m"
    " JOIN erp.tenant t ON t.id = m.tenant_id"
    " WHERE m.user_id = :id AND m.can_view AND NOT :operator ORDER BY name, id"
)


@dataclass(frozen=True, slots=True)
class Person:
    """`password_hash` is None for who signs in elsewhere alone, under `oidc_subject`. An operator works in
    every tenant."""

    id: UUID
    email: str
    name: str
    password_hash: str | None
    is_operator: bool
    disabled_at: datetime | None
    oidc_subject: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    id: UUID
    email: str
    name: str
    can_edit: bool
    disabled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Workplace:
    """A tenant that a person may work in."""

    id: UUID
    name: str
    can_edit: bool


async def find(engine: AsyncEngine, email: str) -> Person | None:
    """Whatever the case of the address."""
    return await _person(engine, _FIND, {"email": email.strip()})


async def find_subject(engine: AsyncEngine, issuer: str, subject: str) -> Person | None:
    """By what an OpenID provider calls them."""
    return await _person(engine, _FIND_SUBJECT, {"issuer": issuer, "subject": subject})


async def read(engine: AsyncEngine, person_id: UUID) -> Person:
    """Raises `Absent`."""
    found = await _person(engine, _READ, {"id": person_id})
    if found is None:
        raise Absent(f"Não há pessoa {person_id}.")
    return found


async def create(
    engine: AsyncEngine,
    email: str,
    name: str,
    password_hash: str | None,
    *,
    operator: bool = False,
    must_change: bool = False,
) -> UUID:
    """With `must_change` the password is good for one sign-in, at which another one is asked for.

    Raises `ConfigurationError` for an address that is taken.
    """
    values = {
        "email": email.strip(),
        "name": name.strip(),
        "password": password_hash,
        "operator": operator,
        "change": must_change,
    }
    try:
        async with system_transaction(engine) as connection:
            return UUID(str((await connection.execute(_CREATE, values)).scalar_one()))
    except IntegrityError:
        raise ConfigurationError(f"Já existe uma pessoa com o e-mail {email}.") from None


async def set_password(
    engine: AsyncEngine, person_id: UUID, password_hash: str, *, must_change: bool = False
) -> None:
    """Whoever is signed in with the old one no longer is."""
    async with system_transaction(engine) as connection:
        values = {"id": person_id, "password": password_hash, "change": must_change}
        await connection.execute(_PASSWORD, values)
        await connection.execute(_FORGET_SESSIONS, {"id": person_id})


async def link_subject(engine: AsyncEngine, person_id: UUID, issuer: str, subject: str) -> bool:
    """False for who has a password, or is linked already."""
    values = {"id": person_id, "issuer": issuer, "subject": subject}
    try:
        async with system_transaction(engine) as connection:
            return (await connection.execute(_LINK, values)).rowcount == 1
    except IntegrityError:  # somebody else is linked to this subject
        return False


async def set_disabled(engine: AsyncEngine, person_id: UUID, *, disabled: bool) -> None:
    """Who is disabled is signed out everywhere. Raises `Absent`."""
    async with system_transaction(engine) as connection:
        changed = await connection.execute(_DISABLED, {"id": person_id, "disabled": disabled})
        if changed.first() is None:
            raise Absent(f"Não há pessoa {person_id}.")
        if disabled:
            await connection.execute(_FORGET_SESSIONS, {"id": person_id})


async def grant(
    engine: AsyncEngine, tenant_id: UUID, person_id: UUID, *, can_edit: bool, by: audit.By
) -> None:
    """To see the tenant's integrations, and with `can_edit` to change them."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_GRANT, {"tenant": tenant_id, "id": person_id, "edit": can_edit})
        details = {"can_edit": can_edit}
        await audit.record(connection, tenant_id, by, "member.grant", str(person_id), details)


async def revoke(engine: AsyncEngine, tenant_id: UUID, person_id: UUID, *, by: audit.By) -> None:
    """Raises `Absent` for somebody who is no member."""
    async with tenant_transaction(engine, tenant_id) as connection:
        gone = await connection.execute(_REVOKE, {"tenant": tenant_id, "id": person_id})
        if gone.rowcount == 0:
            raise Absent("Esta pessoa não tem acesso a este tenant.")
        await audit.record(connection, tenant_id, by, "member.revoke", str(person_id))


async def members(engine: AsyncEngine, tenant_id: UUID) -> list[Member]:
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = await connection.execute(_MEMBERS, {"tenant": tenant_id})
        return [Member(**row._mapping) for row in rows]


async def workplaces(connection: AsyncConnection, person_id: UUID, *, operator: bool) -> list[Workplace]:
    """By name; in a system transaction."""
    rows = await connection.execute(_TENANTS, {"id": person_id, "operator": operator})
    return [Workplace(**row._mapping) for row in rows]


async def _person(engine: AsyncEngine, statement: Any, values: Mapping[str, Any]) -> Person | None:
    async with system_transaction(engine) as connection:
        row = (await connection.execute(statement, values)).one_or_none()
    return Person(**row._mapping) if row else None
