"""What the console counts: runs of each pair and day, open failures and conflicts, notices in their order"""

import sqlalchemy as sa
from alembic import op

from db.migrations import rules

revision = "0009"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE sync.run_day (
    tenant_id uuid NOT NULL, integration_id uuid NOT NULL, pair_id uuid NOT NULL, day date NOT NULL,
    success_runs integer NOT NULL DEFAULT 0, partial_runs integer NOT NULL DEFAULT 0,
    error_runs integer NOT NULL DEFAULT 0, other_runs integer NOT NULL DEFAULT 0,
    processed bigint NOT NULL DEFAULT 0, errors bigint NOT NULL DEFAULT 0,
    succeeded_at timestamptz, synced_at timestamptz,
    CONSTRAINT pk_run_day PRIMARY KEY (pair_id, day),
    CONSTRAINT fk_run_day_tenant_id_integration_id FOREIGN KEY (tenant_id, integration_id)
      REFERENCES sync.integration (tenant_id, id) ON DELETE CASCADE)
"""
# The day is São Paulo's. A simulation is no run of the pair; what runs is counted when it ends.
COUNTED = """
SELECT l.tenant_id, l.integration_id, l.pair_id, (l.started_at AT TIME ZONE 'America/Sao_Paulo')::date,
  count(*) FILTER (WHERE l.status = 'success'), count(*) FILTER (WHERE l.status = 'partial'),
  count(*) FILTER (WHERE l.status = 'error'),
  count(*) FILTER (WHERE l.status NOT IN ('success', 'partial', 'error')),
  sum(l.processed), sum(l.errors), max(l.ended_at) FILTER (WHERE l.status = 'success'),
  max(l.ended_at) FILTER (WHERE l.status IN ('success', 'partial'))
"""
COLUMNS = (
    "tenant_id, integration_id, pair_id, day, success_runs, partial_runs, error_runs, other_runs, processed,"
    " errors, succeeded_at, synced_at"
)
BACKFILL = f"""
INSERT INTO sync.run_day ({COLUMNS}) {COUNTED}
FROM sync.sync_log l WHERE l.status <> 'running' AND NOT l.dry_run AND l.pair_id IS NOT NULL
GROUP BY 1, 2, 3, 4
"""
FUNCTION = f"""
CREATE FUNCTION sync.count_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO sync.run_day AS d ({COLUMNS}) {COUNTED} FROM (SELECT NEW.*) l GROUP BY 1, 2, 3, 4
  ON CONFLICT (pair_id, day) DO UPDATE SET
    success_runs = d.success_runs + excluded.success_runs,
    partial_runs = d.partial_runs + excluded.partial_runs,
    error_runs = d.error_runs + excluded.error_runs, other_runs = d.other_runs + excluded.other_runs,
    processed = d.processed + excluded.processed, errors = d.errors + excluded.errors,
    succeeded_at = greatest(d.succeeded_at, excluded.succeeded_at),
    synced_at = greatest(d.synced_at, excluded.synced_at);
  RETURN NULL;
END $$
"""
ENDED = "NEW.status <> 'running' AND NOT NEW.dry_run AND NEW.pair_id IS NOT NULL"


def upgrade() -> None:
    statements = [
        TABLE,
        # The owner is no superuser and would see no tenant's logs.
        "ALTER TABLE sync.sync_log NO FORCE ROW LEVEL SECURITY",
        BACKFILL,
        "ALTER TABLE sync.sync_log FORCE ROW LEVEL SECURITY",
        "CREATE INDEX ix_run_day_listing ON sync.run_day (tenant_id, day)",
        *rules.protect("sync.run_day"),
        "CREATE POLICY dispatcher ON sync.run_day TO cloudtosys_dispatcher USING (true) WITH CHECK (true)",
        "GRANT SELECT, INSERT, UPDATE ON sync.run_day TO cloudtosys_app",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON sync.run_day TO cloudtosys_dispatcher",
        FUNCTION,
        "CREATE TRIGGER count_new AFTER INSERT ON sync.sync_log"
        f" FOR EACH ROW WHEN ({ENDED}) EXECUTE FUNCTION sync.count_run()",
        "CREATE TRIGGER count_ended AFTER UPDATE ON sync.sync_log"
        f" FOR EACH ROW WHEN (OLD.status = 'running' AND {ENDED}) EXECUTE FUNCTION sync.count_run()",
        "CREATE INDEX ix_issue_waiting ON sync.issue (tenant_id) WHERE state = 'open'",
        "CREATE INDEX ix_conflict_waiting ON sync.conflict (tenant_id, integration_id) WHERE state = 'open'",
        "CREATE INDEX ix_notice_listing ON sync.notice (tenant_id, created_at DESC, id DESC)",
    ]
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in (
        "DROP INDEX sync.ix_notice_listing",
        "DROP INDEX sync.ix_conflict_waiting",
        "DROP INDEX sync.ix_issue_waiting",
        "DROP TRIGGER count_ended ON sync.sync_log",
        "DROP TRIGGER count_new ON sync.sync_log",
        "DROP FUNCTION sync.count_run()",
        "DROP TABLE sync.run_day",
    ):
        op.execute(sa.text(statement))
