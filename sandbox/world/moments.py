"""Moments as text and as milliseconds since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def text(ms: int) -> str:
    moment = EPOCH + MILLISECOND * ms
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def milliseconds(moment: str) -> int:
    """The first whole millisecond that is not before it. Raises ValueError, also without a zone."""
    found = datetime.fromisoformat(moment)
    if found.tzinfo is None:
        raise ValueError("a moment without its zone")
    return -((EPOCH - found) // MILLISECOND)
