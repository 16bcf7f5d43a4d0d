"""Every route of the API asks for a key that is allowed to, before a byte of the body is read.

Then: a body is JSON and of known size, a key has a share of calls, and a repeated POST does nothing again.
"""

import hashlib
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from core.actor import Actor
from core.errors import ConfigurationError, DatabaseUnavailable, SyncError
from db import api_keys, idempotency
from db.audit import By
from web.access import SAFE, wiring
from web.api.problems import (
    KeyNeeded,
    KeyReused,
    LengthNeeded,
    NotJson,
    ScopeMissing,
    TooLarge,
    TooMany,
    UnderWay,
)

LARGEST_BODY = 1 << 20
CALLS_PER_MINUTE = 600
"""Of a key, in one process."""
ONLY_READS = {"x-only-reads": True}
"""`openapi_extra` of a POST that changes nothing: the scope `ler` is enough, and it is never replayed."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

_calls: dict[UUID, tuple[int, int]] = {}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Caller:
    """A program at work in one tenant."""

    key_id: UUID
    tenant_id: UUID
    name: str
    can_edit: bool

    @property
    def actor(self) -> Actor:
        return Actor(f"chave:{self.name}", can_edit=self.can_edit)

    def by(self, reason: str = "") -> By:
        return By(self.actor.name, reason)


def caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


Calling = Annotated[Caller, Depends(caller)]


class Guarded(APIRoute):
    """The class of every route of the API: `APIRouter(route_class=Guarded)`."""

    @property
    def only_reads(self) -> bool:
        return set(self.methods or ()) <= SAFE or bool((self.openapi_extra or {}).get("x-only-reads"))

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            found = await _admitted(request, writes=not self.only_reads)
            request.state.caller = found
            body = await _body(request)
            key = request.headers.get("idempotency-key")
            if key is None or request.method != "POST" or self.only_reads:
                return await inner(request)
            return await _once(request, inner, found.tenant_id, key, body)

        return handle


async def _admitted(request: Request, *, writes: bool) -> Caller:
    """Raises `KeyNeeded`, `ScopeMissing`, `TooMany`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = await api_keys.find(wiring(request).engine, token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise KeyNeeded("A chave de API falta ou não vale.")
    _count(found.id)
    if ("escrever" if writes else "ler") not in found.scopes:
        raise ScopeMissing(f"A chave {found.name} não tem a permissão {'escrever' if writes else 'ler'}.")
    return Caller(found.id, found.tenant_id, found.name, "escrever" in found.scopes)


def _count(key_id: UUID) -> None:
    minute = _minute()
    began, calls = _calls.get(key_id, (minute, 0))
    calls = calls + 1 if began == minute else 1
    _calls[key_id] = (minute, calls)
    if calls > CALLS_PER_MINUTE:
        raise TooMany(f"O limite é de {CALLS_PER_MINUTE} pedidos por minuto.")


def _minute() -> int:
    return int(time.monotonic() // 60)


async def _body(request: Request) -> bytes:
    """Raises `LengthNeeded`, `TooLarge`, `NotJson`, and `ConfigurationError` for what no text may hold."""
    if any("\0" in str(value) for value in (*request.query_params.values(), *request.path_params.values())):
        raise ConfigurationError("O endereço traz um caractere nulo.")
    if "transfer-encoding" in request.headers:
        raise LengthNeeded("O corpo veio em pedaços, sem Content-Length.")
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise TooLarge("O corpo passa de 1 MiB.")
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise NotJson("O corpo não é application/json.")
    if b"\\u0000" in body or b"\0" in body:
        raise ConfigurationError("O corpo traz um caractere nulo.")
    return body


async def _once(request: Request, inner: Handler, tenant_id: UUID, key: str, body: bytes) -> Response:
    """Raises `KeyReused`, `UnderWay`, and what the route raises: then the key is free again."""
    if _KEY.fullmatch(key) is None:
        raise ConfigurationError("A Idempotency-Key tem de 1 a 255 caracteres visíveis de ASCII.")
    engine = wiring(request).engine
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body
    fingerprint = hashlib.sha256(asked).digest()
    earlier = await idempotency.claim(engine, tenant_id, key, fingerprint)
    if earlier is not None:
        return _replayed(earlier, fingerprint)
    try:
        answer = await inner(request)
    except DatabaseUnavailable:
        raise  # it may have been done all the same
    except (SyncError, RequestValidationError):
        await idempotency.release(engine, tenant_id, key)
        raise
    if isinstance(answer, StreamingResponse):  # told anew each time
        await idempotency.release(engine, tenant_id, key)
        return answer
    kind = answer.headers.get("content-type", "")
    await idempotency.keep(engine, tenant_id, key, answer.status_code, kind, bytes(answer.body))
    return answer


def _replayed(earlier: idempotency.Earlier, fingerprint: bytes) -> Response:
    if earlier.fingerprint != fingerprint:
        raise KeyReused("Esta Idempotency-Key é de outro pedido.")
    if earlier.status is None:
        raise UnderWay("O pedido desta Idempotency-Key ainda não tem resposta.")
    headers = {"Idempotency-Replayed": "true"} | (
        {"Content-Type": earlier.content_type} if earlier.content_type else {}
    )
    return Response(earlier.body, status_code=earlier.status, headers=headers)
