"""Columns and constraints that many tables share."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MONEY = Numeric(15, 4)
MEASURE = Numeric(15, 4)
MOMENT = DateTime(timezone=True)


def txt(name: str, **options: Any) -> Column[str]:
    """Text that is never NULL; empty where nothing is known."""
    return Column(name, Text, nullable=False, server_default=text("''"), **options)


def now(name: str) -> Column[Any]:
    return Column(name, MOMENT, nullable=False, server_default=text("now()"))


def identity() -> list[SchemaItem]:
    """Tenant and id, and the pair of them as the target of foreign keys."""
    return [
        Column("id", Uuid, primary_key=True, server_default=text("erp.uuid7()")),
        Column("tenant_id", Uuid, nullable=False),
        UniqueConstraint("tenant_id", "id"),
    ]


def tracked() -> list[SchemaItem]:
    """What every ERP table carries; a trigger keeps `change_seq` and `updated_at`."""
    return [
        *identity(),
        Column("change_seq", BigInteger, nullable=False, server_default=text("erp.current_change_seq()")),
        now("created_at"),
        now("updated_at"),
        Column("deleted_at", MOMENT),
        Index(None, "tenant_id", "change_seq", "id"),
    ]


def of_tenant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id"], ["erp.tenant.id"])


def refers(column: str, table: str, *, on_delete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key that holds the tenant too, so that no row can point into another tenant."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], ondelete=on_delete
    )
