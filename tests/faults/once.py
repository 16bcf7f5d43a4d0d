"""`python -m tests.faults.once <pair> <entity> <batch size> [full]`: one run of a pair, without Prefect.

`die` does the same in a process that was forked with everything loaded, for the many deaths of one test.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing.forkserver import ensure_running
from uuid import UUID

from core.entities import Entity, RunStatus, Trigger
from tasks.job import open_run, phases
from tests.faults import crash
from tests.world.steps import walk

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.faults.once"])
ADDED = "CLOUDTOSYS_PROVIDERS"


async def once(pair: UUID, entity: Entity, batch_size: int, *, full: bool = False) -> str:
    """How it ended."""
    status = RunStatus.SKIPPED
    for direction in await phases(pair):
        async with open_run(
            pair,
            entity,
            direction=direction,
            full=full,
            initiated_by=Trigger.MANUAL,
            flow_run_id=None,
            slot_at=None,
        ) as run:
            if run is None:
                return RunStatus.SKIPPED.value
            if run.job is not None:
                run.job.batch_size = batch_size
            await walk(run, direction)
        status = run.status
        if run.error is not None:
            return f"{status} {type(run.error).__name__}"
    return status.value


def die(pair: UUID, entity: Entity, batch_size: int, place: int, when: str, *, full: bool = False) -> bool:
    """One run that dies at its commit `place`; whether it had fewer and lived."""
    _load()
    arguments = (dict(os.environ), pair, entity, batch_size, place, when, full)
    process = FORKS.Process(target=_die, args=arguments)
    process.start()
    process.join(60)
    code = process.exitcode
    if code is None:
        process.kill()
    assert code in (0, -signal.SIGKILL), code
    return code == 0


@cache
def _load() -> None:
    """With the world among its providers, whichever test dies first."""
    before = os.environ.get(ADDED, "")
    os.environ[ADDED] = "tests.world.provider"
    ensure_running()
    os.environ[ADDED] = before


def _die(
    environment: Mapping[str, str],
    pair: UUID,
    entity: Entity,
    batch_size: int,
    place: int,
    when: str,
    full: bool,
) -> None:
    os.environ.update(environment)
    crash.arm(place, when)
    asyncio.run(once(pair, entity, batch_size, full=full))


if __name__ == "__main__":
    print(
        asyncio.run(once(UUID(sys.argv[1]), Entity(sys.argv[2]), int(sys.argv[3]), full="full" in sys.argv))
    )
