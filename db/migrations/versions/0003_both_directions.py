"""Both directions: what exports, conflicts, requests, overrides, discovery and notices need"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = {
    "sync.run_request": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_run_request PRIMARY KEY,
        tenant_id uuid NOT NULL,
        integration_id uuid NOT NULL,
        pair_id uuid NOT NULL,
        kind text NOT NULL,
        direction text NOT NULL,
        selection jsonb NOT NULL DEFAULT '{}',
        fingerprint text NOT NULL DEFAULT '',
        cursor jsonb,
        parent_log_id uuid,
        requested_by text NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        attempts integer NOT NULL DEFAULT 0,
        asked integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz,
        result jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT uq_run_request_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_run_request_tenant_id_pair_id FOREIGN KEY (tenant_id, pair_id)
            REFERENCES sync.pair (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_run_request_kind
            CHECK (kind IN ('reprocess', 'resync', 'backfill', 'simulation', 'discovery')),
        CONSTRAINT ck_run_request_direction CHECK (direction IN ('import', 'export')),
        CONSTRAINT ck_run_request_state
            CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled'))
    )""",
    "sync.scan_page": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_scan_page PRIMARY KEY,
        tenant_id uuid NOT NULL,
        pair_id uuid NOT NULL,
        scan_id uuid NOT NULL,
        external_ids text[] NOT NULL,
        CONSTRAINT fk_scan_page_tenant_id_pair_id FOREIGN KEY (tenant_id, pair_id)
            REFERENCES sync.pair (tenant_id, id) ON DELETE CASCADE
    )""",
    "sync.record_override": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_record_override PRIMARY KEY,
        tenant_id uuid NOT NULL,
        integration_id uuid NOT NULL,
        entity text NOT NULL,
        direction text NOT NULL,
        external_id text NOT NULL DEFAULT '',
        internal_id uuid,
        fields bytea NOT NULL,
        key_id text NOT NULL,
        author text NOT NULL,
        reason text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        lapsed_at timestamptz,
        CONSTRAINT fk_record_override_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
            REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_record_override_direction CHECK (direction IN ('import', 'export'))
    )""",
    "sync.discovery": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_discovery PRIMARY KEY,
        tenant_id uuid NOT NULL,
        integration_id uuid NOT NULL,
        entity text NOT NULL,
        state text NOT NULL DEFAULT 'running',
        counts jsonb NOT NULL DEFAULT '{}',
        requested_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        applied_at timestamptz,
        applied_by text,
        flow_run_id uuid,
        message text NOT NULL DEFAULT '',
        CONSTRAINT uq_discovery_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_discovery_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
            REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_discovery_state CHECK (state IN ('running', 'proposed', 'applied', 'failed'))
    )""",
    "sync.proposal": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_proposal PRIMARY KEY,
        tenant_id uuid NOT NULL,
        discovery_id uuid NOT NULL,
        external_id text NOT NULL,
        label text NOT NULL DEFAULT '',
        rule text NOT NULL DEFAULT '',
        internal_id uuid,
        candidates uuid[] NOT NULL DEFAULT '{}',
        variants jsonb NOT NULL DEFAULT '{}',
        state text NOT NULL,
        CONSTRAINT uq_proposal_discovery_id_external_id UNIQUE (discovery_id, external_id),
        CONSTRAINT fk_proposal_tenant_id_discovery_id FOREIGN KEY (tenant_id, discovery_id)
            REFERENCES sync.discovery (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_proposal_state
            CHECK (state IN ('matched', 'ambiguous', 'unmatched', 'applied', 'dismissed'))
    )""",
    "sync.channel": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_channel PRIMARY KEY,
        tenant_id uuid NOT NULL,
        name text NOT NULL,
        address bytea NOT NULL,
        key_id text NOT NULL,
        enabled boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_channel_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_channel_tenant_id FOREIGN KEY (tenant_id) REFERENCES erp.tenant (id)
    )""",
    "sync.notice": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_notice PRIMARY KEY,
        tenant_id uuid NOT NULL,
        integration_id uuid,
        kind text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_notice_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_notice_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
            REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE
    )""",
    "sync.notice_delivery": """(
        id uuid DEFAULT erp.uuid7() CONSTRAINT pk_notice_delivery PRIMARY KEY,
        tenant_id uuid NOT NULL,
        notice_id uuid NOT NULL,
        channel_id uuid NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        error text NOT NULL DEFAULT '',
        sent_at timestamptz,
        CONSTRAINT uq_notice_delivery_notice_id_channel_id UNIQUE (notice_id, channel_id),
        CONSTRAINT fk_notice_delivery_tenant_id_notice_id FOREIGN KEY (tenant_id, notice_id)
            REFERENCES sync.notice (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_notice_delivery_tenant_id_channel_id FOREIGN KEY (tenant_id, channel_id)
            REFERENCES sync.channel (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_notice_delivery_state CHECK (state IN ('pending', 'sent', 'failed'))
    )""",
}
INDEXES = (
    # Two people who ask for the same thing at once ask for one run.
    "CREATE UNIQUE INDEX uq_run_request_open ON sync.run_request (pair_id, kind, fingerprint)"
    " WHERE state IN ('waiting', 'running')",
    "CREATE INDEX ix_run_request_ended ON sync.run_request (ended_at)",
    "CREATE INDEX ix_run_request_waiting ON sync.run_request (created_at) WHERE state = 'waiting'",
    "CREATE INDEX ix_stock_level_product ON erp.stock_level (product_id)",
    "CREATE INDEX ix_stock_level_variant ON erp.stock_level (variant_id) WHERE variant_id IS NOT NULL",
    "CREATE INDEX ix_scan_page_scan ON sync.scan_page (pair_id, scan_id)",
    "CREATE INDEX ix_record_override_live ON sync.record_override (integration_id, entity, direction)"
    " WHERE lapsed_at IS NULL",
    "CREATE UNIQUE INDEX uq_discovery_running ON sync.discovery (integration_id, entity)"
    " WHERE state = 'running'",
    "CREATE INDEX ix_product_gtin ON erp.product (tenant_id, gtin) WHERE gtin IS NOT NULL",
    "CREATE INDEX ix_customer_email ON erp.customer (tenant_id, lower(email)) WHERE email IS NOT NULL",
    "CREATE INDEX ix_audit_log_target ON sync.audit_log (tenant_id, target)",
    "CREATE INDEX ix_proposal_discovery ON sync.proposal (discovery_id, state, id)",
    "CREATE UNIQUE INDEX uq_channel_name ON sync.channel (tenant_id, lower(name))",
    "CREATE INDEX ix_notice_delivery_pending ON sync.notice_delivery (next_attempt_at)"
    " WHERE state = 'pending'",
    # Alarms of an integration as a whole; those of a pair have their own.
    "CREATE UNIQUE INDEX uq_alarm_open_integration ON sync.alarm (integration_id, kind)"
    " WHERE closed_at IS NULL AND pair_id IS NULL",
    "CREATE INDEX ix_sync_log_unresolved ON sync.sync_log (tenant_id, started_at DESC)"
    " WHERE status IN ('error', 'partial') AND resolved_at IS NULL",
    "CREATE INDEX ix_mapping_missing ON sync.mapping (integration_id, entity) WHERE missing_at IS NOT NULL",
    "CREATE INDEX ix_mapping_incomplete ON sync.mapping (integration_id, entity) WHERE incomplete",
    "CREATE INDEX ix_issue_due ON sync.issue (pair_id, direction, next_attempt_at)"
    " WHERE state = 'open' AND next_attempt_at IS NOT NULL",
    "CREATE INDEX ix_issue_open_internal ON sync.issue (integration_id, entity, internal_id)"
    " WHERE state = 'open' AND internal_id IS NOT NULL",
    # An import and an export of one entity side by side would race for the records each of them makes.
    "CREATE UNIQUE INDEX uq_pair_entity ON sync.pair (integration_id, entity)",
    # One open intent for a record: nothing is created twice.
    "CREATE UNIQUE INDEX uq_outbox_open ON sync.outbox (integration_id, entity, internal_id)"
    " WHERE state IN ('intent', 'sent', 'unknown')",
    "CREATE INDEX ix_outbox_pair ON sync.outbox (pair_id) WHERE state IN ('intent', 'sent', 'unknown')",
)
COLUMNS = (
    ("sync.sync_log", "dry_run", "boolean NOT NULL DEFAULT false"),
    ("sync.sync_log", "request_id", "uuid"),
    ("sync.sync_log", "cancel_requested_at", "timestamptz"),
    ("sync.sync_log", "cancel_requested_by", "text"),
    ("sync.cursor", "items", "integer NOT NULL DEFAULT 0"),
    ("sync.cursor", "scan_id", "uuid"),
    ("sync.cursor", "scan_started_at", "timestamptz"),
    ("sync.cursor", "deaths", "integer NOT NULL DEFAULT 0"),
    ("sync.cursor", "suspect", "text"),
    ("sync.pair", "simulate_next", "boolean NOT NULL DEFAULT false"),
    ("sync.mapping", "orphaned_by", "text"),
    ("sync.mapping", "missing_at", "timestamptz"),
    ("sync.mapping", "version", "text"),
    ("sync.mapping_snapshot", "erp", "json"),
    ("sync.issue", "resolved_reason", "text"),
    ("sync.outbox", "sync_log_id", "uuid"),
    ("sync.outbox", "looks", "integer NOT NULL DEFAULT 0"),
    ("sync.outbox", "sent", "json"),
    ("sync.integration", "status_code", "text NOT NULL DEFAULT ''"),
    ("sync.integration", "status_since", "timestamptz NOT NULL DEFAULT now()"),
    ("sync.support_ticket", "integration_id", "uuid"),
)
CHILDREN = {"product_variant": ("product_id", "product"), "order_item": ("order_id", "order")}
# A child that is deleted is a change of its parent, and would leave no row with a newer change_seq.
TOUCH_PARENT = """
CREATE FUNCTION erp.touch_parent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('UPDATE erp.%I SET updated_at = now() WHERE id IN (SELECT %I FROM gone)',
    TG_ARGV[0], TG_ARGV[1]);
  RETURN NULL;
END $$
"""


# Stock of an item that was not linked yet is not published; once it is, its stock is a change to publish.
TOUCH_STOCK = """
CREATE FUNCTION sync.touch_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE erp.stock_level s SET updated_at = now() FROM added a
  JOIN sync.pair p ON p.integration_id = a.integration_id AND p.entity = 'stock' AND p.direction <> 'import'
  WHERE (a.entity = 'products' AND s.product_id = a.internal_id)
    OR (a.entity = 'variants' AND s.variant_id = a.internal_id);
  RETURN NULL;
END $$
"""


def _triggers() -> list[str]:
    made = [
        f"CREATE TRIGGER touch_parent AFTER DELETE ON erp.{child} REFERENCING OLD TABLE AS gone"
        f" FOR EACH STATEMENT EXECUTE FUNCTION erp.touch_parent('{parent}', '{column}')"
        for child, (column, parent) in CHILDREN.items()
    ]
    return [
        *made,
        "CREATE TRIGGER touch_customer AFTER DELETE ON erp.address REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION erp.touch_parent('customer', 'customer_id')",
        "CREATE TRIGGER touch_stock AFTER INSERT ON sync.mapping REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION sync.touch_stock()",
    ]


def upgrade() -> None:
    statements = [f"CREATE TABLE {name} {body}" for name, body in TABLES.items()]
    statements += [f"ALTER TABLE {table} ADD COLUMN {name} {kind}" for table, name, kind in COLUMNS]
    statements += INDEXES
    statements += [
        "ALTER TABLE sync.sync_log DROP CONSTRAINT uq_sync_log_flow_run_id",
        # A two-way run leaves a log for each direction.
        "ALTER TABLE sync.sync_log ADD CONSTRAINT uq_sync_log_flow_run UNIQUE (flow_run_id, direction)",
        "ALTER TABLE sync.mapping ADD CONSTRAINT ck_mapping_orphaned_by"
        " CHECK (orphaned_by IN ('erp', 'external'))",
        # A link made by hand was never in step.
        "ALTER TABLE sync.mapping ALTER COLUMN synced_at DROP NOT NULL",
        # A ticket outlives the log it was opened for.
        "ALTER TABLE sync.support_ticket DROP CONSTRAINT fk_support_ticket_tenant_id_sync_log_id",
        TOUCH_PARENT,
        TOUCH_STOCK,
        *_triggers(),
    ]
    for table in TABLES:
        statements += rules.protect(table)
        statements.append(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO cloudtosys_app")
    for table, rights in rules.DISPATCHER_0003.items():
        statements.append(f"GRANT {rights} ON {table} TO cloudtosys_dispatcher")
    for table in rules.DISPATCHER_POLICIES_0003:
        statements.append(
            f"CREATE POLICY dispatcher ON {table} TO cloudtosys_dispatcher USING (true) WITH CHECK (true)"
        )
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    statements = [
        *(f"DROP TRIGGER touch_parent ON erp.{child}" for child in CHILDREN),
        "DROP TRIGGER touch_customer ON erp.address",
        "DROP FUNCTION erp.touch_parent()",
        "DROP TRIGGER touch_stock ON sync.mapping",
        "DROP FUNCTION sync.touch_stock()",
        "DROP POLICY dispatcher ON sync.outbox",
        "REVOKE ALL ON sync.outbox FROM cloudtosys_dispatcher",
        "DROP INDEX erp.ix_stock_level_product, erp.ix_stock_level_variant",
        "DROP INDEX sync.ix_mapping_incomplete, sync.ix_issue_due, sync.ix_issue_open_internal,"
        " sync.ix_outbox_pair, sync.uq_outbox_open, sync.ix_audit_log_target,"
        " sync.uq_pair_entity, erp.ix_product_gtin, erp.ix_customer_email",
        "UPDATE sync.mapping SET synced_at = now() WHERE synced_at IS NULL",
        "ALTER TABLE sync.mapping ALTER COLUMN synced_at SET NOT NULL",
        "DROP INDEX sync.uq_alarm_open_integration, sync.ix_sync_log_unresolved",
        "UPDATE sync.support_ticket t SET sync_log_id = NULL WHERE NOT EXISTS"
        " (SELECT FROM sync.sync_log l WHERE l.id = t.sync_log_id)",
        "ALTER TABLE sync.support_ticket ADD CONSTRAINT fk_support_ticket_tenant_id_sync_log_id"
        " FOREIGN KEY (tenant_id, sync_log_id) REFERENCES sync.sync_log (tenant_id, id)",
        "ALTER TABLE sync.mapping DROP CONSTRAINT ck_mapping_orphaned_by",
        "ALTER TABLE sync.sync_log DROP CONSTRAINT uq_sync_log_flow_run",
        "DELETE FROM sync.sync_log a USING sync.sync_log b WHERE a.flow_run_id = b.flow_run_id AND a.id > b.id",
        "ALTER TABLE sync.sync_log ADD CONSTRAINT uq_sync_log_flow_run_id UNIQUE (flow_run_id)",
        *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, name, _ in reversed(COLUMNS)),
        *(f"DROP TABLE {name}" for name in reversed(TABLES)),
    ]
    for statement in statements:
        op.execute(sa.text(statement))
