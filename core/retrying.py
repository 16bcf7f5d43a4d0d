"""When a failed record is tried again without a person."""

from datetime import datetime, timedelta

from core.errors import MappingNotFound, SyncError

DELAYS = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    *[timedelta(days=1)] * 7,
)
"""After the last one a person has to act."""


def next_attempt(error: SyncError, attempt: int, now: datetime) -> datetime | None:
    """The moment of the next attempt after `attempt` (from 1); None where trying again would not help.

    What is missing may arrive and what is down may return; data stay wrong until somebody corrects them.
    """
    if not (error.retryable or isinstance(error, MappingNotFound)) or attempt > len(DELAYS):
        return None
    return now + DELAYS[attempt - 1]
