"""Legacy migrations: files, their mapping and the rows that were refused"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = "id uuid NOT NULL DEFAULT erp.uuid7(), tenant_id uuid NOT NULL"
TABLES = {
    "legacy_file": f"""{ID}, sha256 text NOT NULL, name text NOT NULL, size integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_legacy_file PRIMARY KEY (id),
        CONSTRAINT uq_legacy_file_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT uq_legacy_file_tenant_id_sha256 UNIQUE (tenant_id, sha256)""",
    "legacy_file_part": """tenant_id uuid NOT NULL, file_id uuid NOT NULL, number integer NOT NULL,
        data bytea NOT NULL,
        CONSTRAINT pk_legacy_file_part PRIMARY KEY (file_id, number),
        CONSTRAINT fk_legacy_file_part_tenant_id_file_id FOREIGN KEY (tenant_id, file_id)
          REFERENCES sync.legacy_file (tenant_id, id) ON DELETE CASCADE""",
    "migration": f"""{ID}, integration_id uuid NOT NULL, pair_id uuid NOT NULL, entity text NOT NULL,
        file_id uuid, options jsonb NOT NULL DEFAULT '{{}}', columns jsonb NOT NULL DEFAULT '[]',
        fingerprint text NOT NULL DEFAULT '', state text NOT NULL DEFAULT 'ready',
        dry_run boolean NOT NULL DEFAULT true, counts jsonb NOT NULL DEFAULT '{{}}',
        message text NOT NULL DEFAULT '', requested_by text NOT NULL, flow_run_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, ended_at timestamptz,
        applied_at timestamptz,
        CONSTRAINT pk_migration PRIMARY KEY (id),
        CONSTRAINT uq_migration_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_migration_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
          REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_migration_tenant_id_pair_id FOREIGN KEY (tenant_id, pair_id)
          REFERENCES sync.pair (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_migration_tenant_id_file_id FOREIGN KEY (tenant_id, file_id)
          REFERENCES sync.legacy_file (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_migration_state CHECK (state IN ('ready', 'running', 'done', 'failed'))""",
    "migration_rejection": """tenant_id uuid NOT NULL, migration_id uuid NOT NULL, number integer NOT NULL,
        field text NOT NULL DEFAULT '', reason text NOT NULL, cells jsonb NOT NULL,
        CONSTRAINT pk_migration_rejection PRIMARY KEY (migration_id, number),
        CONSTRAINT fk_migration_rejection_tenant_id_migration_id FOREIGN KEY (tenant_id, migration_id)
          REFERENCES sync.migration (tenant_id, id) ON DELETE CASCADE""",
}
DISPATCHER = {
    "sync.legacy_file": "SELECT (id, tenant_id, created_at), DELETE",
    "sync.migration": "SELECT (id, tenant_id, pair_id, file_id, state, created_at), DELETE",
}


def upgrade() -> None:
    statements = [f"CREATE TABLE sync.{name} ({columns})" for name, columns in TABLES.items()]
    statements += [
        "CREATE UNIQUE INDEX uq_migration_running ON sync.migration (pair_id) WHERE state = 'running'",
        "CREATE INDEX ix_migration_listing ON sync.migration (tenant_id, created_at DESC)",
    ]
    for name in TABLES:
        statements += rules.protect(f"sync.{name}")
        statements.append(f"GRANT SELECT, INSERT, UPDATE, DELETE ON sync.{name} TO cloudtosys_app")
    for table, rights in DISPATCHER.items():
        statements.append(f"GRANT {rights} ON {table} TO cloudtosys_dispatcher")
        statements.append(
            f"CREATE POLICY dispatcher ON {table} TO cloudtosys_dispatcher USING (true) WITH CHECK (true)"
        )
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(sa.text(f"DROP TABLE sync.{name}"))
