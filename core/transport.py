"""Connections to external systems: checked addresses, bounded time and size.

A call of `GuardedTransport` raises httpx's errors, and as they are `AddressRefused` (the guard),
`ContractError` (a body over the bound, a compression not asked for, a redirect to no address) and
`TransientError` (no such name, a compressed body that is cut or damaged).
"""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpcore
import httpx

from core.address import Guard
from core.certificate import Certificate
from core.errors import ConfigurationError, ContractError, TransientError

MAX_BYTES = 32 * 1024 * 1024
TOTAL_SECONDS = 120.0
"""Longest time of one call, body included: a server that sends a byte now and then never times out else."""

_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address the guard has checked; TLS and Host keep the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("name lookup") from None
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Unpacker:
    """Undoes gzip or deflate piece by piece, never more than asked for at a time."""

    def __init__(self) -> None:
        self._member = _member()
        self._started = False

    def __call__(self, chunk: bytes, most: int) -> bytes:
        self._started = self._started or bool(chunk)
        try:
            data = self._member.decompress(chunk, most)
            # A body may be several gzip members one after the other (RFC 1952 2.2).
            while self._member.eof and self._member.unused_data and len(data) < most:
                rest, self._member = self._member.unused_data, _member()
                data += self._member.decompress(rest, most - len(data))
        except zlib.error:
            raise TransientError("A resposta comprimida do sistema externo está corrompida.") from None
        return data

    def finish(self) -> None:
        if self._started and not self._member.eof:
            raise TransientError("A resposta comprimida do sistema externo chegou cortada.")


class _BoundedStream(httpx.AsyncByteStream):
    """Stops a body that passes `limit` bytes, counted after it is unpacked (a small one can unfold), or that
    is not over at `deadline`, a time of the event loop."""

    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        request: httpx.Request,
        *,
        limit: int,
        deadline: float,
        unpack: _Unpacker | None,
    ) -> None:
        self._stream = stream
        self._request = request
        self._limit = limit
        self._deadline = deadline
        self._unpack = unpack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        chunks = aiter(self._stream)
        while (chunk := await self._next(chunks)) is not None:
            data = self._unpack(chunk, self._limit - seen + 1) if self._unpack else chunk
            seen += len(data)
            if seen > self._limit:
                raise ContractError("A resposta do sistema externo passa do tamanho aceito.")
            yield data
        if self._unpack:
            self._unpack.finish()

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(chunks, None)
        except TimeoutError:
            raise httpx.ReadTimeout("total", request=self._request) from None

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport with the address guard, and bounds on the body and the time of the whole call.

    httpx has no public way to give its pool a network backend, so the pool is replaced.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        verify: ssl.SSLContext,
        max_bytes: int = MAX_BYTES,
        total_seconds: float = TOTAL_SECONDS,
        connections: int = 4,
    ) -> None:
        super().__init__(verify=verify)
        self._guard = guard
        self._max_bytes = max_bytes
        self._total_seconds = total_seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
            network_backend=_GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.check_url(str(request.url.copy_with(query=None, fragment=None)))
        deadline = asyncio.get_running_loop().time() + self._total_seconds
        try:
            async with asyncio.timeout_at(deadline):
                response = await super().handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout("total", request=request) from None
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            return response
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in _PACKED and coding not in ("", "identity"):
            await stream.aclose()
            raise ContractError("O sistema externo respondeu com uma compressão que não foi pedida.")
        if not _is_redirect_readable(request, response):
            await stream.aclose()
            raise ContractError("O sistema externo redireciona para um endereço malformado.")
        # httpx would unpack without a bound what the header names.
        response.headers.pop("content-encoding", None)
        response.stream = _BoundedStream(
            stream,
            request,
            limit=self._max_bytes,
            deadline=deadline,
            unpack=_Unpacker() if coding in _PACKED else None,
        )
        return response


def _is_redirect_readable(request: httpx.Request, response: httpx.Response) -> bool:
    """httpx reads where a redirect leads although it is not followed, and fails in ways of its own."""
    if not response.has_redirect_location:
        return True
    try:
        found = httpx.URL(response.headers["location"])
        where = found if found.scheme else request.url.join(found)
        return bool(where.host)
    except (httpx.InvalidURL, UnicodeError):
        return False


def tls_context(ca_file: str | None = None, certificate: Certificate | None = None) -> ssl.SSLContext:
    """Certificates are always verified; `ca_file` adds a private authority, `certificate` is ours.

    Raises `ConfigurationError`.
    """
    if certificate is None:
        return _shared_context(ca_file)
    context = _context(ca_file)
    certificate.use(context)
    return context


@lru_cache(maxsize=16)
def _shared_context(ca_file: str | None) -> ssl.SSLContext:
    return _context(ca_file)


def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            name = Path(ca_file).name
            raise ConfigurationError(f"O arquivo de CA privada {name!r} não pôde ser lido.") from None
    return context


def _member() -> "zlib._Decompress":
    # 32 + 15: gzip or zlib, told apart by the header.
    return zlib.decompressobj(47)
