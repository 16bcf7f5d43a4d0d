"""A mail server and a webhook that are real and local, and a post between them and the database."""

import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import OPERATOR
from core.address import Guard
from core.channel import destination
from core.entities import Cadence, Entity
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
Sql = Callable[..., Any]
SECRET = "cs_7f3c1d9e5b2a486f90e1d3c5b7a9f8e6"
RECORD = {
    "id": 31,
    "first_name": "Maria",
    "last_name": "Souza",
    "email": "maria@exemplo.test",
    "billing": {"address_1": "Rua das Flores, 10", "cpf": "529.982.247-25", "state": "SC"},
    "meta_data": [{"key": "_billing_cpf", "value": "52998224725"}],
    "debug": f"GET /wp-json?consumer_secret={SECRET}",
    "raw": f"assinado com {SECRET}",
    "total": "59.90",
}


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

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # of many who come at once the usual five would be let in

    server = Server(("127.0.0.1", 0), Receiver)
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


@pytest.fixture
def pair(new_pair: Callable[..., UUID], sql: Sql, vault: Vault, tenant: Tenant) -> UUID:
    """A pair of customers, of an integration with a credential."""
    made = new_pair(Entity.CUSTOMERS, Cadence.HOURLY, "Loja Principal")
    [(integration,)] = sql("SELECT integration_id FROM sync.pair WHERE id = :id", id=made)
    sealed = vault.seal(tenant.id, integration, "consumer_secret", SECRET)
    sql(
        "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id)"
        " VALUES (:tenant, :integration, 'consumer_secret', :secret, :key)",
        tenant=tenant.id,
        integration=integration,
        secret=sealed.ciphertext,
        key=sealed.key_id,
    )
    return made


@pytest.fixture
def failed(sql: Sql, vault: Vault, pair: UUID) -> Callable[..., UUID]:
    """A log of that pair, with some failed records."""

    def write(status: str = "partial", issues: int = 2, ago: int = 60) -> UUID:
        log = uuid4()
        sql(
            "INSERT INTO sync.sync_log (id, tenant_id, integration_id, pair_id, entity, direction, status,"
            " initiated_by, flow_run_id, started_at, ended_at, processed, success, errors, created,"
            " error_class, message, cause, remedy) SELECT :log, tenant_id, integration_id, id, entity,"
            " 'import', :status, 'schedule', gen_random_uuid(), now() - make_interval(mins => :ago),"
            " CASE WHEN :status = 'running' THEN NULL ELSE now() END, 10 + :issues, 10, :issues, 10,"
            " CASE WHEN :status = 'error' THEN 'TransientError' END, '', '', '' FROM sync.pair"
            " WHERE id = :pair",
            log=log,
            status=status,
            issues=issues,
            ago=ago,
            pair=pair,
        )
        for n in range(issues):
            sealed = vault.seal_payload(json.dumps(RECORD | {"id": n}).encode())
            values = {"log": log, "external": f"{n}", "payload": sealed.ciphertext, "key": sealed.key_id}
            sql(
                "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction,"
                " external_id, error_class, message, cause, remedy, fault, provider_message, payload, key_id)"
                " SELECT tenant_id, id, integration_id, pair_id, entity, 'import', :external, 'RecordError',"
                " 'CPF inválido.', 'Um campo obrigatório está vazio.', 'Corrija o campo.', 'data',"
                " 'maria@exemplo.test is invalid', :payload, :key FROM sync.sync_log WHERE id = :log",
                **values,
            )
        sql(
            "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, notes)"
            " SELECT tenant_id, integration_id, entity, '0', gen_random_uuid(), 'Maria Souza, da matriz'"
            " FROM sync.pair WHERE id = :pair ON CONFLICT DO NOTHING",
            pair=pair,
        )
        return log

    return write
