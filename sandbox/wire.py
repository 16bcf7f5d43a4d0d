"""The wire below a stand-in: plain ASGI on httptools, with connections that a fault can cut."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
PIECES = 10


@dataclass(slots=True)
class Reply:
    """What goes on the wire."""

    status: int
    headers: Headers
    body: bytes


class Wire(HttpToolsProtocol):
    """Knows its connections by the address of the client, so that a fault can cut one."""

    open: dict[tuple[str, int], asyncio.Transport] = {}  # noqa: RUF012 - one for all connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client:
            self.open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.client:
            self.open.pop(self.client, None)


def connected(scope: Scope) -> bool:
    return tuple(scope["client"]) in Wire.open


async def read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(send: Send, reply: Reply, *, upto: int | None = None) -> None:
    await send(_start(reply))
    more = upto is not None
    await send({"type": "http.response.body", "body": reply.body[:upto], "more_body": more})


async def trickle(send: Send, reply: Reply, seconds: float) -> None:
    """The answer in pieces, spread over that time."""
    await send(_start(reply))
    size = -(-len(reply.body) // PIECES) or 1
    for first in range(0, len(reply.body), size):
        await asyncio.sleep(seconds / PIECES)
        await send(
            {"type": "http.response.body", "body": reply.body[first : first + size], "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})


async def cut(scope: Scope, *, rude: bool) -> None:
    """End the connection; rudely: with a TCP reset instead of a farewell."""
    transport = Wire.open.get(tuple(scope["client"]))
    if transport is None:
        return
    if rude:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    # The server notices in the next turn of the loop, and would complain of a missing answer before.
    await asyncio.sleep(0.05)


def _start(reply: Reply) -> dict[str, Any]:
    headers = [*reply.headers, (b"content-length", str(len(reply.body)).encode())]
    return {"type": "http.response.start", "status": reply.status, "headers": headers}
