"""Where health and metrics come from: the database, and what the wiring knows of Prefect and the worker."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pulse:
    """`prefect`: its API answers. `worker_at`: the newest heartbeat of a worker, None where there is none."""

    prefect: bool
    worker_at: datetime | None = None


class TakePulse(Protocol):
    """Never raises: what does not answer is part of the answer."""

    async def __call__(self) -> Pulse: ...
