"""Testar Conexão: one simple call to the external system, with its raw answer for diagnosis."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import httpx
import msgspec

from core.entities import Direction, Entity
from core.errors import Advice, SyncError
from core.http import classify, decode, translate
from core.redaction import Redactor
from core.spec import Answer, Probe, Provider, Settings

LONGEST_BODY = 4000


@dataclass(frozen=True, slots=True)
class EntityCheck:
    """Whether the credential may read one entity, and the directions that this leaves."""

    entity: Entity
    ok: bool
    message: str
    directions: tuple[Direction, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`headers` and `body` are the raw answer without secrets and personal data; `seconds` its time."""

    ok: bool
    message: str
    seconds: float
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    advice: Advice | None = None
    checks: tuple[EntityCheck, ...] = ()


class Tested(msgspec.Struct, frozen=True):
    """What is kept of a result: not the raw answer."""

    at: datetime
    ok: bool
    message: str
    seconds: float
    checks: tuple[EntityCheck, ...] = ()

    @classmethod
    def of(cls, result: ProbeResult, at: datetime) -> Self:
        return cls(at, result.ok, result.message, round(result.seconds, 3), result.checks)


async def probe(provider: Provider, settings: Settings, client: httpx.AsyncClient) -> ProbeResult:
    """Call the provider's probe, and where that works the list of each entity. Never raises `SyncError`."""
    redactor = Redactor(settings[name] for name in provider.secret_names if settings.get(name))
    began = time.perf_counter()
    try:
        response = await _ask(provider.probing(settings), client)
    except httpx.HTTPError as exc:
        return _failed(translate(exc), time.perf_counter() - began)
    except SyncError as error:
        return _failed(error, time.perf_counter() - began)
    answer = ProbeResult(
        ok=False,
        message="",
        seconds=time.perf_counter() - began,
        status=response.status_code,
        headers=_headers(redactor, response.headers),
        body=_body(redactor, response),
    )
    refusal = _verdict(response, provider)
    if refusal is not None:
        return replace(answer, message=redactor(refusal.message), advice=refusal.advice)
    checks = await _checks(provider, provider.probing(settings), response, client)
    denied = [check.entity.label for check in checks if not check.ok]
    message = f"Sem acesso a: {', '.join(denied)}." if denied else "Conexão e credenciais válidas."
    if note := provider.probing(settings).note:
        message += f" {note(decode(response, provider))}"
    return replace(answer, ok=not denied, message=message, checks=checks)


async def checked(provider: Provider, settings: Settings) -> ProbeResult:
    """Testar Conexão of a system that is not reached over HTTP. Never raises `SyncError`."""
    began = time.perf_counter()
    try:
        said = (
            await provider.check(settings) if provider.check else "Nada a testar: os arquivos são enviados."
        )
    except SyncError as error:
        return _failed(error, time.perf_counter() - began)
    return ProbeResult(ok=True, message=said, seconds=time.perf_counter() - began)


async def _ask(wanted: Probe, client: httpx.AsyncClient) -> httpx.Response:
    if wanted.body is None:
        return await client.get(wanted.path, params=dict(wanted.params), headers=dict(wanted.headers))
    if isinstance(wanted.body, bytes):
        return await client.post(wanted.path, content=wanted.body, headers=dict(wanted.headers))
    return await client.post(wanted.path, json=wanted.body, headers=dict(wanted.headers))


async def _checks(
    provider: Provider, wanted: Probe, response: httpx.Response, client: httpx.AsyncClient
) -> tuple[EntityCheck, ...]:
    if wanted.permissions is None:
        return tuple([await _check(provider, wanted, entity, client) for entity in provider.resources])
    allowed = wanted.permissions(decode(response, provider))
    return tuple([_allowed(entity, allowed.get(entity, frozenset())) for entity in provider.resources])


def _allowed(entity: Entity, directions: frozenset[Direction]) -> EntityCheck:
    granted = tuple([direction for direction in Direction if direction in directions])
    text = "ok" if granted else "a credencial não tem permissão para esta entidade."
    return EntityCheck(entity, bool(granted), text, granted)


async def _check(provider: Provider, wanted: Probe, entity: Entity, client: httpx.AsyncClient) -> EntityCheck:
    resource = provider.resources[entity]
    offered = tuple([direction for direction in Direction if direction in resource.directions])
    if not resource.path:
        return EntityCheck(entity, True, "não verificada à parte", offered)
    refusal = await _tried(provider, client.get(resource.path, params=dict(wanted.params)))
    if refusal is not None:
        return EntityCheck(entity, False, refusal.message)
    path = resource.writing.probe if resource.writing else ""
    refusal = await _tried(provider, client.post(path, json={})) if path else None
    if refusal is not None:
        text = f"só importação: a credencial não pode gravar. {refusal.message}"
        return EntityCheck(entity, True, text, (Direction.IMPORT,))
    return EntityCheck(entity, True, "ok", offered)


async def _tried(provider: Provider, call: Awaitable[httpx.Response]) -> SyncError | None:
    try:
        return _verdict(await call, provider)
    except httpx.HTTPError as exc:
        return translate(exc)
    except SyncError as exc:
        return exc


def _verdict(response: httpx.Response, provider: Provider) -> SyncError | None:
    refusal = classify(response, provider)
    if refusal is not None:
        return refusal
    try:
        answer = Answer(decode(response, provider), response.headers)
    except SyncError as exc:
        return exc
    return provider.refusal(answer) if provider.refusal else None


def _failed(error: SyncError, seconds: float) -> ProbeResult:
    return ProbeResult(ok=False, message=error.message, seconds=seconds, advice=error.advice)


def _headers(redactor: Redactor, headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in redactor.data(dict(headers)).items())


def _body(redactor: Redactor, response: httpx.Response) -> str:
    text = response.text[:LONGEST_BODY]
    try:
        return str(redactor.data([text])[0])
    except ValueError:
        return redactor(text)
