"""Mappings and conflicts a page at a time, and found by the beginning of an external id"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0014"
branch_labels = None
depends_on = None

UP = (
    'ALTER TABLE sync.mapping ALTER COLUMN external_id TYPE text COLLATE "C"',
    "CREATE INDEX ix_mapping_listing ON sync.mapping (integration_id, entity, state, id)",
    "CREATE INDEX ix_mapping_orphan ON sync.mapping (integration_id, entity, internal_id)"
    " WHERE state = 'orphan'",
    "DROP INDEX sync.ix_mapping_missing",
    "CREATE INDEX ix_mapping_missing ON sync.mapping (integration_id, entity, id)"
    " WHERE missing_at IS NOT NULL",
    "CREATE INDEX ix_conflict_listing ON sync.conflict (tenant_id, state, id)",
    "CREATE INDEX ix_invoice_number ON erp.invoice (tenant_id, number)",
)
DOWN = (
    "DROP INDEX erp.ix_invoice_number",
    "DROP INDEX sync.ix_conflict_listing",
    "DROP INDEX sync.ix_mapping_missing",
    "CREATE INDEX ix_mapping_missing ON sync.mapping (integration_id, entity) WHERE missing_at IS NOT NULL",
    "DROP INDEX sync.ix_mapping_orphan",
    "DROP INDEX sync.ix_mapping_listing",
    'ALTER TABLE sync.mapping ALTER COLUMN external_id TYPE text COLLATE "default"',
)


def upgrade() -> None:
    for statement in UP:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in DOWN:
        op.execute(sa.text(statement))
