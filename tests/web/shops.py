"""What tests of Configurar share: a simulation's run without Prefect."""

from uuid import UUID

import pytest

from core.entities import Entity, Trigger
from db import requests
from db.session import engine
from tasks.job import Run, open_run, phases
from tests.conftest import Database
from tests.world.steps import walk


def serve(database: Database, keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process work on the console's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", keys)
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "127.0.0.1")


async def run_requests(database: Database, pair_ids: dict[Entity, UUID]) -> list[Run | None]:
    """What waits, as the sentinel finds it and the flow does it."""
    opened = engine(database.url.replace("postgresql://", "postgresql+psycopg://"))
    done: list[Run | None] = []
    entities = {pair: entity for entity, pair in pair_ids.items()}
    for request in await requests.waiting(opened):
        for direction in await phases(request.pair_id, request.id):
            async with open_run(
                request.pair_id,
                entities[request.pair_id],
                direction=direction,
                full=False,
                initiated_by=Trigger.MANUAL,
                flow_run_id=None,
                slot_at=None,
                request_id=request.id,
            ) as run:
                if run is not None:
                    await walk(run, direction)
                done.append(run)
    await opened.dispose()
    return done
