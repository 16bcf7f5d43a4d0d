"""Calls to one integration: signed by the client, counted by the limiter, repeated when that can help."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from core.errors import ContractError, NotSent, RateLimited, SyncError, TransientError, UnknownOutcome
from core.http import classify, decode, translate
from core.ports import Limiter
from core.spec import Answer, Provider, RateLimit, Settings

RETRY_SECONDS: tuple[float, ...] = (0.5, 2.0)
"""Waits before a read is repeated inside a task; longer troubles are left to the task's own retries."""

LONGEST_WAIT_SECONDS = 60.0
"""A longer pause asked by the provider ends the run as deferred instead of sleeping."""

MAX_PAUSES = 20
REFUSED = 422
"""Stands for the status of what was refused in a 2xx answer."""
NO_CONTENT = 204
BEHIND_THE_END = 416
_DEFINITE = range(400, 500)
"""Statuses of a write that was refused: nothing was done."""


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
        return await self._repeated(_Request("GET", path, params=params))

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Answer:
        request = _Request(method, path, params=params, body=body, headers=headers)
        if repeatable:
            return await self._repeated(request)
        try:
            return await self._patient(request)
        except RateLimited:
            raise
        except (TransientError, ContractError) as error:
            if isinstance(error, NotSent) or (error.status or 0) in _DEFINITE:
                raise
            raise UnknownOutcome(error.message, status=error.status) from None

    async def download(self, url: str, start: int, size: int) -> bytes:
        for seconds in self._retry_seconds:
            try:
                return await self._piece(url, start, size)
            except TransientError:
                await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return await self._piece(url, start, size)

    async def reserve(self, name: str, rate: RateLimit) -> None:
        await self._limiter.reserve(name, rate)

    async def _piece(self, url: str, start: int, size: int) -> bytes:
        wanted = {"Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        try:
            response = await self._client.get(url, headers=wanted, auth=None)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
            raise translate(exc) from None
        status = response.status_code
        if status == BEHIND_THE_END:
            return b""
        if not response.is_success:
            kind = TransientError if status >= 500 or status == 429 else ContractError
            raise kind(f"O arquivo em {response.request.url.host} respondeu {status}.", status=status)
        # A server may give the whole file all the same (RFC 9110 14.2).
        return response.content if status == 206 else response.content[start : start + size]

    async def _repeated(self, request: "_Request") -> Answer:
        for seconds in self._retry_seconds:
            try:
                return await self._patient(request)
            except RateLimited:
                raise
            except TransientError:
                await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return await self._patient(request)

    async def _patient(self, request: "_Request") -> Answer:
        for _ in range(MAX_PAUSES):
            try:
                async with self._slots:
                    return await self._call(request)
            except RateLimited as error:
                await self._limiter.block(error.retry_at)
                wait = (error.retry_at - datetime.now(UTC)).total_seconds()
                if wait > LONGEST_WAIT_SECONDS:
                    raise
                await asyncio.sleep(max(0.0, wait))
        raise TransientError(
            "O sistema externo segue recusando chamadas por limite de requisições.", status=429
        )

    async def _call(self, request: "_Request") -> Answer:
        left = await self._limiter.acquire()

        async def trace(event: str, _info: object) -> None:
            if event.endswith("send_request_body.complete"):
                left()

        error: SyncError | None
        try:
            response = await self._client.request(
                request.method,
                request.path,
                params=request.params,
                content=request.content,
                headers=request.sent_headers,
                extensions={"trace": trace},
            )
        except httpx.HTTPError as exc:
            error = translate(exc)
        else:
            # Its stream points back at it, and 200 kB of body would wait for the collector.
            response.stream = httpx.ByteStream(b"")
            error = classify(response, self._provider)
            if error is None:
                return await self._accepted(
                    Answer(_data(request, response, self._provider), response.headers)
                )
        raise error from None

    async def _accepted(self, answer: Answer) -> Answer:
        """A 2xx answer may hold a refusal, or ask for silence before the next call."""
        provider = self._provider
        seconds = provider.pause(answer) if provider.pause else 0.0
        if seconds > 0:
            await self._limiter.block(datetime.now(UTC) + timedelta(seconds=seconds))
        error = provider.refusal(answer) if provider.refusal else None
        if error is None:
            return answer
        if isinstance(error, ContractError) and error.status is None:
            error.status = REFUSED
        raise error


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Any = None
    headers: Mapping[str, str] | None = None

    @property
    def content(self) -> bytes | None:
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return msgspec.json.encode(self.body)

    @property
    def sent_headers(self) -> dict[str, str]:
        plain = self.body is None or isinstance(self.body, bytes)
        json = {} if plain else {"Content-Type": "application/json"}
        return {**json, **(self.headers or {})}


def _data(request: _Request, response: httpx.Response, provider: Provider) -> Any:
    """The decoded body; a write may be answered without one, and so may a read by 204 (an empty queue)."""
    bodiless = response.status_code == NO_CONTENT or (request.method != "GET" and not response.content)
    return None if bodiless else decode(response, provider)
