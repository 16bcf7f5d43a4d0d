"""What is thrown away, and when (RELIABILITY 9): payloads 30 days, solved issues 90 days, logs 2 years."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

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
    "discoveries": "DELETE FROM sync.discovery WHERE id IN (SELECT id FROM sync.discovery"
    " WHERE created_at < now() - interval '90 days' LIMIT :step)",
    "webhook_events": "DELETE FROM sync.webhook_event WHERE id IN (SELECT id FROM sync.webhook_event"
    " WHERE processed_at < now() - interval '30 days' LIMIT :step)",
}


@dataclass(frozen=True, slots=True)
class Swept:
    """Rows emptied or deleted."""

    payloads: int = 0
    issues: int = 0
    logs: int = 0
    discoveries: int = 0
    webhook_events: int = 0


async def sweep(engine: AsyncEngine) -> Swept:
    """Throw away what is past its time, in short transactions. Raises `DatabaseUnavailable`."""
    return Swept(**{name: await _all(engine, statement) for name, statement in _STEPS.items()})


async def _all(engine: AsyncEngine, statement: str) -> int:
    total = 0
    for _ in range(MOST_STEPS):
        async with system_transaction(engine) as connection:
            done = (await connection.execute(text(statement), {"step": STEP})).rowcount
        total += done
        if done < STEP:
            break
    return total
