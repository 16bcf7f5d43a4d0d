"""Calls to one integration: signed by the client, counted by the limiter, repeated when that can help."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import httpx

from core.errors import RateLimited, SyncError, TransientError
from core.http import classify, decode, translate
from core.ports import Limiter
from core.spec import Answer, Provider, Settings

RETRY_SECONDS: tuple[float, ...] = (0.5, 2.0)
"""Waits before a read is repeated inside a task; longer troubles are left to the task's own retries."""

LONGEST_WAIT_SECONDS = 60.0
"""A longer pause asked by the provider ends the run as deferred instead of sleeping."""

MAX_PAUSES = 20


class HttpSource:
    """`core.spec.Source` over an httpx client. `concurrency` calls at a time, all through `limiter`."""

    def __init__(
        self,
        provider: Provider,
        settings: Settings,
        client: httpx.AsyncClient,
        limiter: Limiter,
        *,
        concurrency: int = 1,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._client = client
        self._limiter = limiter
        self._slots = asyncio.Semaphore(concurrency)
        self._retry_seconds = retry_seconds

    @property
    def settings(self) -> Settings:
        return self._settings

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        for seconds in self._retry_seconds:
            try:
                return await self._patient_get(path, params)
            except RateLimited:
                raise
            except TransientError:
                await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return await self._patient_get(path, params)

    async def _patient_get(self, path: str, params: Mapping[str, str] | None) -> Answer:
        for _ in range(MAX_PAUSES):
            try:
                async with self._slots:
                    return await self._get(path, params)
            except RateLimited as error:
                await self._limiter.block(error.retry_at)
                wait = (error.retry_at - datetime.now(UTC)).total_seconds()
                if wait > LONGEST_WAIT_SECONDS:
                    raise
                await asyncio.sleep(max(0.0, wait))
        raise TransientError(
            "O sistema externo segue recusando chamadas por limite de requisições.", status=429
        )

    async def _get(self, path: str, params: Mapping[str, str] | None) -> Answer:
        await self._limiter.acquire()
        error: SyncError | None
        try:
            response = await self._client.get(path, params=params)
        except httpx.HTTPError as exc:
            error = translate(exc)
        else:
            error = classify(response, self._provider)
            if error is None:
                return Answer(decode(response, self._provider), response.headers)
        raise error from None
