"""Which bank transaction pays which receivable: what waits for a person, what is linked, what was refused."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint, Uuid, text

from db.models.columns import MOMENT, identity, metadata, now, refers, txt

reconciliation = Table(
    "reconciliation",
    metadata,
    *identity(),
    Column("transaction_id", Uuid, nullable=False),
    Column("receivable_id", Uuid, nullable=False),
    Column("rule", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("status_before", Text),
    now("created_at"),
    Column("decided_at", MOMENT),
    txt("decided_by"),
    UniqueConstraint("transaction_id", "receivable_id"),
    refers("transaction_id", "erp.bank_transaction", on_delete="CASCADE"),
    refers("receivable_id", "erp.receivable", on_delete="CASCADE"),
    CheckConstraint("state IN ('waiting', 'matched', 'refused')", name="state"),
    Index(
        "uq_reconciliation_matched", "transaction_id", unique=True, postgresql_where=text("state = 'matched'")
    ),
    Index("ix_reconciliation_listing", "tenant_id", "state", "id"),
    Index("ix_reconciliation_receivable", "receivable_id"),
    schema="sync",
)
