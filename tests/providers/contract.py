"""What every provider owes. Each function gives its complaints as text, for whoever adds a provider.

A provider brings its docs page, `fixtures/<key>/<entity>.json` (raw records from its documentation, with the
source) and `stands/<key>.py` (how its stand-in is started, see `tests.providers.stands`).
"""

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec

from core.address import Guard
from core.entities import Direction, Entity
from core.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
)
from core.hashing import canonical, record_hash
from core.http import classify, client
from core.oauth2 import OAuth2, Token, TokenAuth, renew
from core.probe import probe
from core.reading import Reader
from core.records import RECORDS
from core.source import HttpSource
from core.spec import Outgoing, Provider, RateLimit, Raw, Resource, Span, Written
from core.trees import tree
from core.webhooks import Delivery, Webhooks, events, genuine
from tests.providers.stands import Stand

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "providers"
FIXTURES = Path(__file__).parent / "fixtures"
HEADINGS = ("## Credenciais", "## O que é sincronizado", "## Limites", "## Erros comuns")
CLASSES: dict[int, type[SyncError]] = {
    401: AuthenticationError,
    403: AuthorizationError,
    429: RateLimited,
    500: TransientError,
    503: TransientError,
}
MOST_STEPS = 200
SHORTEST = 6
"""Shorter values are not looked for by `core.redaction`."""
ACCESS = "acesso-de-mentira-0123456789"

Complaints = Iterator[str]
Open = Callable[[], AbstractContextManager[Stand]]


class Unlimited:
    """A limiter that never waits; `tests/providers/test_speed_limit.py` tests the real one."""

    async def acquire(self) -> Callable[[], None]:
        return lambda: None

    async def block(self, until: datetime) -> None:
        pass

    async def reserve(self, name: str, rate: RateLimit) -> None:
        pass


class Fixed:
    """`core.oauth2.Tokens` that nobody renews."""

    async def access(self, refused: str | None = None) -> str:
        return ACCESS


class InMemory:
    """`core.oauth2.Tokens` of one stand-in."""

    def __init__(self, provider: Provider, stand: Stand, asking: httpx.AsyncClient) -> None:
        self._provider, self._stand, self._asking = provider, stand, asking
        self._token: Token | None = stand.token

    async def access(self, refused: str | None = None) -> str:
        if self._token is None or self._token.access == refused:
            settings = self._stand.settings
            self._token = await renew(self._asking, _oauth(self._provider), settings, self._token)
        return self._token.access


def opener(provider: Provider) -> Open | None:
    try:
        found: Open = importlib.import_module(f"tests.providers.stands.{module(provider)}").stand
    except (ModuleNotFoundError, AttributeError):
        return None
    return found


@asynccontextmanager
async def connected(provider: Provider, stand: Stand) -> AsyncIterator[tuple[httpx.AsyncClient, HttpSource]]:
    settings = stand.settings
    address = provider.base_url(settings)
    guard = Guard(private=frozenset({httpx.URL(address).netloc.decode(), httpx.URL(address).host}))
    certificate = provider.certificate(settings) if provider.certificate else None
    headers = provider.headers(settings) if provider.headers else {}
    async with client(address, None, guard, ca_file=stand.ca_file, certificate=certificate) as asking:
        asking.headers.update(headers)
        auth = provider.auth(settings) if provider.auth else None
        auth = auth or TokenAuth(InMemory(provider, stand, asking), _oauth(provider))
        async with client(address, auth, guard, ca_file=stand.ca_file, certificate=certificate) as http:
            http.headers.update(headers)
            yield http, HttpSource(provider, settings, http, Unlimited(), concurrency=2)


def declaration(provider: Provider) -> Complaints:
    if not provider.name or not provider.docs.startswith("https://"):
        yield "name e docs (o endereço https:// da documentação) são obrigatórios."
    if not provider.secret_names and not provider.by_migration:
        yield "nenhuma configuração é secreta: a credencial precisa de kind='secret' ou 'file'."
    for setting in provider.settings:
        if setting.kind == "choice" and setting.default not in {value for value, _ in setting.choices}:
            yield f"{setting.name}: o padrão {setting.default!r} não está nas escolhas."
    for entity, resource in provider.resources.items():
        yield from (f"{entity}: {text}" for text in _resource(entity, resource))
    if provider.webhooks is not None:
        yield from _webhooks(provider, provider.webhooks)


def _webhooks(provider: Provider, webhooks: Webhooks) -> Complaints:
    if strange := webhooks.entities - set(provider.resources):
        yield f"webhooks falam de entidades que não há: {sorted(strange)}."
    if strangers := set(webhooks.keys) - provider.secret_names:
        yield f"webhooks.keys não são segredos: {sorted(strangers)}."
    if webhooks.registration is None and not webhooks.by_hand:
        yield "webhooks sem registration precisam de by_hand: onde o endereço é digitado."
    secrets = dict.fromkeys(provider.secret_names, "um-segredo-qualquer")
    message = Delivery(b"{}", httpx.Headers())
    for said, settings, tokens in (("sem segredo", {}, ()), ("sem assinatura", secrets, ("t" * 64,))):
        if genuine(webhooks, message, settings, tokens):
            yield f"um webhook {said} é aceito."
    for body in (b"", b"{}", b"[]", b'{"id":null}', b"\xff"):
        events(provider, Delivery(body, httpx.Headers()))


def _resource(entity: Entity, resource: Resource) -> Complaints:
    known = set(RECORDS[entity].__struct_fields__)
    if resource.fields is not None and resource.fields - known:
        yield f"fields tem nomes que o registro não tem: {sorted(resource.fields - known)}."
    if not resource.directions:
        yield "nenhuma direção: falta paging ou fetch (importação) ou writing (exportação)."
    if resource.paging is not None and not resource.path:
        yield "paging sem path."
    if resource.paging is not None and resource.fetch is not None:
        yield "paging e fetch: um ou outro."
    writing = resource.writing
    if writing is None:
        return
    if not writing.fields or writing.fields - known:
        yield f"writing.fields vazio ou com nomes que o registro não tem: {sorted(writing.fields - known)}."
    if Direction.BOTH in resource.directions and resource.read is None:
        yield "bidirecional sem read: os dois lados não podem ser comparados."
    if writing.creates and writing.find is None and not writing.repeatable_creates:
        yield "cria registros sem find e sem repeatable_creates: uma criação perdida não pode ser encontrada."


def page(provider: Provider) -> Complaints:
    path = PAGES / f"{provider.key}.md"
    if not path.exists():
        yield f"falta a página docs/providers/{provider.key}.md."
        return
    text = path.read_text()
    yield from (f"a página não tem o título {title!r}." for title in HEADINGS if f"\n{title}" not in text)
    for setting in provider.settings:
        if setting.label not in text:
            yield f"a página não explica a configuração {setting.label!r}."
    for entity in provider.resources:
        if f"| {entity.label} |" not in text:
            yield f"a página não tem a linha '| {entity.label} |'."


def fixtures(provider: Provider) -> Complaints:
    """Every documented record is mapped, twice alike."""
    for entity, resource in provider.resources.items():
        path = FIXTURES / module(provider) / f"{entity.value}.json"
        if not path.exists():
            yield f"{entity}: falta tests/providers/{path.relative_to(Path(__file__).parent)}."
            continue
        found = msgspec.json.decode(path.read_bytes())
        if not str(found.get("source", "")).startswith("http") and "specs/" not in str(found.get("source")):
            yield f"{entity}: o fixture não diz de onde vem (source)."
        settings = found.get("settings", {})
        for raw in found["records"]:
            yield from (f"{entity}: {text}" for text in _mapped(entity, resource, raw, settings))


def _mapped(entity: Entity, resource: Resource, raw: Raw, settings: dict[str, str]) -> Complaints:
    copy = msgspec.json.encode(raw)
    try:
        one = resource.map(raw, settings)
        two = resource.map(msgspec.json.decode(copy), settings)
    except (SyncError, KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"map não aceita o registro {resource.key(raw)!r}: {type(error).__name__}: {error}"
        return
    if not isinstance(one, RECORDS[entity]):
        yield f"map dá {type(one).__name__} e não {RECORDS[entity].__name__}."
    if record_hash(canonical(one), 1) != record_hash(canonical(two), 1):
        yield "map não é estável: o mesmo registro dá dois hashes."
    if msgspec.json.encode(raw) != copy:
        yield "map altera o registro cru."
    if not one.external_id or one.external_id != resource.key(raw):
        yield f"external_id {one.external_id!r} e key {resource.key(raw)!r} não são o mesmo."
    if one.updated_at is not None and one.updated_at.utcoffset() is None:
        yield "updated_at sem fuso."


async def masking(provider: Provider, stand: Stand) -> AsyncIterator[str]:
    """A secret that the external system repeats is in no text that people read."""
    values = {name: stand.settings[name] for name in provider.secret_names if stand.settings.get(name)}
    if not values:
        yield "o stand não traz nenhum segredo."

    def echo(request: httpx.Request) -> httpx.Response:
        headers = [f"{name}={value}" for name, value in request.headers.items()]
        said = " ".join([*values.values(), ACCESS, str(request.url), *headers])
        body = {provider.error_code: said, provider.error_message: said, "echo": said}
        return httpx.Response(400, json=body, headers={"x-echo": "".join(said.split())[:4000]})

    async with _pretend(provider, stand, echo) as http:
        result = await probe(provider, stand.settings, http)
        response = await http.get("qualquer")
    error = classify(response, provider)
    told = f"{error!r} {error.__dict__}" if error else ""
    if error is None:
        yield "uma resposta 400 não é erro."
    sent = f"{response.request.url} {response.request.headers.raw}"
    for name, value in {**values, "token de acesso": ACCESS}.items():
        # What was not sent is nothing that an answer could repeat; Testar Conexão masks it all the same.
        shown = repr(provider) + repr(result) if name in values else ""
        shown += told if value in sent else ""
        if len(value) >= SHORTEST and value in shown:
            yield f"o segredo {name} aparece em um texto."


async def answers(provider: Provider, stand: Stand) -> AsyncIterator[str]:
    """Testar Conexão tells what is wrong; and all is well with the stand-in."""
    for status, kind in CLASSES.items():
        rule = next((r.error for r in provider.errors if r.status == status and r.code is None), kind)
        headers = {"retry-after": "1"} if status == 429 else {}
        async with _pretend(provider, stand, _always(httpx.Response(status, headers=headers))) as http:
            result = await probe(provider, stand.settings, http)
        if result.ok or result.advice is not rule.advice:
            yield f"resposta {status}: a causa mostrada é {result.advice and result.advice.title!r}."

    def late(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late")

    async with _pretend(provider, stand, late) as http:
        result = await probe(provider, stand.settings, http)
    if result.ok or result.advice is not TransientError.advice:
        yield "um timeout não é mostrado como sistema indisponível."
    async with connected(provider, stand) as (http, _source):
        result = await probe(provider, stand.settings, http)
    if not result.ok:
        yield f"Testar Conexão falha contra o stand-in: {result.message}"
    missing = {check.entity for check in result.checks} ^ set(provider.resources)
    if result.ok and missing:
        yield f"Testar Conexão não fala de: {sorted(missing)}."


async def lists(provider: Provider, stand: Stand) -> AsyncIterator[str]:
    """A list visits each record once and ends; two readings give the same records."""
    async with connected(provider, stand) as (_, source):
        for entity, resource in provider.resources.items():
            once = resource.acknowledge is not None or resource.feed
            if Direction.IMPORT not in resource.directions or once:
                continue
            ids = [resource.key(raw) async for raw in every(source, resource)]
            if not ids and entity not in stand.unlisted:
                yield f"{entity}: o stand-in não tem nenhum registro."
            if len(ids) != len(set(ids)):
                yield f"{entity}: {len(ids) - len(set(ids))} registros vieram mais de uma vez."
            again = [resource.key(raw) async for raw in every(source, resource)]
            if sorted(again) != sorted(ids):
                yield f"{entity}: uma segunda leitura dá outros registros."


async def writes(provider: Provider, stand: Stand) -> AsyncIterator[str]:
    """A record that is written back as it was read still has the fields that are declared as written."""
    async with connected(provider, stand) as (_, source):
        for entity, resource in provider.resources.items():
            if resource.writing is None or resource.read is None or entity in stand.unlisted:
                continue
            async for text in _written_back(entity, resource, source, stand):
                yield f"{entity}: {text}"


async def _written_back(
    entity: Entity, resource: Resource, source: HttpSource, stand: Stand
) -> AsyncIterator[str]:
    assert resource.writing is not None
    assert resource.read is not None
    raw = await _first(source, resource)
    if raw is None:
        yield "nada para gravar: a lista não tem registro."
        return
    before = resource.map(raw, source.settings)
    fields = resource.writing.fields & (resource.fields or resource.writing.fields)
    item = Outgoing(
        record=before,
        fields=resource.writing.fields,
        reference=before.reference or str(uuid4()),
        key=str(uuid4()),
        external_id=before.external_id,
        version=resource.revision(raw) if resource.revision else None,
    )
    answer = await _write(resource, source, item)
    if answer.error is not None:
        if not (entity in stand.once and isinstance(answer.error, RecordError)):
            yield f"gravar o que foi lido falha: {answer.error.message} ({answer.error.provider_message})"
        return
    after = await resource.read(source, [before.external_id])
    if before.external_id not in after:
        yield "read não encontra o que foi gravado."
        return
    now = resource.map(after[before.external_id], source.settings)
    for name in sorted(fields):
        old, new = tree(before, frozenset({name})), tree(now, frozenset({name}))
        if old != new:
            yield f"{name} não volta como foi: {old} → {new}"


async def _write(resource: Resource, source: HttpSource, item: Outgoing) -> Written:
    assert resource.writing is not None
    try:
        return (await resource.writing.write(source, [item]))[0]
    except (RecordError, ConfigurationError) as error:
        return Written(error=error)


async def every(source: HttpSource, resource: Resource) -> AsyncIterator[Raw]:
    """Every wanted record of a complete scan, as the engine reads them."""
    reader, place = Reader(source, resource, resource.params, 2, Span()), None
    try:
        for _ in range(MOST_STEPS):
            step = await reader.step(place)
            for raw in step.items:
                for part in resource.split(raw) if resource.split else [raw]:
                    if resource.wanted is None or resource.wanted(part):
                        yield part
            place = step.next
            if place is None:
                return
        raise AssertionError(f"a lista não terminou em {MOST_STEPS} páginas")
    finally:
        await reader.close()


async def _first(source: HttpSource, resource: Resource) -> Raw | None:
    if resource.paging is None and resource.fetch is None:
        return None
    async for raw in every(source, resource):
        return raw
    return None


@asynccontextmanager
async def _pretend(
    provider: Provider, stand: Stand, answer: Callable[[httpx.Request], httpx.Response]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose network is `answer`."""
    async with httpx.AsyncClient(
        base_url=provider.base_url(stand.settings),
        auth=_auth(provider, stand),
        transport=httpx.MockTransport(answer),
    ) as http:
        yield http


def _always(response: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: response


def _auth(provider: Provider, stand: Stand) -> httpx.Auth:
    """Without the renewal of tokens, whose endpoint `_pretend` would pretend as well."""
    auth = provider.auth(stand.settings) if provider.auth else None
    return auth or TokenAuth(Fixed(), _oauth(provider))


def _oauth(provider: Provider) -> OAuth2:
    assert provider.oauth is not None
    return provider.oauth


def module(provider: Provider) -> str:
    return provider.key.replace("-", "_")
