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

from core.errors import DatabaseUnavailable
from core.webhooks import Delivery, Webhooks, events, genuine
from db.inbox import Door, Inbox
from providers.registry import PROVIDERS
from web.wiring import Wiring

MOST_BYTES = 1 << 20
BODY_SECONDS = 10.0
LATER = {"Retry-After": "5"}


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def router(wiring: Wiring) -> APIRouter:
    """Outside the console: who calls has no session."""
    providers = {one.key: one for one in PROVIDERS}
    keys = {one.key: one.webhooks.keys for one in PROVIDERS if one.webhooks is not None}
    inbox = Inbox(wiring.engine, wiring.vault, keys)

    async def receive(request: Request) -> Response:
        try:
            delivery = Delivery(await _body(request), httpx.Headers(request.headers.raw), _url(request))
            provider = providers.get(request.path_params["provider"])
            door = await _door(request)
            if provider is None or provider.webhooks is None or door is None or door.provider != provider.key:
                raise _Refused(404)
            if provider.webhooks.ping is not None and provider.webhooks.ping(delivery):
                return Response()
            _prove(provider.webhooks, delivery, door)
            await inbox.put(door, events(provider, delivery))
        except _Refused as refused:
            return Response(status_code=refused.status)
        except DatabaseUnavailable:
            return Response(status_code=503, headers=LATER)
        return Response()

    async def _door(request: Request) -> Door | None:
        try:
            public_id = UUID(request.path_params["public_id"])
        except ValueError:
            return None
        return await inbox.door(public_id)

    def _url(request: Request) -> str:
        """As the sender called it, before any proxy."""
        query = request.url.query
        return f"{wiring.public_url}{request.url.path}{'?' + query if query else ''}"

    return APIRouter(routes=[Route("/webhooks/{provider}/{public_id}", receive, methods=["POST"])])


def _prove(webhooks: Webhooks, delivery: Delivery, door: Door) -> None:
    if not genuine(webhooks, delivery, door.settings, door.tokens):
        raise _Refused(401)


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
