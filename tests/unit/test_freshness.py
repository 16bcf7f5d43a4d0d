"""How fresh a pair is: what its slots, its runs and its deadline say together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.cadence import grace, slots
from core.entities import Cadence, IntegrationStatus
from core.freshness import Freshness, Standing, deadline, freshness, next_run

PAIR = UUID(int=7)
HOUR = timedelta(hours=1)
SLOT = next(slots(Cadence.HOURLY, PAIR, datetime(2026, 11, 25, 12, tzinfo=UTC)))
NOW = SLOT + HOUR / 2
FRESH = Standing(
    pair_id=PAIR,
    cadence=Cadence.HOURLY,
    enabled=True,
    status=IntegrationStatus.ACTIVE,
    changed_at=NOW - timedelta(days=9),
    started_at=SLOT,
    synced_at=SLOT + timedelta(minutes=1),
)
SOON = SLOT + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("change", "now", "expected"),
    [
        ({}, NOW, Freshness.ON_TIME),
        ({"enabled": False, "failed": True}, NOW, Freshness.PAUSED),
        ({"status": IntegrationStatus.PAUSED}, NOW, Freshness.PAUSED),
        ({"status": IntegrationStatus.DISABLED}, NOW, Freshness.PAUSED),
        ({"status": IntegrationStatus.ERROR}, NOW, Freshness.ERROR),
        ({"status": IntegrationStatus.ERROR, "running": True}, NOW, Freshness.SYNCING),
        ({"running": True, "failed": True}, NOW, Freshness.SYNCING),
        ({"waiting": True}, NOW, Freshness.QUEUED),
        # Its slot has come and no run yet; later the run is missed.
        ({"started_at": SLOT - HOUR}, SOON, Freshness.QUEUED),
        ({"started_at": SLOT - HOUR}, SLOT + grace(3600) + timedelta(seconds=1), Freshness.LATE),
        ({"started_at": SLOT - 2 * HOUR}, SOON, Freshness.LATE),
        ({"started_at": SLOT - HOUR, "changed_at": SLOT + timedelta(seconds=5)}, NOW, Freshness.ON_TIME),
        # A failure that the next slot can make good in time, and one that it cannot.
        ({"failed": True, "synced_at": SLOT - HOUR}, NOW, Freshness.RECOVERING),
        ({"failed": True, "synced_at": SLOT - 2 * HOUR}, NOW, Freshness.ERROR),
        ({"failed": True, "synced_at": None}, NOW, Freshness.ERROR),
        # Runs that neither fail nor succeed, as those that are put off.
        ({"synced_at": SLOT - 3 * HOUR}, NOW, Freshness.LATE),
        ({"synced_at": None, "started_at": None, "changed_at": NOW}, NOW, Freshness.NEW),
        ({"cadence": Cadence.MANUAL, "synced_at": NOW - timedelta(days=8)}, NOW, Freshness.ON_TIME),
        ({"cadence": Cadence.MANUAL, "failed": True}, NOW, Freshness.ERROR),
        ({"cadence": Cadence.MANUAL, "synced_at": None}, NOW, Freshness.NEW),
    ],
)
def test_a_pair_is_as_fresh_as(change: dict[str, object], now: datetime, expected: Freshness) -> None:
    assert freshness(replace(FRESH, **change), now) is expected  # type: ignore[arg-type]


def test_the_next_run_is_the_next_slot() -> None:
    assert next_run(FRESH, NOW) == SLOT + HOUR
    assert next_run(replace(FRESH, enabled=False), NOW) is None
    assert next_run(replace(FRESH, status=IntegrationStatus.ERROR), NOW) is None
    assert next_run(replace(FRESH, cadence=Cadence.MANUAL), NOW) is None


def test_a_pair_that_was_changed_has_its_deadline_from_then() -> None:
    assert deadline(replace(FRESH, changed_at=NOW)) == NOW + 2 * HOUR + grace(3600)
    assert deadline(replace(FRESH, cadence=Cadence.MANUAL)) is None
