"""Shop dates: whole seconds since 1970 in UTC, shown without offset in UTC or in the zone of the shop."""

import re
from datetime import UTC, datetime
from functools import lru_cache

SHOP_OFFSET = -3 * 3600
DAY = 86_400
_BEHIND = -SHOP_OFFSET // 60
_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS = tuple(f"{second:02d}" for second in range(60))
# What WordPress takes as a date-time: rest_parse_date() in wp-includes/rest-api.php.
_RFC3339 = re.compile(r"-?\d{4,}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}(:?\d{2})?)?")


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * DAY, UTC).strftime("%Y-%m-%d")


def text(seconds: int) -> str:
    """`2026-04-20T12:00:00`; several times faster than strftime."""
    day, rest = divmod(seconds, DAY)
    minute, second = divmod(rest, 60)
    return f"{_day(day)}{_MINUTES[minute]}{_SECONDS[second]}"


def both(seconds: int) -> tuple[str, str]:
    """The same moment in the zone of the shop and in UTC."""
    day, rest = divmod(seconds, DAY)
    minute, second = divmod(rest, 60)
    today, tail = _day(day), _SECONDS[second]
    if minute >= _BEHIND:
        here = f"{today}{_MINUTES[minute - _BEHIND]}{tail}"
    else:
        here = f"{_day(day - 1)}{_MINUTES[minute - _BEHIND + 1440]}{tail}"
    return here, f"{today}{_MINUTES[minute]}{tail}"


def local(seconds: int) -> str:
    return text(seconds + SHOP_OFFSET)


def seconds(written: str) -> int:
    """Seconds of a date of ours (UTC, without offset)."""
    return int(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp())


def naive(written: str) -> tuple[int, bool]:
    """The clock reading of a date, and whether it carried a zone.

    One with a zone is read in the zone of the shop, as rest_get_date_with_gmt() does. Raises ValueError.
    """
    if not _RFC3339.fullmatch(written):
        raise ValueError(written)
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        return seconds(written), False
    return int(moment.timestamp()) + SHOP_OFFSET, True


def bound(written: str, *, gmt: bool) -> int:
    """A date filter as seconds in UTC.

    A value with a zone together with `dates_are_gmt` ends up off by the zone of the shop: the shop turns it
    into its own time first and then compares that with the UTC column. Raises ValueError.
    """
    reading, _ = naive(written)
    return reading if gmt else reading - SHOP_OFFSET
