"""Requests that wait are run: those that came while their pair was busy, and those whose run died.

Scheduled runs that met one come first: a long request gives way to them from time to time.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from db import requests
from db.requests import Met, Request
from deployments.apply import Prefect
from deployments.client import Api


class Requests:
    """One for a sentinel."""

    def __init__(self, api: Api, engine: AsyncEngine, prefect: Prefect) -> None:
        self._api = api
        self._engine = engine
        self._prefect = prefect
        self._asked: set[str] = set()

    async def look(self) -> int:
        """One pass; returns how many runs were newly asked for.

        Raises `PrefectUnavailable`, `DatabaseUnavailable`.
        """
        await requests.give_back(self._engine)
        asked = 0
        pairs = {met.pair_id for met in await requests.met(self._engine) if await self._catch_up(met)}
        for request in await requests.waiting(self._engine):
            # Of a pair's requests one at a time: Prefect would cancel the second run.
            if request.pair_id not in pairs:
                pairs.add(request.pair_id)
                asked += await self._serve(request)
        return asked

    async def _catch_up(self, met: Met) -> bool:
        """Trigger the run that was skipped; False where that has been done and did not help."""
        key = f"after:{met.log_id}"
        run_id = await self._prefect.trigger(met.pair_id, initiated_by=met.initiated_by, idempotency_key=key)
        run = await self._api.read_run(run_id)
        return run is not None and run["end_time"] is None

    async def _serve(self, request: Request) -> bool:
        """Trigger its run; where that run has ended without claiming it, the next look triggers another."""
        run_id = await self._prefect.trigger(
            request.pair_id,
            initiated_by=request.kind.trigger,
            request_id=request.id,
            idempotency_key=request.key,
        )
        run = await self._api.read_run(run_id)
        if run is None or run["end_time"] is not None:
            await requests.note_asked(self._engine, request)
        is_new = request.key not in self._asked
        self._asked.add(request.key)
        return is_new
