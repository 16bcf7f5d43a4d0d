"""`python -m tests.faults.once <pair> <entity> <batch size> [full]`: one run of a pair, without Prefect."""

import asyncio
import sys
from uuid import UUID

from core import engine as rules
from core import orphans
from core.entities import Entity, Trigger
from core.ports import Cursor
from tasks.job import open_run
from tests.faults import crash

__all__ = ["crash"]


async def once(pair: UUID, entity: Entity, batch_size: int, *, full: bool = False) -> str:
    """How it ended."""
    async with open_run(
        pair, entity, full=full, initiated_by=Trigger.MANUAL, flow_run_id=None, slot_at=None
    ) as run:
        if run is None:
            return "skipped"
        if run.job is not None:
            run.job.batch_size = batch_size
            cursor: Cursor | None = run.job.cursor
            while cursor is not None:
                batch = rules.map_records(run.job, await rules.fetch(run.job, cursor))
                cursor = await rules.upsert(run.job, await rules.transform(run.job, batch))
            await orphans.settle(run.job)
    return f"{run.status} {type(run.error).__name__}" if run.error else run.status.value


if __name__ == "__main__":
    print(
        asyncio.run(once(UUID(sys.argv[1]), Entity(sys.argv[2]), int(sys.argv[3]), full="full" in sys.argv))
    )
