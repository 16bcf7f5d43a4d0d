"""Reconciliation: which bank transaction pays which receivable, decided by the rule or by a person"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE sync.reconciliation (
    id uuid NOT NULL DEFAULT erp.uuid7(), tenant_id uuid NOT NULL,
    transaction_id uuid NOT NULL, receivable_id uuid NOT NULL,
    rule text NOT NULL, state text NOT NULL, status_before text,
    created_at timestamptz NOT NULL DEFAULT now(), decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    CONSTRAINT pk_reconciliation PRIMARY KEY (id),
    CONSTRAINT uq_reconciliation_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT uq_reconciliation_transaction_id_receivable_id UNIQUE (transaction_id, receivable_id),
    CONSTRAINT fk_reconciliation_tenant_id_transaction_id FOREIGN KEY (tenant_id, transaction_id)
      REFERENCES erp.bank_transaction (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_reconciliation_tenant_id_receivable_id FOREIGN KEY (tenant_id, receivable_id)
      REFERENCES erp.receivable (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_reconciliation_state CHECK (state IN ('waiting', 'matched', 'refused')))
"""


def upgrade() -> None:
    statements = [
        TABLE,
        # One transaction never pays two receivables.
        "CREATE UNIQUE INDEX uq_reconciliation_matched ON sync.reconciliation (transaction_id)"
        " WHERE state = 'matched'",
        "CREATE INDEX ix_reconciliation_listing ON sync.reconciliation (tenant_id, state, id)",
        "CREATE INDEX ix_reconciliation_receivable ON sync.reconciliation (receivable_id)",
        "CREATE INDEX ix_bank_transaction_unmatched ON erp.bank_transaction (tenant_id, booked_on)"
        " WHERE receivable_id IS NULL AND deleted_at IS NULL AND amount > 0",
        "CREATE INDEX ix_bank_transaction_receivable ON erp.bank_transaction (receivable_id)"
        " WHERE receivable_id IS NOT NULL",
        *rules.protect("sync.reconciliation"),
        "GRANT SELECT, INSERT, UPDATE, DELETE ON sync.reconciliation TO cloudtosys_app",
    ]
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in (
        "DROP INDEX erp.ix_bank_transaction_receivable",
        "DROP INDEX erp.ix_bank_transaction_unmatched",
        "DROP TABLE sync.reconciliation",
    ):
        op.execute(sa.text(statement))
