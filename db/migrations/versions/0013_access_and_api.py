"""The audit trail as lists, passwords to be changed, sign-in by OpenID, answers of the API kept for repeats"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0013"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = (
    "DROP INDEX sync.ix_audit_log_at",
    "CREATE INDEX ix_audit_log_at ON sync.audit_log (tenant_id, at, id)",
    "CREATE INDEX ix_audit_log_actor ON sync.audit_log (tenant_id, actor, at, id)",
    "CREATE INDEX ix_audit_log_action ON sync.audit_log (tenant_id, action, at, id)",
    'ALTER TABLE sync."user" ADD COLUMN must_change_password boolean NOT NULL DEFAULT false',
    # What a browser took along to the OpenID provider; nothing of any tenant.
    """CREATE TABLE sync.sign_in_attempt (
        state_hash bytea NOT NULL, browser_hash bytea NOT NULL, nonce text NOT NULL, verifier text NOT NULL,
        back text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_sign_in_attempt PRIMARY KEY (state_hash))""",
    "CREATE INDEX ix_sign_in_attempt_created_at ON sync.sign_in_attempt (created_at)",
    "GRANT SELECT, INSERT, DELETE ON sync.sign_in_attempt TO cloudtosys_dispatcher",
    """CREATE TABLE sync.idempotency_key (
        tenant_id uuid NOT NULL, key text NOT NULL, fingerprint bytea NOT NULL, status integer,
        content_type text NOT NULL DEFAULT '', body bytea, created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_idempotency_key PRIMARY KEY (tenant_id, key))""",
    "CREATE INDEX ix_idempotency_key_created_at ON sync.idempotency_key (created_at)",
    *rules.protect("sync.idempotency_key"),
    "GRANT SELECT, INSERT, UPDATE (status, content_type, body), DELETE ON sync.idempotency_key"
    " TO cloudtosys_app",
    "GRANT SELECT (tenant_id, key, created_at), DELETE ON sync.idempotency_key TO cloudtosys_dispatcher",
    "CREATE POLICY dispatcher ON sync.idempotency_key TO cloudtosys_dispatcher USING (true) WITH CHECK (true)",
)
DOWN = (
    "DROP TABLE sync.idempotency_key",
    "DROP TABLE sync.sign_in_attempt",
    'ALTER TABLE sync."user" DROP COLUMN must_change_password',
    "DROP INDEX sync.ix_audit_log_action, sync.ix_audit_log_actor, sync.ix_audit_log_at",
    "CREATE INDEX ix_audit_log_at ON sync.audit_log (tenant_id, at)",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in DOWN:
        op.execute(sa.text(statement))
