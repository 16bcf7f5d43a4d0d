"""The shop over HTTP: plain ASGI, since a page of 100 products has to cost less than a millisecond or two."""

import asyncio

from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read, trickle
from sandbox.woocommerce.api import Api
from sandbox.woocommerce.control import Control
from sandbox.woocommerce.faults import Fault, Script
from sandbox.woocommerce.keys import without_secrets
from sandbox.woocommerce.links import API
from sandbox.woocommerce.messages import Answer, Request, crash, no_route, parsed
from sandbox.woocommerce.traffic import Traffic

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
# Faults that end the connection instead of the answer.
CUTS = {"reset", "truncate", "lost"}


class App:
    def __init__(self, api: Api, control: Control, script: Script, traffic: Traffic) -> None:
        self._api, self._control, self._script, self._traffic = api, control, script, traffic
        link = f'<{api.store.base}/wp-json/>; rel="https://api.w.org/"'
        self._root = (b"link", link.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        raw = b"" if scope["method"] == "GET" else await read(receive)
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
                await answer(send, reply)
            else:
                reply = await self._struck(fault, scope, (path, query, raw), send)
        finally:
            status, size = (reply.status, len(reply.body)) if reply else (0, 0)
            kind = fault.kind if fault else None
            self._traffic.end(method, path, without_secrets(query), status, size, kind)
        if fault is not None and fault.kind in CUTS:
            await cut(scope, rude=fault.kind == "reset")

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
        found, known = self._api.answer(request)
        return self._wrapped(found, known=known)

    def _wrapped(self, found: Answer, *, known: bool) -> Reply:
        own = [(name.lower().encode(), value.encode("latin-1")) for name, value in found.headers]
        headers = [*COMMON, *(KNOWN if known else STRANGER), *own]
        if not any(name == b"link" for name, _ in own):
            headers.append(self._root)
        if found.allow:
            headers.append((b"allow", found.allow.encode()))
        return Reply(found.status, headers, found.body.encode("ascii"))

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
        if fault.kind == "lost":
            return None
        if fault.kind == "truncate":
            await answer(send, reply, upto=len(reply.body) // 2)
        elif fault.kind == "slow":
            await trickle(send, reply, fault.delay)
        else:
            await answer(send, reply)
        return reply

    async def _steer(self, scope: Scope, path: str, raw: bytes, send: Send) -> None:
        token = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-sandbox-token"), ""
        )
        query = scope["query_string"].decode("latin-1")
        status, type_, body = self._control.answer(scope["method"], path, query, token, raw)
        await answer(send, Reply(status, [(b"content-type", type_.encode())], body))


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
