"""Every route with the ids of another tenant (RELIABILITY T21): as if of nothing, and nothing is done."""

import re
from difflib import unified_diff
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from db import api_keys
from db.audit import By
from tests.conftest import Database, Tenant, new_tenant
from tests.console import SignedIn
from tests.population import Populated, populate
from tests.shared import console, database, orchestrator, wiring
from tests.web.routes import Met, routes
from web.api import gate
from web.app import create
from web.wiring import Wiring

__all__ = ["console", "database", "orchestrator", "wiring"]
OPEN = {
    ("GET", "/health"): "whoever watches",
    ("GET", "/metrics"): "whoever watches",
    ("GET", "/static/{version}/{name}"): "style sheets and scripts",
    ("GET", "/entrar"): "signing in",
    ("GET", "/entrar/openid"): "signing in",
    ("GET", "/entrar/openid/retorno"): "signing in",
    ("POST", "/entrar"): "signing in",
    ("POST", "/webhooks/{provider}/{public_id}"): "asks for a token or a signature itself",
    ("GET", "/api/v1/openapi.json"): "what the API is like",
    ("GET", "/api/v1/docs"): "what the API is like",
}
"""Routes that ask nobody who they are, and why."""
KINDS = (
    *("integration", "pair", "mapping", "conflict", "log", "issue", "discovery", "proposal", "request"),
    *(
        "ticket",
        "migration",
        "person",
        "key",
        "product",
        "spare",
        "tenant",
        "channel",
        "notice",
        "audit",
        "external",
    ),
)
OF_ONESELF = ("/sair", "/tema", "/acesso/conta")
"""Take no id of a tenant, and would end the session that asks."""
TABLES = text(
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
    " WHERE n.nspname IN ('erp', 'sync') AND c.relkind = 'r' AND c.relname <> 'session' ORDER BY 1"
)


@pytest.fixture
async def here(database: Database, wiring: Wiring, console: str, tenant: Tenant) -> Populated:
    return await populate(database, wiring, tenant, ticket="T-2026-000001")


@pytest.fixture
async def there(database: Database, wiring: Wiring, console: str) -> Populated:
    return await populate(database, wiring, new_tenant(database, "Alheia"), ticket="T-2026-000002")


@pytest.fixture
async def asking(
    console: str, wiring: Wiring, tenant: Tenant, person: SignedIn
) -> dict[bool, dict[str, str]]:
    """Headers of a person for pages, of a key for the API."""
    key = await api_keys.create(wiring.engine, tenant.id, "x", ["ler", "escrever"], None, By("teste"))
    return {False: dict(person.http.headers), True: {"Authorization": f"Bearer {key}"}}


def rows_of(database: Database, tenant: Tenant) -> dict[str, Any]:
    with create_engine(database.admin_url, poolclass=NullPool).connect() as connection:
        return {
            table: connection.execute(
                text(
                    f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t"
                    " WHERE tenant_id = :tenant"
                ),
                {"tenant": tenant.id},
            ).scalar_one()
            for table in connection.execute(TABLES).scalars().all()
        }


async def ask(
    http: httpx.AsyncClient, met: Met, ids: dict[str, str], headers: dict[str, str]
) -> tuple[int, str]:
    """Status and words of the answer; of one that streams, its beginning."""
    body = met.body(ids)
    sent: dict[str, Any] = {} if body is None else {"json" if met.in_api else "data": body}
    request = http.build_request(met.method, met.filled(ids), params=met.query(ids), headers=headers, **sent)
    answer = await http.send(request, stream=True)
    try:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, ""
        return answer.status_code, (await answer.aread()).decode(errors="replace")
    finally:
        await answer.aclose()


async def test_ids_of_another_tenant_are_ids_of_nothing(
    console: str,
    wiring: Wiring,
    database: Database,
    here: Populated,
    there: Populated,
    asking: dict[bool, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "CALLS_PER_MINUTE", 10_000)
    before = rows_of(database, there.tenant)
    foreign = there.ids | {"tenant": str(there.tenant.id)}
    # Their neighbours, which have the same place in every list.
    nothing = {name: id_[:-1] + ("1" if id_[-1] == "0" else "0") for name, id_ in foreign.items()}
    wrong: list[str] = []
    async with httpx.AsyncClient(base_url=console, timeout=30, trust_env=False) as http:
        for met in routes(create(wiring)):
            if (met.method, met.path) in OPEN or met.path.startswith(OF_ONESELF):
                continue
            headers = asking[met.in_api]
            status, words = await ask(http, met, foreign, headers)
            as_nothing, other = await ask(http, met, nothing, headers)
            named = met.of_a_row
            if there.mark in words:
                wrong.append(f"{met.method} {met.path}: shows what is another's")
            led_on = met.method == "GET" and status == 303  # to a page that is asked here, too
            if named and status not in (404, 403, 405) and not led_on:
                wrong.append(f"{met.method} {met.path}: {status}")
            if (status, plain(words, foreign)) != (as_nothing, plain(other, nothing)):
                wrong.append(
                    f"{met.method} {met.path}: {status} is told from {as_nothing}{difference(words, other)}"
                )
    assert wrong == [], "\n".join(wrong)
    assert rows_of(database, there.tenant) == before


async def test_ones_own_ids_are_answered(
    console: str, wiring: Wiring, here: Populated, asking: dict[bool, dict[str, str]]
) -> None:
    """Else the test above would prove nothing."""
    ids, wrong = here.ids | {"tenant": str(here.tenant.id)}, list[str]()
    async with httpx.AsyncClient(base_url=console, timeout=30, trust_env=False) as http:
        for met in routes(create(wiring)):
            if met.method != "GET" or (met.method, met.path) in OPEN or "{" not in met.path:
                continue
            status, words = await ask(http, met, ids, asking[met.in_api])
            if status not in (200, 303):
                wrong.append(f"{met.path}: {status} {words[:200]}")
    assert wrong == []


async def test_every_route_asks_who_it_is(console: str, wiring: Wiring) -> None:
    nothing = {name: str(uuid4()) for name in KINDS}
    found, wrong = set[tuple[str, str]](), list[str]()
    async with httpx.AsyncClient(base_url=console, timeout=30, trust_env=False) as http:
        for met in routes(create(wiring)):
            found.add((met.method, met.path))
            if (met.method, met.path) in OPEN:
                continue
            status, _ = await ask(http, met, nothing, {})
            if status != (401 if met.in_api else 303):
                wrong.append(f"{met.method} {met.path}: {status}")
    assert wrong == []
    assert OPEN.keys() <= found


async def test_what_changes_something_asks_for_the_right_and_for_the_page(
    console: str, wiring: Wiring, here: Populated, person: SignedIn, reader: SignedIn
) -> None:
    """Every form: who may only see is refused, and so is what comes from another site."""
    forged = {"Cookie": person.http.headers["cookie"]}
    ids, wrong = here.ids | {"tenant": str(here.tenant.id)}, list[str]()
    async with httpx.AsyncClient(base_url=console, timeout=30, trust_env=False) as http:
        for met in routes(create(wiring)):
            if met.method == "GET" or met.in_api or (met.method, met.path) in OPEN:
                continue
            refused = [await ask(http, met, ids, forged)]
            if not met.path.startswith((*OF_ONESELF, "/tenant")):
                refused.append(await ask(http, met, ids, dict(reader.http.headers)))
            wrong += [f"{met.method} {met.path}: {status}" for status, _ in refused if status != 403]
    assert wrong == []


def difference(one: str, other: str) -> str:
    return "\n".join(list(unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0))[:12])


def plain(words: str, ids: dict[str, str]) -> str:
    """Without what was sent, and what is new each time."""
    for id_ in ids.values():
        words = words.replace(id_, "")
    new_each_time = r'"error_id":"[^"]*"|name="chave" value="[^"]*"|(há )?\d+ s\b|agora'
    return re.sub(new_each_time, "", words)
