"""HTTP to external systems: guarded connections, bounded time and size, errors from the one tree."""

import re
import ssl
import zlib
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any

import httpcore
import httpx
import msgspec

from core.address import Guard
from core.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    RateLimited,
    SyncError,
    TransientError,
)
from core.redaction import redact_text
from core.spec import Provider

USER_AGENT = "CloudToSys-Integracoes/0.1"
TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=120.0)
MAX_BYTES = 32 * 1024 * 1024
DEFAULT_PAUSE = timedelta(seconds=5)
"""Pause after a 429 that does not say how long."""

_STATUS: dict[int, type[SyncError]] = {
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    408: TransientError,
    409: ConflictError,
    425: TransientError,
}
_decode = msgspec.json.Decoder().decode


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
        addresses = await self._guard.resolve(host, port)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _CappedStream(httpx.AsyncByteStream):
    """Stops a body that grows over `limit` bytes, counted after it is unpacked: a small one can unfold."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int, *, packed: bool) -> None:
        self._stream = stream
        self._limit = limit
        # 32 + 15: gzip or zlib, told apart by the header.
        self._unpack = zlib.decompressobj(47) if packed else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            data = self._unpacked(chunk, self._limit - seen + 1)
            seen += len(data)
            if seen > self._limit:
                raise ContractError("A resposta do sistema externo passa do tamanho aceito.")
            yield data

    def _unpacked(self, chunk: bytes, most: int) -> bytes:
        if self._unpack is None:
            return chunk
        try:
            return self._unpack.decompress(chunk, most)
        except zlib.error:
            raise TransientError("A resposta comprimida do sistema externo está corrompida.") from None

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport with the address guard, and a cap on the body as it travels.

    httpx has no public way to give its pool a network backend, so the pool is replaced.
    """

    def __init__(self, guard: Guard, *, verify: ssl.SSLContext, max_bytes: int, connections: int) -> None:
        super().__init__(verify=verify)
        self._guard = guard
        self._max_bytes = max_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
            network_backend=_GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.check_url(str(request.url.copy_with(query=None, fragment=None)))
        response = await super().handle_async_request(request)
        packed = response.headers.get("content-encoding", "") in ("gzip", "deflate")
        if packed:
            del response.headers["content-encoding"]
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _CappedStream(response.stream, self._max_bytes, packed=packed)
        return response


@lru_cache(maxsize=16)
def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Certificates are always verified; `ca_file` adds a private authority. Raises `ConfigurationError`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            name = Path(ca_file).name
            raise ConfigurationError(f"O arquivo de CA privada {name!r} não pôde ser lido.") from None
    return context


def client(
    base_url: str,
    auth: httpx.Auth,
    guard: Guard,
    *,
    ca_file: str | None = None,
    timeout: httpx.Timeout = TIMEOUT,
    max_bytes: int = MAX_BYTES,
    connections: int = 4,
) -> httpx.AsyncClient:
    """A client for one integration. Redirects are not followed: a moved shop is a setting to correct.

    Raises `AddressRefused` for an address that can be refused without a lookup.
    """
    guard.check_url(base_url)
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"},
        timeout=timeout,
        trust_env=False,
        transport=GuardedTransport(
            guard, verify=tls_context(ca_file), max_bytes=max_bytes, connections=connections
        ),
    )


def classify(response: httpx.Response, provider: Provider) -> SyncError | None:
    """The error an answer stands for; None for a 2xx."""
    status = response.status_code
    if response.is_success:
        return None
    code, words = _reason(response, provider)
    host = response.request.url.host
    message = f"{host} respondeu {status}" + (f" ({code})." if code else ".")
    for rule in provider.errors:
        if rule.status == status and rule.code in (None, code):
            return rule.error(message, status=status, provider_code=code, provider_message=words)
    pause = retry_after(response, datetime.now(UTC))
    if status == 429 or (status == 503 and pause is not None):
        return RateLimited(message, retry_at=datetime.now(UTC) + (pause or DEFAULT_PAUSE), status=status)
    if response.is_redirect:
        text = f"{host} redireciona para outro endereço: use o endereço final como URL base."
        return ConfigurationError(text, status=status)
    kind = _STATUS.get(status, TransientError if status >= 500 else ContractError)
    return kind(message, status=status, provider_code=code, provider_message=words)


def retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """The pause asked by `Retry-After`, in seconds or as an HTTP date (RFC 9110 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return timedelta(seconds=min(int(value), 7 * 86400))
    try:
        return max(timedelta(0), parsedate_to_datetime(value).astimezone(UTC) - now)
    except (ValueError, TypeError):
        return None


def decode(response: httpx.Response, provider: Provider) -> Any:
    """The JSON of a 2xx answer. Raises `ContractError` for anything else (a maintenance page, say)."""
    try:
        return _decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        kind = response.headers.get("content-type", "sem tipo").partition(";")[0]
        raise ContractError(
            f"{provider.name} respondeu {response.status_code} com um corpo que não é JSON ({kind[:40]}).",
            status=response.status_code,
        ) from None


def translate(error: httpx.HTTPError | httpx.InvalidURL) -> SyncError:
    """A failure below HTTP as one of ours; the text names the host alone."""
    request = getattr(error, "_request", None)
    host = request.url.host if request is not None else "o sistema externo"
    match error:
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ConfigurationError("O endereço da integração é inválido.")
        case httpx.TimeoutException():
            return TransientError(f"{host} não respondeu a tempo.")
        case httpx.ConnectError() if _is_tls(error):
            return ConfigurationError(
                f"O certificado TLS de {host} não é válido. Para uma autoridade privada, informe a CA."
            )
        case httpx.ConnectError():
            return TransientError(f"Não foi possível conectar a {host}: conexão recusada ou host fora do ar.")
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return TransientError(f"{host} encerrou a conexão antes de terminar a resposta.")
        case _:
            return TransientError(f"Falha de rede ao falar com {host}.")


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _reason(response: httpx.Response, provider: Provider) -> tuple[str | None, str | None]:
    """The provider's own code and words from a JSON error body."""
    try:
        body = _decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, None
    if not isinstance(body, dict):
        return None, None
    code, words = body.get(provider.error_code), body.get(provider.error_message)
    text = unescape(re.sub(r"<[^>]*>", " ", words)) if isinstance(words, str) else None
    return (
        str(code)[:80] if isinstance(code, str | int) else None,
        redact_text(text)[:300] if text else None,
    )
