"""People are seen by their own tenants only; what belongs to a deleted row goes with it; keys rotate"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CONSTRAINTS = (
    ("fk_branch_tenant_id", "erp.branch", "(tenant_id) REFERENCES erp.tenant (id)"),
    ("fk_integration_tenant_id", "sync.integration", "(tenant_id) REFERENCES erp.tenant (id)"),
    ("fk_membership_tenant_id", "sync.membership", "(tenant_id) REFERENCES erp.tenant (id)"),
    ("fk_membership_user_id", "sync.membership", '(user_id) REFERENCES sync."user" (id) ON DELETE CASCADE'),
    (
        "fk_alarm_tenant_id_pair_id",
        "sync.alarm",
        "(tenant_id, pair_id) REFERENCES sync.pair (tenant_id, id) ON DELETE CASCADE",
    ),
)
# A foreign key on snapshots would cost a look-up for every mapping written; this costs nothing until
# mappings are deleted. Before each row, because only that runs inside a cascade's own rights: what runs
# after it meets forced row-level security as the owner (PostgreSQL 18) and finds nothing.
REMAINS = """
CREATE FUNCTION sync.drop_remains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM sync.mapping_snapshot WHERE mapping_id = OLD.id;
  DELETE FROM sync.conflict WHERE mapping_id = OLD.id;
  RETURN OLD;
END $$
"""
UP = (
    "DELETE FROM sync.alarm a WHERE pair_id IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM sync.pair p WHERE p.id = a.pair_id)",
    *(f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY {rest}" for name, table, rest in CONSTRAINTS),
    REMAINS,
    "CREATE TRIGGER drop_remains BEFORE DELETE ON sync.mapping"
    " FOR EACH ROW EXECUTE FUNCTION sync.drop_remains()",
    "CREATE INDEX ix_conflict_mapping ON sync.conflict (mapping_id)",
    'ALTER TABLE sync."user" ENABLE ROW LEVEL SECURITY',
    'ALTER TABLE sync."user" FORCE ROW LEVEL SECURITY',
    # Memberships are filtered by their own policy, so only this tenant's people are found.
    'CREATE POLICY tenant ON sync."user" FOR SELECT TO cloudtosys_app'
    " USING (id IN (SELECT m.user_id FROM sync.membership m))",
    'REVOKE ALL ON sync."user" FROM cloudtosys_app',
    'GRANT SELECT (id, email, name, disabled_at, created_at) ON sync."user" TO cloudtosys_app',
    "REVOKE ALL ON sync.installation FROM cloudtosys_app",
    "GRANT SELECT (key_id), UPDATE (key_id) ON sync.issue TO cloudtosys_dispatcher",
    "GRANT UPDATE (canary) ON sync.installation TO cloudtosys_dispatcher",
)
DOWN = (
    "REVOKE UPDATE (canary) ON sync.installation FROM cloudtosys_dispatcher",
    "REVOKE SELECT (key_id), UPDATE (key_id) ON sync.issue FROM cloudtosys_dispatcher",
    "GRANT SELECT ON sync.installation TO cloudtosys_app",
    'GRANT SELECT, INSERT, UPDATE, DELETE ON sync."user" TO cloudtosys_app',
    'DROP POLICY tenant ON sync."user"',
    'ALTER TABLE sync."user" NO FORCE ROW LEVEL SECURITY',
    'ALTER TABLE sync."user" DISABLE ROW LEVEL SECURITY',
    "DROP INDEX sync.ix_conflict_mapping",
    "DROP TRIGGER drop_remains ON sync.mapping",
    "DROP FUNCTION sync.drop_remains()",
    *(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for name, table, _ in reversed(CONSTRAINTS)),
)


def upgrade() -> None:
    for statement in UP:
        op.execute(sa.text(statement))


def downgrade() -> None:
    for statement in DOWN:
        op.execute(sa.text(statement))
