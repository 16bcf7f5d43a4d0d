"""`POST /webhooks/{provider}/{public_id}`: read, prove, commit, answer. Nothing else happens on this way.

A message is answered 2xx only when it is on disk. What is unknown is 404 whatever is unknown about it, what
proves nothing is 401 and is not kept.
"""

import asyncio
from uuid import UUID

import httpx
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import SyncError
from core.spec import Provider
from core.webhooks import Delivery, Webhooks, events, genuine
from db.inbox import Door, Inbox
from providers.registry import PROVIDERS, get
from web.wiring import Wiring

MOST_BYTES = 1 << 20
BODY_SECONDS = 10.0
LATER = {"Retry-After": "5"}


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def router(wiring: Wiring) -> APIRouter:
    """Outside the console: who calls has no session."""
    receiver = Receiver(wiring)

    async def receive(request: Request) -> Response:
        try:
            await receiver.take(request)
        except _Refused as refused:
            return Response(status_code=refused.status)
        except SyncError:  # the database is away, or the keys are: whoever calls is not to blame
            return Response(status_code=503, headers=LATER)
        return Response()

    return APIRouter(routes=[Route("/webhooks/{provider}/{public_id}", receive, methods=["POST"])])


class Receiver:
    """One for a process."""

    def __init__(self, wiring: Wiring) -> None:
        keys = {one.key: one.webhooks.keys for one in PROVIDERS if one.webhooks is not None}
        self._inbox = Inbox(wiring.engine, wiring.vault, keys)
        self._providers = {key: get(key) for key in keys}
        self._public_url = wiring.public_url

    async def take(self, request: Request) -> None:
        """Returns when what was told is on disk. Raises `_Refused`, and `SyncError` where it cannot be."""
        query = request.url.query
        called = f"{self._public_url}{request.url.path}{'?' + query if query else ''}"
        delivery = Delivery(await _body(request), httpx.Headers(request.headers.raw), called)
        provider, public_id = self._providers.get(request.path_params["provider"]), _public_id(request)
        if provider is None or provider.webhooks is None or public_id is None:
            raise _Refused(404)
        door = await self._door(provider, public_id)
        if provider.webhooks.ping is not None and provider.webhooks.ping(delivery):
            return
        if not _proves(provider.webhooks, delivery, door):
            door = await self._door(provider, public_id, fresh=True)
            if not _proves(provider.webhooks, delivery, door):
                raise _Refused(401)
        await self._inbox.put(door, events(provider, delivery))

    async def _door(self, provider: Provider, public_id: UUID, *, fresh: bool = False) -> Door:
        door = await self._inbox.door(public_id, fresh=fresh)
        if door is None or door.provider != provider.key:
            raise _Refused(404)
        return door


def _proves(webhooks: Webhooks, delivery: Delivery, door: Door) -> bool:
    return genuine(webhooks, delivery, door.settings, door.tokens)


def _public_id(request: Request) -> UUID | None:
    try:
        return UUID(request.path_params["public_id"])
    except ValueError:
        return None


async def _body(request: Request) -> bytes:
    """Raw, up to the limit; the rest of a longer one is not read."""
    if _declared(request) > MOST_BYTES:
        raise _Refused(413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise _Refused(413)
    except TimeoutError:
        raise _Refused(408) from None
    except ClientDisconnect:
        raise _Refused(400) from None
    return bytes(body)


def _declared(request: Request) -> int:
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() else 0
