"""Numbers and times as people in Brazil read them."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
_BRAZILIAN = str.maketrans(",.", ".,")


def number(value: float | Decimal, places: int = 0) -> str:
    """1.234,56"""
    return f"{value:,.{places}f}".translate(_BRAZILIAN)


def moment(value: datetime) -> str:
    """24/11/2026 14:05 in São Paulo."""
    return value.astimezone(ZONE).strftime("%d/%m/%Y %H:%M")


def since(value: datetime, now: datetime) -> str:
    """há 12 min; em 3 dias. `value` and `now` are with zone."""
    seconds = (now - value).total_seconds()
    size = abs(seconds)
    for limit, unit, one, many in _UNITS:
        if size < limit:
            count = int(size // unit)
            text = f"{count} {one if count == 1 else many}"
            break
    if size < 45:
        return "agora"
    return f"há {text}" if seconds > 0 else f"em {text}"


def duration(seconds: float) -> str:
    """0,8 s; 2 min 05 s; 1 h 20 min."""
    if seconds < 60:
        return f"{number(seconds, 1)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


_UNITS = (
    (60.0, 1, "s", "s"),
    (3600.0, 60, "min", "min"),
    (86400.0, 3600, "h", "h"),
    (86400.0 * 60, 86400, "dia", "dias"),
    (86400.0 * 730, 86400 * 30, "mês", "meses"),
    (float("inf"), 86400 * 365, "ano", "anos"),
)
