"""Slots are spread, stable, and the same that Prefect computes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.server.schemas import schedules as engine_schedules

from core.cadence import last_slot, slots
from core.entities import Cadence
from deployments.cadence import schedule

SCHEDULED = [cadence for cadence in Cadence if cadence.seconds is not None]
DECADE = 10 * 365 * 86400
moments = st.integers(0, DECADE).map(lambda s: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


@given(st.uuids(), st.sampled_from(SCHEDULED), moments)
def test_slots_follow_each_other_by_the_period(pair_id: UUID, cadence: Cadence, after: datetime) -> None:
    found = list(islice(slots(cadence, pair_id, after), 4))
    period = timedelta(seconds=cadence.seconds or 0)
    assert after < found[0] <= after + period
    assert [later - earlier for earlier, later in pairwise(found)] == [period] * 3


@given(st.uuids(), st.sampled_from(SCHEDULED), moments)
def test_the_last_slot_is_the_one_before_the_next(pair_id: UUID, cadence: Cadence, now: datetime) -> None:
    last = last_slot(cadence, pair_id, now)
    assert last is not None
    assert last <= now
    following = next(slots(cadence, pair_id, now))
    assert following - last == timedelta(seconds=cadence.seconds or 0)


@given(st.uuids(), moments)
def test_daily_pairs_run_in_the_small_hours_of_sao_paulo(pair_id: UUID, after: datetime) -> None:
    local = next(slots(Cadence.DAILY, pair_id, after)).astimezone(ZoneInfo("America/Sao_Paulo"))
    assert 1 <= local.hour < 5


def test_a_manual_pair_has_no_slots() -> None:
    assert schedule(Cadence.MANUAL, uuid4()) is None
    assert list(slots(Cadence.MANUAL, uuid4(), datetime.now(UTC))) == []
    assert last_slot(Cadence.MANUAL, uuid4(), datetime.now(UTC)) is None


def test_five_minute_pairs_spread_over_the_whole_period() -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC)
    seconds = Counter(
        int((next(slots(Cadence.EVERY_5_MIN, UUID(int=n), after)) - after).total_seconds()) % 300 // 30
        for n in range(1000)
    )
    assert len(seconds) == 10
    assert max(seconds.values()) < 160


def test_the_spread_never_changes() -> None:
    """A new hash would move every schedule of every installation."""
    pair_id = UUID("01938a2e-7b1c-7000-8000-000000000001")
    assert schedule(Cadence.EVERY_5_MIN, pair_id) == {
        "interval": 300.0,
        "anchor_date": "2020-01-01T00:02:28Z",
        "timezone": "UTC",
    }


@pytest.mark.parametrize("cadence", SCHEDULED)
async def test_prefect_computes_the_same_slots(cadence: Cadence) -> None:
    now = datetime.now(UTC)
    for _ in range(5):
        pair_id = uuid4()
        made = schedule(cadence, pair_id) or {}
        kind = engine_schedules.CronSchedule if "cron" in made else engine_schedules.IntervalSchedule
        theirs = await kind.model_validate(made).get_dates(n=5, start=now)
        assert [moment.astimezone(UTC) for moment in theirs] == list(islice(slots(cadence, pair_id, now), 5))
        client = CronSchedule if "cron" in made else IntervalSchedule
        client.model_validate(made)
