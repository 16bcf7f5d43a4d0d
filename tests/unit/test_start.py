"""Where a scan starts and what its end leaves behind: nothing that changed meanwhile is passed over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.batch import Job
from core.engine import _finished, start
from core.entities import Entity
from core.ports import Cursor
from providers.registry import get

WOO = get("woocommerce")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MOMENTS = st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def job(cursor: Cursor, *, full: bool = False, entity: Entity = Entity.PRODUCTS) -> Job:
    nothing: Any = None
    return Job(provider=WOO, entity=entity, source=nothing, store=nothing, cursor=cursor, full=full)


def test_a_first_run_reads_everything() -> None:
    begun = start(job(Cursor()), None, NOW)
    assert begun.scan_id is not None
    expected = Cursor(scanning=True, full=True, scan_started_at=NOW)
    assert replace(begun, scan_id=None) == expected


def test_a_later_run_asks_again_for_the_overlap() -> None:
    watermark = NOW - timedelta(hours=1)
    begun = start(job(Cursor(watermark=watermark)), NOW - timedelta(hours=2), NOW)
    assert begun.since == watermark - timedelta(minutes=5)


def test_everything_is_read_again_once_a_day_and_on_request() -> None:
    old = Cursor(watermark=NOW - timedelta(hours=1))
    assert start(job(old), NOW - timedelta(days=2), NOW).full
    assert start(job(old, full=True), NOW, NOW).full
    assert start(job(old, entity=Entity.CUSTOMERS), NOW, NOW).full


def test_a_scan_under_way_goes_on_unless_a_full_one_is_wanted() -> None:
    under_way = Cursor(scanning=True, since=NOW, place="99:100")
    assert start(job(under_way), NOW, NOW) == under_way
    assert start(job(under_way, full=True), NOW, NOW).full


@given(MOMENTS, MOMENTS, MOMENTS)
def test_the_watermark_never_passes_the_start_of_the_scan_nor_goes_back(
    old: datetime | None, signpost: datetime | None, high: datetime | None
) -> None:
    new = _finished(Cursor(watermark=old, scanning=True, signpost=signpost, high=high)).watermark
    if new is None:
        assert old is None
        assert high is None
        return
    assert old is None or new >= old
    if new != old:
        assert high is not None
        assert new <= high
        assert signpost is None or new <= signpost
