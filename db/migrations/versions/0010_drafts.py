"""Integrations that are still being set up, and deleted ones whose secrets outlast them for a while"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = (
        "ALTER TABLE sync.integration ADD COLUMN draft boolean NOT NULL DEFAULT false,"
        " ADD COLUMN tested jsonb,"
        " ADD CONSTRAINT ck_integration_draft CHECK (NOT draft OR status = 'disabled')",
        # Housekeeping destroys the secrets of what was deleted long ago.
        "GRANT DELETE ON sync.credential TO cloudtosys_dispatcher",
    )
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    statements = (
        "REVOKE DELETE ON sync.credential FROM cloudtosys_dispatcher",
        "ALTER TABLE sync.integration DROP CONSTRAINT ck_integration_draft, DROP COLUMN tested,"
        " DROP COLUMN draft",
    )
    for statement in statements:
        op.execute(sa.text(statement))
