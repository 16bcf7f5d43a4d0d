"""Functions, triggers, policies and grants of the first migration, as SQL."""

from collections.abc import Iterator

TRACKED = (
    "branch",
    "category",
    "product",
    "product_variant",
    "stock_level",
    "customer",
    "order",
    "order_item",
    "address",
    "invoice",
    "shipment",
    "receivable",
    "bank_transaction",
)
TENANT_TABLES = (
    *(f"erp.{name}" for name in TRACKED),
    *(
        f"sync.{name}"
        for name in (
            "integration",
            "credential",
            "pair",
            "cursor",
            "mapping",
            "mapping_snapshot",
            "conflict",
            "outbox",
            "webhook_event",
            "audit_log",
            "membership",
            "sync_log",
            "issue",
            "alarm",
            "support_ticket",
        )
    ),
)
DISPATCHER = {
    "erp.tenant": "SELECT, INSERT",
    "sync.integration": "SELECT, UPDATE (status, status_reason, updated_at)",
    "sync.pair": "SELECT, UPDATE (deployment_id, lease_log_id, lease_expires_at, updated_at)",
    "sync.cursor": "SELECT",
    "sync.sync_log": "SELECT, INSERT, UPDATE, DELETE",
    "sync.issue": "SELECT (id, tenant_id, state, created_at, payload), UPDATE (payload), DELETE",
    "sync.alarm": "SELECT, INSERT, UPDATE",
    "sync.credential": "SELECT, UPDATE (ciphertext, key_id, updated_at)",
    "sync.webhook_event": "SELECT, UPDATE, DELETE",
}
DISPATCHER_0003 = {
    "sync.integration": "UPDATE (status_code)",
    "sync.issue": "SELECT (pair_id, integration_id, direction, error_class, next_attempt_at)",
    "sync.outbox": "SELECT (id, tenant_id, pair_id, state, next_attempt_at, updated_at)",
    "sync.run_request": "SELECT, UPDATE (state, attempts, asked, next_attempt_at, started_at, ended_at,"
    " result), DELETE",
    "sync.scan_page": "SELECT (id, pair_id, scan_id), DELETE",
    "sync.discovery": "SELECT (id, created_at, state), DELETE",
    "sync.channel": "SELECT, UPDATE (address, key_id)",
    "sync.record_override": "SELECT (id, key_id, fields, lapsed_at), UPDATE (key_id, fields), DELETE",
    "sync.notice": "SELECT, INSERT, DELETE",
    "sync.notice_delivery": "SELECT, INSERT, UPDATE, DELETE",
}
DISPATCHER_POLICIES_0003 = tuple(
    table for table in DISPATCHER_0003 if table not in ("sync.integration", "sync.issue")
)
CURRENT_TENANT = "(SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)"

# Version 7 with milliseconds and random bits, for servers before 18 (RFC 9562 5.7).
UUID7 = """
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
"""
FUNCTIONS_BEFORE_TABLES = (
    f"CREATE FUNCTION erp.uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$ {UUID7} $$",
    # One transaction, one number: the transaction's own id. A reader stops below the oldest transaction
    # still running, so a commit that comes late can never land behind it.
    """
    CREATE FUNCTION erp.current_change_seq() RETURNS bigint LANGUAGE sql VOLATILE AS $$
      SELECT pg_current_xact_id()::text::bigint
    $$
    """,
    """
    CREATE FUNCTION erp.change_horizon() RETURNS bigint LANGUAGE sql VOLATILE AS $$
      SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    $$
    """,
    """
    CREATE FUNCTION erp.touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.change_seq := erp.current_change_seq();
      IF TG_OP = 'UPDATE' THEN NEW.updated_at := now(); END IF;
      RETURN NEW;
    END $$
    """,
)


def upgrade() -> Iterator[str]:
    """After the tables exist."""
    for name in TRACKED:
        yield (
            f'CREATE TRIGGER touch_insert BEFORE INSERT ON erp."{name}"'
            " FOR EACH ROW EXECUTE FUNCTION erp.touch()"
        )
        yield (
            f'CREATE TRIGGER touch_update BEFORE UPDATE ON erp."{name}"'
            " FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION erp.touch()"
        )
    for table in (*TENANT_TABLES, "erp.tenant"):
        yield from protect(_quoted(table), "id" if table == "erp.tenant" else "tenant_id")
    for schema in ("erp", "sync"):
        yield f"GRANT USAGE ON SCHEMA {schema} TO cloudtosys_app, cloudtosys_dispatcher"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO cloudtosys_app"
    yield "REVOKE INSERT, UPDATE, DELETE ON erp.tenant FROM cloudtosys_app"
    yield "REVOKE UPDATE, DELETE ON sync.audit_log FROM cloudtosys_app"
    yield "REVOKE INSERT, UPDATE, DELETE ON sync.installation FROM cloudtosys_app"
    for table, rights in DISPATCHER.items():
        yield f"GRANT {rights} ON {table} TO cloudtosys_dispatcher"
        yield f"CREATE POLICY dispatcher ON {table} TO cloudtosys_dispatcher USING (true) WITH CHECK (true)"
    yield "GRANT SELECT ON sync.installation TO cloudtosys_dispatcher"
    yield "GRANT SELECT, INSERT, UPDATE ON sync.rate_bucket TO cloudtosys_dispatcher"


def protect(table: str, column: str = "tenant_id") -> Iterator[str]:
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    yield (
        f"CREATE POLICY tenant ON {table} TO cloudtosys_app"
        f" USING ({column} = {CURRENT_TENANT}) WITH CHECK ({column} = {CURRENT_TENANT})"
    )


def _quoted(table: str) -> str:
    schema, name = table.split(".")
    return f'{schema}."{name}"'
