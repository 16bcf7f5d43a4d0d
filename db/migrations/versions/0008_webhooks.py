"""Webhooks: what an event is about, requests made of events, and the topics of an integration"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TOPIC = """
CREATE TABLE sync.webhook_topic (
    tenant_id uuid NOT NULL, integration_id uuid NOT NULL, topic text NOT NULL,
    events bigint NOT NULL DEFAULT 0, last_received_at timestamptz,
    registered_as text NOT NULL DEFAULT '', checked_at timestamptz, error text NOT NULL DEFAULT '',
    CONSTRAINT pk_webhook_topic PRIMARY KEY (integration_id, topic),
    CONSTRAINT fk_webhook_topic_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
      REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE)
"""
KINDS = "'reprocess', 'resync', 'backfill', 'simulation', 'discovery'"


def upgrade() -> None:
    statements = [
        "ALTER TABLE sync.webhook_event ADD COLUMN records jsonb NOT NULL DEFAULT '{}',"
        " ADD COLUMN reason text NOT NULL DEFAULT '',"
        " ADD CONSTRAINT ck_webhook_event_state CHECK (state IN ('received', 'asked', 'ignored'))",
        *_kinds(f"{KINDS}, 'refresh'"),
        TOPIC,
        *rules.protect("sync.webhook_topic"),
        "GRANT SELECT, INSERT, UPDATE, DELETE ON sync.webhook_topic TO cloudtosys_app",
        "GRANT SELECT, INSERT, UPDATE ON sync.webhook_topic TO cloudtosys_dispatcher",
        "CREATE POLICY dispatcher ON sync.webhook_topic TO cloudtosys_dispatcher"
        " USING (true) WITH CHECK (true)",
        # The receiver knows an integration by its address alone, and commits for several tenants at once.
        "GRANT INSERT ON sync.webhook_event TO cloudtosys_dispatcher",
        "GRANT INSERT, UPDATE (selection) ON sync.run_request TO cloudtosys_dispatcher",
    ]
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    statements = [
        "REVOKE INSERT, UPDATE (selection) ON sync.run_request FROM cloudtosys_dispatcher",
        "REVOKE INSERT ON sync.webhook_event FROM cloudtosys_dispatcher",
        "DROP TABLE sync.webhook_topic",
        "DELETE FROM sync.run_request WHERE kind = 'refresh'",
        *_kinds(KINDS),
        "ALTER TABLE sync.webhook_event DROP CONSTRAINT ck_webhook_event_state,"
        " DROP COLUMN reason, DROP COLUMN records",
    ]
    for statement in statements:
        op.execute(sa.text(statement))


def _kinds(kinds: str) -> tuple[str, str]:
    return (
        "ALTER TABLE sync.run_request DROP CONSTRAINT ck_run_request_kind",
        f"ALTER TABLE sync.run_request ADD CONSTRAINT ck_run_request_kind CHECK (kind IN ({kinds}))",
    )
