"""A mail server and a webhook that are real and local, and a post between them and the database."""

import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import OPERATOR
from core.address import Guard
from core.channel import destination
from db import channels
from db.channels import ChannelRow
from db.notices import Notice, announce
from db.session import tenant_transaction
from db.vault import Vault, generate_key
from deployments.delivery import Post
from tests.conftest import Database, Tenant
from tests.processes import new_pair, sql

__all__ = ["new_pair", "sql"]

Make = Callable[..., Awaitable[ChannelRow]]


class Mailbox:
    """Mails that arrived; `refusal` is answered to a recipient instead of an OK."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusal = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"


class Hook:
    """A webhook's receiver: what it was sent, and the status it answers."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.status = 204
        self.lock = threading.Lock()
        self.address = ""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("CLOUDTOSYS_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("CLOUDTOSYS_SMTP_PORT", str(port))
    monkeypatch.setenv("CLOUDTOSYS_SMTP_SECURITY", "none")
    monkeypatch.setenv("CLOUDTOSYS_SMTP_FROM", "CloudToSys <avisos@exemplo.test>")
    yield box
    controller.stop()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    made = Hook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with made.lock:
                made.bodies.append(json.loads(body))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    made.address = f"http://127.0.0.1:{server.server_port}/avisos?chave=segredo-da-url"
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def vault(database: Database, monkeypatch: pytest.MonkeyPatch) -> Vault:
    key = generate_key()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)
    return Vault([key])


@pytest.fixture
def post(engine: AsyncEngine, vault: Vault) -> Post:
    return Post(engine)


@pytest.fixture
def channel(engine: AsyncEngine, vault: Vault, tenant: Tenant) -> Make:
    """A channel of the tenant with an address that the guard lets pass."""

    async def make(address: str, name: str = "Equipe") -> ChannelRow:
        target = destination(address, Guard(frozenset({"127.0.0.1"})))
        found = await channels.create_channel(engine, vault, OPERATOR, tenant.id, name, target)
        return next(row for row in await channels.channels(engine, tenant.id) if row.id == found)

    return make


@pytest.fixture
def tell(engine: AsyncEngine, tenant: Tenant) -> Callable[..., Awaitable[UUID]]:
    async def run(subject: str = "Loja: parou", body: str = "Causa.\nSolução.") -> UUID:
        async with tenant_transaction(engine, tenant.id) as connection:
            return await announce(connection, tenant.id, Notice("test", subject, body))

    return run
