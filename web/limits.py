"""How much may be sent. What nobody reads is not counted, and costs nothing."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.legacy_files import LARGEST

MOST_BYTES = 2 * 2**20
AROUND = 64 * 2**10
"""What a form needs beside its file."""
LARGER = {"/migracoes/nova": LARGEST + AROUND}


class BodyLimit:
    """Middleware. Refuses before the first byte where the sender says how long it is, and else when the
    limit is passed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = LARGER.get(scope["path"], MOST_BYTES)
        declared = Request(scope).headers.get("content-length", "")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if declared.isdecimal() and int(declared) > most:
                raise HTTPException(413)
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
