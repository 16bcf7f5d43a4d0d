"""What is thrown away, and when (RELIABILITY 9): payloads 30 days, solved issues 90 days, logs 2 years; the
secrets of a deleted integration when it can no longer be restored."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.deleted import GRACE_DAYS
from db.session import system_transaction

STEP = 5_000
MOST_STEPS = 1_000
_STEPS = {
    "payloads": "UPDATE sync.issue SET payload = NULL WHERE id IN (SELECT id FROM sync.issue"
    " WHERE payload IS NOT NULL AND created_at < now() - interval '30 days' LIMIT :step)",
    "issues": "DELETE FROM sync.issue WHERE id IN (SELECT id FROM sync.issue"
    " WHERE state = 'resolved' AND created_at < now() - interval '90 days' LIMIT :step)",
    "logs": "DELETE FROM sync.sync_log WHERE id IN (SELECT id FROM sync.sync_log"
    " WHERE ended_at < now() - interval '730 days' LIMIT :step)",
    "run_days": "DELETE FROM sync.run_day WHERE (pair_id, day) IN (SELECT pair_id, day FROM sync.run_day"
    " WHERE day < now() - interval '730 days' LIMIT :step)",
    "discoveries": "DELETE FROM sync.discovery WHERE id IN (SELECT id FROM sync.discovery"
    " WHERE created_at < now() - interval '90 days' LIMIT :step)",
    "run_requests": "DELETE FROM sync.run_request WHERE id IN (SELECT id FROM sync.run_request"
    " WHERE ended_at < now() - interval '90 days' AND state NOT IN ('waiting', 'running') LIMIT :step)",
    "overrides": "DELETE FROM sync.record_override WHERE id IN (SELECT id FROM sync.record_override"
    " WHERE lapsed_at < now() - interval '90 days' LIMIT :step)",
    "notices": "DELETE FROM sync.notice WHERE id IN (SELECT n.id FROM sync.notice n"
    " WHERE n.created_at < now() - interval '180 days' AND NOT EXISTS (SELECT FROM sync.notice_delivery d"
    " WHERE d.notice_id = n.id AND d.state = 'pending') LIMIT :step)",
    "migrations": "DELETE FROM sync.migration WHERE id IN (SELECT id FROM sync.migration"
    " WHERE created_at < now() - interval '90 days' AND state <> 'running' LIMIT :step)",
    "legacy_files": "DELETE FROM sync.legacy_file WHERE id IN (SELECT f.id FROM sync.legacy_file f"
    " WHERE f.created_at < now() - interval '1 day'"
    " AND NOT EXISTS (SELECT FROM sync.migration m WHERE m.file_id = f.id) LIMIT :step)",
    # Of scans that another one took the place of; a scan that ends throws its own away.
    "scan_pages": "DELETE FROM sync.scan_page WHERE id IN (SELECT p.id FROM sync.scan_page p"
    " WHERE NOT EXISTS (SELECT FROM sync.cursor c WHERE c.pair_id = p.pair_id AND c.scan_id = p.scan_id)"
    " LIMIT :step)",
    "webhook_events": "DELETE FROM sync.webhook_event WHERE id IN (SELECT id FROM sync.webhook_event"
    " WHERE processed_at < now() - interval '30 days' LIMIT :step)",
    "secrets": "DELETE FROM sync.credential WHERE (integration_id, name) IN (SELECT c.integration_id, c.name"
    " FROM sync.credential c JOIN sync.integration i ON i.id = c.integration_id"
    " WHERE i.deleted_at <= now() - make_interval(days => :grace) LIMIT :step)",
    "idempotency_keys": "DELETE FROM sync.idempotency_key WHERE (tenant_id, key) IN (SELECT tenant_id, key"
    " FROM sync.idempotency_key WHERE created_at < now() - interval '7 days' LIMIT :step)",
    "sign_in_attempts": "DELETE FROM sync.sign_in_attempt WHERE state_hash IN (SELECT state_hash"
    " FROM sync.sign_in_attempt WHERE created_at < now() - interval '1 hour' LIMIT :step)",
}


@dataclass(frozen=True, slots=True)
class Swept:
    """Rows emptied or deleted."""

    payloads: int = 0
    issues: int = 0
    logs: int = 0
    run_days: int = 0
    discoveries: int = 0
    run_requests: int = 0
    overrides: int = 0
    notices: int = 0
    migrations: int = 0
    legacy_files: int = 0
    scan_pages: int = 0
    webhook_events: int = 0
    secrets: int = 0
    idempotency_keys: int = 0
    sign_in_attempts: int = 0


async def sweep(engine: AsyncEngine) -> Swept:
    """Throw away what is past its time, in short transactions. Raises `DatabaseUnavailable`."""
    return Swept(**{name: await _all(engine, statement) for name, statement in _STEPS.items()})


async def _all(engine: AsyncEngine, statement: str) -> int:
    total = 0
    values = {"step": STEP} | ({"grace": GRACE_DAYS} if ":grace" in statement else {})
    for _ in range(MOST_STEPS):
        async with system_transaction(engine) as connection:
            done = (await connection.execute(text(statement), values)).rowcount
        total += done
        if done < STEP:
            break
    return total
