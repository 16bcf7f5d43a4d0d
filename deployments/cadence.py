"""A pair's cadence as Prefect's API takes a schedule."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.cadence import EPOCH, ZONE, daily, spread
from core.entities import Cadence


def schedule(cadence: Cadence, pair_id: UUID) -> dict[str, Any] | None:
    """None for a pair that only runs by hand."""
    if cadence.seconds is None:
        return None
    if cadence is Cadence.DAILY:
        hour, minute = daily(pair_id)
        return {"cron": f"{minute} {hour} * * *", "timezone": ZONE, "day_or": True}
    anchor = EPOCH + timedelta(seconds=spread(pair_id, cadence.seconds))
    return {"interval": float(cadence.seconds), "anchor_date": _iso(anchor), "timezone": "UTC"}


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
