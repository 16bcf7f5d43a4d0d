"""Sign-in: sessions on the server, keys of the API, what was tried in vain"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {
    # The token itself is only in the browser.
    "sync.session": """(
        token_hash bytea NOT NULL, user_id uuid NOT NULL, tenant_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz NOT NULL DEFAULT now(),
        agent text NOT NULL DEFAULT '',
        CONSTRAINT pk_session PRIMARY KEY (token_hash),
        CONSTRAINT fk_session_user_id FOREIGN KEY (user_id) REFERENCES sync."user" (id) ON DELETE CASCADE)""",
    "sync.api_key": """(
        id uuid NOT NULL DEFAULT erp.uuid7(), tenant_id uuid NOT NULL, name text NOT NULL,
        prefix text NOT NULL, key_hash bytea NOT NULL, scopes text[] NOT NULL, created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), used_at timestamptz, expires_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT pk_api_key PRIMARY KEY (id),
        CONSTRAINT uq_api_key_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT uq_api_key_key_hash UNIQUE (key_hash))""",
    "sync.sign_in_failure": """(
        id uuid NOT NULL DEFAULT erp.uuid7(), subject bytea NOT NULL, at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_sign_in_failure PRIMARY KEY (id))""",
}
DISPATCHER = {
    'sync."user"': "SELECT, INSERT, UPDATE",
    "sync.membership": "SELECT, INSERT, UPDATE, DELETE",
    "sync.session": "SELECT, INSERT, UPDATE, DELETE",
    "sync.api_key": "SELECT, UPDATE (used_at)",
    "sync.sign_in_failure": "SELECT, INSERT, DELETE",
}


def upgrade() -> None:
    statements = [f"CREATE TABLE {name} {body}" for name, body in TABLES.items()]
    statements += [
        "CREATE INDEX ix_session_user ON sync.session (user_id)",
        "CREATE INDEX ix_session_seen ON sync.session (seen_at)",
        "CREATE INDEX ix_api_key_listing ON sync.api_key (tenant_id, id)",
        "CREATE INDEX ix_sign_in_failure_subject ON sync.sign_in_failure (subject, at)",
        *rules.protect("sync.session"),
        *rules.protect("sync.api_key"),
        "GRANT SELECT, INSERT, UPDATE (revoked_at) ON sync.api_key TO cloudtosys_app",
    ]
    for table, rights in DISPATCHER.items():
        statements.append(f"GRANT {rights} ON {table} TO cloudtosys_dispatcher")
        if table != "sync.sign_in_failure":
            statements.append(
                f"CREATE POLICY dispatcher ON {table} TO cloudtosys_dispatcher USING (true) WITH CHECK (true)"
            )
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for table in ('sync."user"', "sync.membership"):
        op.execute(sa.text(f"DROP POLICY dispatcher ON {table}"))
        op.execute(sa.text(f"REVOKE ALL ON {table} FROM cloudtosys_dispatcher"))
    for name in reversed(TABLES):
        op.execute(sa.text(f"DROP TABLE {name}"))
