"""Is everything in place that the next run needs?"""

from datetime import datetime, timedelta
from typing import Any

from web.pulse import Pulse

SILENT_AFTER = timedelta(seconds=90)
"""A worker beats every 30 s: three beats missed are a dead one."""


def judge(
    pulse: Pulse, now: datetime, *, database: bool, last_success_at: datetime | None
) -> tuple[bool, dict[str, Any]]:
    """Whether all is well, and the body of the answer. Times are UTC."""
    worker = pulse.worker_at is not None and now - pulse.worker_at < SILENT_AFTER
    well = database and pulse.prefect and worker
    return well, {
        "status": "ok" if well else "error",
        "database": database,
        "prefect": pulse.prefect,
        "worker": worker,
        "worker_heartbeat_at": pulse.worker_at,
        "last_success_at": last_success_at,
        "checked_at": now,
    }
