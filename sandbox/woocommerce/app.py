"""The shop over HTTP: plain ASGI, since a page of 100 products has to cost less than a millisecond or two."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.woocommerce.api import Api
from sandbox.woocommerce.control import Control
from sandbox.woocommerce.faults import Fault, Script
from sandbox.woocommerce.keys import without_secrets
from sandbox.woocommerce.links import API
from sandbox.woocommerce.messages import Answer, Request, crash, no_route, parsed
from sandbox.woocommerce.traffic import Traffic

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
COMMON: Headers = [
    (b"content-type", b"application/json; charset=UTF-8"),
    (b"x-robots-tag", b"noindex"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-expose-headers", b"X-WP-Total, X-WP-TotalPages, Link"),
    (
        b"access-control-allow-headers",
        b"Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
    ),
]
KNOWN: Headers = [
    (b"expires", b"Wed, 11 Jan 1984 05:00:00 GMT"),
    (b"cache-control", b"no-cache, must-revalidate, max-age=0, no-store, private"),
]
STRANGER: Headers = [(b"vary", b"Origin")]
HTML: Headers = [(b"content-type", b"text/html; charset=UTF-8")]
MAINTENANCE = "<!DOCTYPE html><html><body><h1>Em manutenção</h1><p>Voltamos em breve.</p></body></html>"
PIECES = 10
# Faults that end the connection instead of the answer.
CUTS = {"reset", "truncate"}


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


class App:
    def __init__(self, api: Api, control: Control, script: Script, traffic: Traffic) -> None:
        self._api, self._control, self._script, self._traffic = api, control, script, traffic
        link = f'<{api.store.base}/wp-json/>; rel="https://api.w.org/"'
        self._root = (b"link", link.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        raw = b"" if scope["method"] == "GET" else await _body(receive)
        if path.startswith("/__sandbox__/"):
            await self._steer(scope, path.removeprefix("/__sandbox__/"), raw, send)
            return
        self._traffic.begin()
        method, query = scope["method"], scope["query_string"].decode("latin-1")
        fault = self._script.next(path, method)
        reply: Reply | None = None
        try:
            if fault is None:
                reply = self._reply(scope, path, query, raw)
                await _send(send, reply)
            else:
                reply = await self._struck(fault, scope, (path, query, raw), send)
        finally:
            status, size = (reply.status, len(reply.body)) if reply else (0, 0)
            kind = fault.kind if fault else None
            self._traffic.end(method, path, without_secrets(query), status, size, kind)
        if fault is not None and fault.kind in CUTS:
            await _cut(scope, rude=fault.kind == "reset")

    def _reply(self, scope: Scope, path: str, query: str, raw: bytes, *, back: bool = False) -> Reply:
        if not path.startswith(API):
            return _html(404, "<html><body>Página não encontrada</body></html>")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        pairs, seen = parsed(query)
        request = Request(
            method=scope["method"],
            path=path.removeprefix(API),
            url=f"{scope['scheme']}://{headers.get(b'host', '')}{path}",
            secure=scope["scheme"] == "https",
            pairs=pairs,
            authorization=headers.get(b"authorization", ""),
            content_type=headers.get(b"content-type", ""),
            raw_body=raw,
            query=seen,
        )
        if request.path[:1] not in {"", "/"}:
            return self._wrapped(no_route().answer(), known=False)
        if back:
            _turn_back(request)
        answer, known = self._api.answer(request)
        return self._wrapped(answer, known=known)

    def _wrapped(self, answer: Answer, *, known: bool) -> Reply:
        own = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
        headers = [*COMMON, *(KNOWN if known else STRANGER), *own]
        if not any(name == b"link" for name, _ in own):
            headers.append(self._root)
        if answer.allow:
            headers.append((b"allow", answer.allow.encode()))
        return Reply(answer.status, headers, answer.body.encode("ascii"))

    async def _struck(
        self, fault: Fault, scope: Scope, asked: tuple[str, str, bytes], send: Send
    ) -> Reply | None:
        if fault.kind == "timeout" or (fault.delay and fault.kind not in {"slow", "reset"}):
            await asyncio.sleep(fault.delay or 60)
        if fault.kind == "reset":
            return None
        reply = _unasked(fault) or self._reply(scope, *asked, back=fault.kind == "repeat_page")
        if fault.kind == "broken_json":
            reply.body = reply.body[: max(1, len(reply.body) * 2 // 3)]
        elif fault.kind == "empty_page":
            reply.body = b"[]"
        if fault.kind == "truncate":
            await _send(send, reply, upto=len(reply.body) // 2)
        elif fault.kind == "slow":
            await _trickle(send, reply, fault.delay)
        else:
            await _send(send, reply)
        return reply

    async def _steer(self, scope: Scope, path: str, raw: bytes, send: Send) -> None:
        token = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-sandbox-token"), ""
        )
        query = scope["query_string"].decode("latin-1")
        status, type_, body = self._control.answer(scope["method"], path, query, token, raw)
        await _send(send, Reply(status, [(b"content-type", type_.encode())], body))


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _start(reply: Reply) -> dict[str, Any]:
    headers = [*reply.headers, (b"content-length", str(len(reply.body)).encode())]
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


async def _send(send: Send, reply: Reply, *, upto: int | None = None) -> None:
    await send(_start(reply))
    more = upto is not None
    await send({"type": "http.response.body", "body": reply.body[:upto], "more_body": more})


async def _trickle(send: Send, reply: Reply, delay: float) -> None:
    await send(_start(reply))
    size = -(-len(reply.body) // PIECES) or 1
    for first in range(0, len(reply.body), size):
        await asyncio.sleep(delay / PIECES)
        await send(
            {"type": "http.response.body", "body": reply.body[first : first + size], "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})


async def _cut(scope: Scope, *, rude: bool) -> None:
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


def _html(status: int, text: str) -> Reply:
    return Reply(status, list(HTML), text.encode())


def _unasked(fault: Fault) -> Reply | None:
    """Answers that come before the shop itself has a say."""
    if fault.kind == "html":
        return _html(200, MAINTENANCE)
    if fault.kind == "500":
        return Reply(500, list(COMMON), crash().answer().body.encode())
    if fault.kind not in {"429", "503"}:
        return None
    words = "Too Many Requests" if fault.kind == "429" else "Service Temporarily Unavailable"
    reply = _html(int(fault.kind), f"<html><body><h1>{fault.kind} {words}</h1></body></html>")
    if fault.retry_after is not None:
        reply.headers.append((b"retry-after", str(fault.retry_after).encode()))
    return reply


def _turn_back(request: Request) -> None:
    """Ask for the page before; the first one again where there is none before it."""
    size = int(request.one("per_page") or 10)
    if "offset" in request.query:
        request.query["offset"] = str(max(0, int(request.one("offset") or 0) - size))
    else:
        request.query["page"] = str(max(1, int(request.one("page") or 1) - 1))
