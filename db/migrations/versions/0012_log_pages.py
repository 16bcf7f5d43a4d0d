"""Logs and failures a page at a time, whatever they are filtered by, and all that is known of one record"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = (
    "CREATE INDEX ix_sync_log_scope ON sync.sync_log (tenant_id, integration_id, entity, direction, status,"
    " initiated_by, started_at, id)",
    "CREATE INDEX ix_sync_log_parent ON sync.sync_log (parent_id) WHERE parent_id IS NOT NULL",
    "CREATE INDEX ix_sync_log_request ON sync.sync_log (request_id) WHERE request_id IS NOT NULL",
    "CREATE INDEX ix_issue_open_log ON sync.issue (tenant_id, sync_log_id) WHERE state = 'open'",
    "CREATE INDEX ix_issue_listing ON sync.issue (tenant_id, state, id)",
    "CREATE INDEX ix_issue_record ON sync.issue (integration_id, entity, external_id)",
    "CREATE INDEX ix_issue_record_internal ON sync.issue (integration_id, entity, internal_id)"
    " WHERE internal_id IS NOT NULL",
    "CREATE INDEX ix_run_request_parent ON sync.run_request (parent_log_id) WHERE parent_log_id IS NOT NULL",
    "CREATE INDEX ix_run_request_pair ON sync.run_request (pair_id, created_at)",
    "CREATE INDEX ix_webhook_event_record ON sync.webhook_event (integration_id, external_id, received_at)",
    "CREATE INDEX ix_support_ticket_log ON sync.support_ticket (sync_log_id)",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in reversed(UP):
        op.execute(sa.text(f"DROP INDEX sync.{statement.split()[2]}"))
