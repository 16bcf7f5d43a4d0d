"""The console as a real server on loopback, people who are signed in to it, and a real browser."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from cli.web import wired
from core.entities import Trigger
from db import people, sessions
from db.audit import By
from db.settings import Environment, psycopg_url
from db.vault import Vault, generate_key
from tests.conftest import Database, Tenant
from web.access import COOKIE, Visitor
from web.app import create
from web.pulse import Pulse
from web.wiring import Wiring

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Asked:
    """Stands where Prefect would, at the port: what the console asked for. Real runs have tests of their own
    (tests/flows, tests/browser)."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def apply(self, pair_ids: Sequence[UUID] | None = None) -> int:
        self.calls.append(("apply", {"pair_ids": pair_ids}))
        return 0

    async def trigger(
        self,
        pair_id: UUID,
        *,
        initiated_by: Trigger,
        full: bool = False,
        request_id: UUID | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        asked = {"pair_id": pair_id, "initiated_by": initiated_by, "full": full, "request_id": request_id}
        self.calls.append(("trigger", asked))
        return uuid4()

    async def discover(self, pair_id: UUID, discovery_id: UUID, *, apply: bool = False) -> UUID:
        asked = {"pair_id": pair_id, "discovery_id": discovery_id, "apply": apply}
        self.calls.append(("discover", asked))
        return uuid4()

    async def migrate(self, migration_id: UUID, *, apply: bool = False) -> UUID:
        self.calls.append(("migrate", {"migration_id": migration_id, "apply": apply}))
        return uuid4()

    async def cancel(self, flow_run_id: UUID) -> None:
        self.calls.append(("cancel", {"flow_run_id": flow_run_id}))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody's session: `http` carries its cookie and its CSRF token."""

    id: UUID
    email: str
    token: str
    csrf: str
    http: httpx.AsyncClient


SignIn = Callable[..., Awaitable[SignedIn]]
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
def keys() -> str:
    return generate_key()


@pytest.fixture
def vault(keys: str) -> Vault:
    return Vault([keys])


@pytest.fixture
def orchestrator() -> Asked:
    return Asked()


@pytest.fixture
def wiring(database: Database, keys: str, orchestrator: Any, address: str) -> Wiring:
    return wire(database, keys, orchestrator, address)


@pytest.fixture
def address() -> str:
    """Where the console of this test listens."""
    return free_address()


@pytest.fixture
async def console(wiring: Wiring, address: str) -> AsyncIterator[str]:
    """Its address, while it serves."""
    async with serving(wiring, address):
        yield address


def wire(database: Database, keys: str, orchestrator: Any, address: str) -> Wiring:
    environment = Environment(
        database_url=psycopg_url(database.url),
        keys_file=None,
        keys=keys,
        lease_seconds=3.0,
        private_hosts=frozenset({"127.0.0.1"}),
        plain_http=True,
        ca_file=None,
        prefect_ui_url="http://127.0.0.1:4200",
        look_again=(1.0,),
        public_url=address,
    )
    return wired(environment, orchestrator, pulse, address)


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def serving(wiring: Wiring, address: str, app: FastAPI | None = None) -> AsyncIterator[None]:
    port = int(address.rsplit(":", 1)[1])
    settings = uvicorn.Config(
        app or create(wiring), host="127.0.0.1", port=port, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server._serve())  # without its signal handlers, which are pytest's here
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    server.force_exit = True
    await task
    await wiring.engine.dispose()


@pytest.fixture
async def sign_in(console: str, wiring: Wiring, tenant: Tenant) -> AsyncIterator[SignIn]:
    """Let somebody new be signed in, who may see (and by default change) the tenant's integrations."""
    opened: list[httpx.AsyncClient] = []

    async def run(*tenants: UUID, can_edit: bool = True, operator: bool = False, email: str = "") -> SignedIn:
        email = email or f"{uuid4().hex[:8]}@exemplo.example"
        person = await people.create(wiring.engine, email, "Ana Souza", None, operator=operator)
        for tenant_id in tenants or (tenant.id,):
            await people.grant(wiring.engine, tenant_id, person, can_edit=can_edit, by=By("teste"))
        token = await sessions.open_(wiring.engine, person, (tenants or (tenant.id,))[0], "pytest")
        csrf = csrf_of(token)
        headers = {"Cookie": f"{COOKIE}={token}", "X-CSRF-Token": csrf}
        http = httpx.AsyncClient(base_url=console, headers=headers, timeout=60, trust_env=False)
        opened.append(http)
        return SignedIn(person, email, token, csrf, http)

    yield run
    for http in opened:
        await http.aclose()


@pytest.fixture
async def person(sign_in: SignIn) -> SignedIn:
    """Who may see and edit."""
    return await sign_in()


@pytest.fixture
async def reader(sign_in: SignIn) -> SignedIn:
    """Who may only see."""
    return await sign_in(can_edit=False)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("sem Chromium nesta máquina: apt-get install chromium")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def open_page(browser: Browser, console: str) -> AsyncIterator[OpenPage]:
    """A page of the console in a real browser, as `somebody` who is signed in; scripts' errors fail the test.

    More words go to the browser's context: `color_scheme`, `viewport`, `java_script_enabled`.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    async def run(somebody: SignedIn | None, path: str = "/", **more: Any) -> Page:
        context = await browser.new_context(base_url=console, locale="pt-BR", **more)
        contexts.append(context)
        if somebody is not None:
            # Chromium takes loopback for secure where a page is, not where a test sets a cookie.
            cookie = {"name": COOKIE, "value": somebody.token, "url": console.replace("http:", "https:")}
            await context.add_cookies([cookie])  # type: ignore[list-item]
        page = await context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        await page.goto(path)
        return page

    yield run
    for context in contexts:
        await context.close()
    assert errors == []


async def pulse() -> Pulse:
    return Pulse(prefect=True)


def csrf_of(token: str) -> str:
    nobody = UUID(int=0)
    return Visitor(token, nobody, "", "", False, nobody, "", False, ()).csrf
