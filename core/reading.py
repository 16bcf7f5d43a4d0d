"""The pages of one scan, the next ones asked for while this one is used."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.errors import ContractError
from core.spec import Answer, Paging, Resource, Source, Span, Step

MAX_IDLE_STEPS = 100
"""Steps in a row without a new record before a list is held to be going in circles."""


class Reader:
    """Reads `resource` with the fixed parameters of one scan, up to `concurrency` calls at a time."""

    def __init__(
        self,
        source: Source,
        resource: Resource,
        params: Mapping[str, str],
        concurrency: int,
        span: Span | None = None,
    ) -> None:
        self._source = source
        self._resource = resource
        self._span = span or Span()
        self._paging = _paging(resource, params)
        self._params = dict(params)
        self._concurrency = concurrency
        self._asked: dict[str, asyncio.Task[Answer]] = {}
        self._idle = 0
        self.clock: datetime | None = None

    async def step(self, place: str | None) -> Step:
        """The page at `place`, its records complete (variations and the like fetched).

        Raises `ContractError` when the list repeats itself without end, and what the source raises.
        """
        step = await self._next(place)
        self.clock = self.clock or step.clock
        self._guard(step)
        if self._resource.expand is None or not step.items:
            return step
        return Step(await self._resource.expand(self._source, step.items), step.next, step.total)

    async def _next(self, place: str | None) -> Step:
        if self._paging is None:
            assert self._resource.fetch is not None  # noqa: S101 - one of the two is declared
            return await self._resource.fetch(self._source, self._span, place)
        answer = await self._answer(self._paging.params(place))
        step = self._paging.step(place, answer)
        self._ask_ahead(self._paging, step)
        return replace(step, clock=clock(answer))

    async def close(self) -> None:
        """Drop what was asked ahead and is not wanted any more."""
        tasks, self._asked = list(self._asked.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, params: dict[str, str]) -> Answer:
        task = self._asked.pop(_key(params), None)
        if task is None:
            return await self._get(params)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def _get(self, params: dict[str, str]) -> Answer:
        return await self._source.get(self._resource.path, {**self._params, **params})

    def _ask_ahead(self, paging: Paging, step: Step) -> None:
        if step.next is None:
            return
        for params in paging.ahead(step.next, step.total, self._concurrency):
            key = _key(params)
            if key not in self._asked and len(self._asked) < self._concurrency:
                self._asked[key] = asyncio.create_task(self._get(params))

    def _guard(self, step: Step) -> None:
        self._idle = 0 if step.items else self._idle + 1
        if self._idle > MAX_IDLE_STEPS:
            raise ContractError("A paginação do sistema externo anda em círculos: nenhuma página nova chega.")


def clock(answer: Answer) -> datetime | None:
    """The external system's own time, from the `Date` header."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _paging(resource: Resource, params: Mapping[str, str]) -> Paging | None:
    incremental = resource.incremental
    if incremental is not None and incremental.paging is not None and incremental.param in params:
        return incremental.paging
    return resource.paging


def _key(params: Mapping[str, str]) -> str:
    return repr(sorted(params.items()))
