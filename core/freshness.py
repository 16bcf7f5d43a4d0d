"""How fresh a pair's data are, which says more than how its last run ended.

A pair keeps up as long as it succeeds at least once in two periods: a run that failed is *em recuperação*
while its next slot lies before that deadline, and an error after it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.cadence import EARLY, grace, last_slot, slots
from core.entities import Cadence, IntegrationStatus


class Freshness(StrEnum):
    """In the order in which a person should see them."""

    ERROR = "error"
    LATE = "late"
    RECOVERING = "recovering"
    QUEUED = "queued"
    SYNCING = "syncing"
    NEW = "new"
    ON_TIME = "on_time"
    PAUSED = "paused"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def plural(self) -> str:
        return _PLURALS.get(self, self.label)


_LABELS = {
    Freshness.ERROR: "erro",
    Freshness.LATE: "atrasada",
    Freshness.RECOVERING: "em recuperação",
    Freshness.QUEUED: "na fila",
    Freshness.SYNCING: "sincronizando",
    Freshness.NEW: "sem execuções",
    Freshness.ON_TIME: "no prazo",
    Freshness.PAUSED: "pausada",
}
_PLURALS = {Freshness.ERROR: "erros", Freshness.LATE: "atrasadas", Freshness.PAUSED: "pausadas"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a pair. `changed_at`: when it or its integration was last edited; `started_at`: of its
    newest run; `synced_at`: end of its newest success; `failed`: how its newest run that tells something
    ended; `waiting`: a request is due."""

    pair_id: UUID
    cadence: Cadence
    enabled: bool
    status: IntegrationStatus
    changed_at: datetime
    running: bool = False
    waiting: bool = False
    failed: bool = False
    started_at: datetime | None = None
    synced_at: datetime | None = None

    @property
    def paused(self) -> bool:
        return not self.enabled or self.status in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED)


def freshness(pair: Standing, now: datetime) -> Freshness:
    if pair.paused:
        return Freshness.PAUSED
    if pair.running:
        return Freshness.SYNCING
    if pair.status is IntegrationStatus.ERROR:
        return Freshness.ERROR
    return _ahead(pair, now) or _behind(pair, now)


def next_run(pair: Standing, now: datetime) -> datetime | None:
    """Its next slot; None where nothing is scheduled."""
    if pair.paused or pair.status is not IntegrationStatus.ACTIVE:
        return None
    return next(slots(pair.cadence, pair.pair_id, now), None)


def deadline(pair: Standing) -> datetime | None:
    """Until when a run has to succeed; None for a pair that only runs by hand."""
    if pair.cadence.seconds is None:
        return None
    since = max(pair.synced_at or pair.changed_at, pair.changed_at)
    return since + timedelta(seconds=2 * pair.cadence.seconds) + grace(pair.cadence.seconds)


def _ahead(pair: Standing, now: datetime) -> Freshness | None:
    """What is due and has not begun."""
    if pair.waiting:
        return Freshness.QUEUED
    if pair.cadence.seconds is None or not _missing(pair, now):
        return None
    return Freshness.LATE if _missing(pair, now - grace(pair.cadence.seconds)) else Freshness.QUEUED


def _behind(pair: Standing, now: datetime) -> Freshness:
    """What its runs have left."""
    if pair.failed:
        return Freshness.RECOVERING if _recovers(pair, now) else Freshness.ERROR
    if (limit := deadline(pair)) is not None and now > limit:
        return Freshness.LATE
    return Freshness.ON_TIME if pair.synced_at else Freshness.NEW


def _missing(pair: Standing, until: datetime) -> bool:
    """Whether the newest slot before `until` has no run."""
    slot = last_slot(pair.cadence, pair.pair_id, until)
    if slot is None or slot < pair.changed_at:
        return False
    return pair.started_at is None or pair.started_at < slot - EARLY


def _recovers(pair: Standing, now: datetime) -> bool:
    again, limit = next_run(pair, now), deadline(pair)
    return pair.synced_at is not None and again is not None and limit is not None and again <= limit
