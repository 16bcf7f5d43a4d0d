"""HTTP to external systems: the client of one integration, and what an answer or a failure means."""

import base64
import logging
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import httpx
import msgspec

from core.address import Guard
from core.certificate import Certificate
from core.errors import (
    AddressRefused,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    NotSent,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
)
from core.redaction import MASK, RedactingFilter, Redactor, is_sensitive, redact_text
from core.spec import Answer, ErrorRule, Provider
from core.transport import MAX_BYTES, TOTAL_SECONDS, GuardedTransport, tls_context

USER_AGENT = "CloudToSys-Integracoes/0.1"
TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=120.0)
DEFAULT_PAUSE = timedelta(seconds=5)
"""Pause after a 429 that does not say how long."""
LONGEST_PAUSE = timedelta(days=7)

_STATUS: dict[int, type[SyncError]] = {
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    408: TransientError,
    409: ConflictError,
    410: NotFoundError,
    425: TransientError,
}
_EMAIL = re.compile(r"[^\s@:;,]{1,64}@[^\s@:;,]{1,255}")
_BOM = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode

# httpx logs every address at INFO, keys in the query included.
logging.getLogger("httpx").addFilter(RedactingFilter(Redactor()))


def client(
    base_url: str,
    auth: httpx.Auth | None,
    guard: Guard,
    *,
    ca_file: str | None = None,
    certificate: Certificate | None = None,
    timeout: httpx.Timeout = TIMEOUT,
    max_bytes: int = MAX_BYTES,
    total_seconds: float = TOTAL_SECONDS,
    connections: int = 4,
) -> httpx.AsyncClient:
    """A client for one integration. Redirects are not followed: a moved shop is a setting to correct.

    Raises `AddressRefused` for an address that can be refused without a lookup, `ConfigurationError` for a
    private CA that cannot be read. Its calls raise `SyncError`s of the guard and the bounds as they are, and
    httpx's own errors for `translate`.
    """
    guard.check_url(base_url)
    try:
        address = httpx.URL(base_url)
        # Read once here: a name that is no valid IDNA raises only when it is asked for.
        guard.check_url(str(address.copy_with(host=address.host)))
    except (httpx.InvalidURL, UnicodeError):
        raise AddressRefused("O endereço está malformado.") from None
    return httpx.AsyncClient(
        base_url=address,
        auth=auth,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"},
        timeout=timeout,
        trust_env=False,
        transport=GuardedTransport(
            guard,
            verify=tls_context(ca_file, certificate),
            max_bytes=max_bytes,
            total_seconds=total_seconds,
            connections=connections,
        ),
    )


def classify(response: httpx.Response, provider: Provider) -> SyncError | None:
    """The error an answer stands for; None for a 2xx. The provider's rules come before the status table.

    Its texts hold nothing that was sent as a credential, even where the answer repeats it.
    """
    if response.is_success:
        return None
    status, host = response.status_code, response.request.url.host
    redactor = Redactor(_sent_secrets(response.request))
    code, words = _reason(_body(response), redactor, provider.error_code, provider.error_message)
    if response.has_redirect_location and _rule(provider.errors, status, code) is None:
        text = f"{host} redireciona para outro endereço: use o endereço final como URL base."
        return ConfigurationError(text, status=status)
    pause = retry_after(response, datetime.now(UTC)) or _own_pause(response, provider)
    return _error(provider.errors, host, status, code, words, pause)


def _own_pause(response: httpx.Response, provider: Provider) -> timedelta | None:
    """The silence that a refusal asks for in a way of the provider's own."""
    if response.status_code != 429 or provider.pause is None:
        return None
    seconds = provider.pause(Answer(_body(response), response.headers))
    return timedelta(seconds=seconds) if seconds > 0 else None


def refused_item(
    body: Any,
    status: int,
    rules: Sequence[ErrorRule],
    *,
    host: str,
    redactor: Redactor,
    keys: tuple[str, str] = ("code", "message"),
) -> SyncError:
    """The error of one record of a batch whose answer is a 2xx; `keys` are those of code and message.

    A refusal that neither the rules nor the status table know is about the record, not the connection.
    """
    code, words = _reason(body, redactor, *keys)
    error = _error(rules, host, status, code, words, None)
    if not isinstance(error, ContractError):
        return error
    return RecordError(error.message, field="", status=status, provider_code=code, provider_message=words)


def retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """The pause asked by `Retry-After`, in seconds or as an HTTP date (RFC 9110 10.2.3), a week at most.

    Shopify sends seconds with a fraction (https://shopify.dev/docs/api/usage/limits).
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]{1,9})?", value):
        return timedelta(seconds=min(float(value), LONGEST_PAUSE.total_seconds()))
    try:
        moment = parsedate_to_datetime(value)
        # A date with the zone -0000 comes without one, and is UTC.
        pause = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(timedelta(0), pause), LONGEST_PAUSE)


def decode(response: httpx.Response, provider: Provider) -> Any:
    """The JSON of a 2xx answer. Raises `ContractError` for anything else (a maintenance page, say).

    A byte order mark before it, which WordPress plugins leave there, is passed over.
    """
    if provider.decode is not None:
        return _decoded(response, provider, provider.decode, "legível")
    return _decoded(response, provider, lambda found: _decode(found.content.removeprefix(_BOM)), "JSON")


def _decoded(
    response: httpx.Response, provider: Provider, read: Callable[[httpx.Response], Any], expected: str
) -> Any:
    try:
        return read(response)
    except (*_NOT_JSON, ValueError):
        kind = response.headers.get("content-type", "sem tipo").partition(";")[0]
        text = f"{provider.name} respondeu {response.status_code} com um corpo que não é {expected}"
        raise ContractError(f"{text} ({kind[:40]}).", status=response.status_code) from None


def translate(error: httpx.HTTPError | httpx.InvalidURL | UnicodeError) -> SyncError:
    """A failure below HTTP as one of ours; the text names the host alone."""
    request = getattr(error, "_request", None)
    host = request.url.host if request is not None else "o sistema externo"
    match error:
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | UnicodeError():  # a name that is no IDNA
            return ConfigurationError("O endereço da integração é inválido.")
        case httpx.TimeoutException():
            unsent = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            return (NotSent if unsent else TransientError)(f"{host} não respondeu a tempo.")
        case httpx.LocalProtocolError():
            return ConfigurationError(f"A chamada a {host} não pôde ser montada: revise as credenciais.")
        case httpx.ConnectError():
            return _connect_failure(host, _tls_error(error))
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return TransientError(f"{host} encerrou a conexão antes de terminar a resposta.")
        case _:
            return TransientError(f"Falha de rede ao falar com {host}.")


def _connect_failure(host: str, error: ssl.SSLError | None) -> SyncError:
    if error is None:
        return NotSent(f"Não foi possível conectar a {host}: conexão recusada ou host fora do ar.")
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"O certificado TLS de {host} não é válido. Para uma autoridade privada, informe a CA."
        return ConfigurationError(text)
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return ConfigurationError(f"{host} não usa TLS nesta porta: confira https:// e a porta da URL base.")
    return NotSent(f"{host} interrompeu a negociação TLS.")


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _error(
    rules: Sequence[ErrorRule],
    host: str,
    status: int,
    code: str | None,
    words: str | None,
    pause: timedelta | None,
) -> SyncError:
    message = f"{host} respondeu {status}" + (f" ({code})." if code else ".")
    rule = _rule(rules, status, code)
    kind = rule.error if rule else _kind(status, pause)
    if issubclass(kind, RateLimited):
        return kind(message, retry_at=datetime.now(UTC) + (pause or DEFAULT_PAUSE), status=status)
    if issubclass(kind, RecordError):
        field = rule.field if rule else ""
        return kind(message, field=field, status=status, provider_code=code, provider_message=words)
    return kind(message, status=status, provider_code=code, provider_message=words)


def _kind(status: int, pause: timedelta | None) -> type[SyncError]:
    if status == 429 or (status == 503 and pause is not None):
        return RateLimited
    return TransientError if status >= 500 else _STATUS.get(status, ContractError)


def _rule(rules: Sequence[ErrorRule], status: int, code: str | None) -> ErrorRule | None:
    return next((rule for rule in rules if rule.status == status and rule.code in (None, code)), None)


def _body(response: httpx.Response) -> Any:
    try:
        return _decode(response.content.removeprefix(_BOM))
    except _NOT_JSON:
        return None


def _reason(body: Any, redactor: Redactor, code_key: str, message_key: str) -> tuple[str | None, str | None]:
    """The provider's own code and words from a JSON error body."""
    if not isinstance(body, dict):
        return None, None
    code, words = body.get(code_key), _words(body.get(message_key, body.get("message")))
    text = unescape(re.sub(r"<[^>]*>", " ", words[:2000])) if isinstance(words, str) else None
    text = _EMAIL.sub(MASK, text) if text else None
    return (
        redactor(str(code))[:80] if isinstance(code, str | int) else None,
        " ".join(redactor(redact_text(text)).split())[:300] if text else None,
    )


def _words(said: Any) -> Any:
    """Reasons by field, as Laravel gives them ({"to.document": ["…"]}), in one text."""
    if not isinstance(said, dict):
        return said
    return "; ".join(
        f"{name}: {texts[0] if isinstance(texts, list) and texts else texts}" for name, texts in said.items()
    )


def _sent_secrets(request: httpx.Request) -> Iterator[str]:
    """What this request carried as credentials, in its headers and in its query."""
    for name, value in (*request.headers.multi_items(), *request.url.params.multi_items()):
        if is_sensitive(name):
            yield value
            scheme, _, credential = value.partition(" ")
            yield credential
            if scheme.lower() == "basic":
                with suppress(ValueError):
                    yield from base64.b64decode(credential).decode(errors="replace").split(":", 1)
