"""Migrations in the console: the first rows as read, how many there are, and what was asked for last"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = {
    "sample": "jsonb NOT NULL DEFAULT '[]'",
    "others": "jsonb NOT NULL DEFAULT '[]'",
    "total": "integer",
    "asked_run": "uuid",
    "asked_at": "timestamptz",
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(sa.text(f"ALTER TABLE sync.migration ADD COLUMN {name} {kind}"))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.execute(sa.text(f"ALTER TABLE sync.migration DROP COLUMN {name}"))
