"""When a pair runs: its cadence spread over time by a stable hash of the pair's id.

The hash keeps the pairs of an installation from starting all at once, and a pair at the same second of its
period for ever. Daily pairs run in the small hours of São Paulo.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core.entities import Cadence

ZONE = "America/Sao_Paulo"
DAILY_FROM, DAILY_UNTIL = 1, 5
"""Hours of the day between which daily pairs start."""
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
EARLY = timedelta(seconds=5)
"""Clocks of database and Prefect may differ by this much: a run so long before its slot is the slot's."""


def slots(cadence: Cadence, pair_id: UUID, after: datetime) -> Iterator[datetime]:
    """Expected start times later than `after`, without end; none for a pair that only runs by hand."""
    if cadence.seconds is None:
        return
    if cadence is Cadence.DAILY:
        yield from _days(*daily(pair_id), after)
        return
    period = timedelta(seconds=cadence.seconds)
    anchor = EPOCH + timedelta(seconds=spread(pair_id, cadence.seconds))
    slot = anchor + ((after - anchor) // period + 1) * period
    while True:
        yield slot
        slot += period


def last_slot(cadence: Cadence, pair_id: UUID, until: datetime) -> datetime | None:
    """The newest slot not later than `until`."""
    if cadence.seconds is None:
        return None
    found = None
    for slot in slots(cadence, pair_id, until - timedelta(seconds=2 * cadence.seconds)):
        if slot > until:
            break
        found = slot
    return found


def grace(period: float) -> timedelta:
    """How long after its slot a run may start; `period` in seconds."""
    return timedelta(seconds=max(90.0, period / 5))


def spread(pair_id: UUID, width: int) -> int:
    """A number in `range(width)`, always the same for a pair."""
    return int.from_bytes(hashlib.sha256(pair_id.bytes).digest()[:8]) % width


def daily(pair_id: UUID) -> tuple[int, int]:
    """Hour and minute of a daily pair in São Paulo."""
    minutes = spread(pair_id, (DAILY_UNTIL - DAILY_FROM) * 60)
    return DAILY_FROM + minutes // 60, minutes % 60


def _days(hour: int, minute: int, after: datetime) -> Iterator[datetime]:
    zone = ZoneInfo(ZONE)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        slot = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        if slot > after:
            yield slot
        day += timedelta(days=1)
