"""Notices on their way out: e-mail and chat through apprise, webhooks through our own guarded client.

A webhook's host is typed by a tenant, so the address that was checked is the one that is called; the hosts
of the chats are the library's, the mail server is the operator's.
"""

import asyncio
import logging
import re
import threading
from typing import Any

import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.address import Guard
from core.channel import CHATS, ChannelKind, Destination, destination
from core.errors import ConfigurationError, SyncError, TransientError
from core.http import client, translate
from core.redaction import MASK, Redactor
from db.channels import FIELD
from db.notices import Delivery, claim, settle
from db.settings import Environment, Smtp, read, read_smtp
from db.vault import Vault, from_environment

AT_ONCE = 8
SECONDS = 30.0
"""Longest time of one delivery; a claim lasts ten times as long."""
TIMEOUT = httpx.Timeout(10.0)
SECURITY = {"starttls": "starttls", "tls": "ssl", "none": "insecure"}
SECRET_PARTS = re.compile(r"[:/]+")
_EMAIL = re.compile(r"[^\s<>,;:'\"()\[\]{}]+@[^\s<>,;:'\"()\[\]{}]+")


class Post:
    """Delivers what is due. `deliver` is a duty of the sentinel."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def deliver(self) -> dict[str, int] | None:
        """All that is due; counts of sent and failed ones. Raises `DatabaseUnavailable`, and
        `ConfigurationError` when there are no keys to open addresses with.
        """
        # Read each time: keys are rotated while the sentinel runs.
        environment = read()
        vault = from_environment(environment)
        sent = failed = 0
        while deliveries := await claim(self._engine, AT_ONCE):
            ended = await asyncio.gather(*(self._one(environment, vault, item) for item in deliveries))
            sent += sum(ended)
            failed += len(ended) - sum(ended)
        return {"sent": sent, "failed": failed} if sent or failed else None

    async def _one(self, environment: Environment, vault: Vault, delivery: Delivery) -> bool:
        error = await attempt(environment, vault, delivery)
        await settle(self._engine, delivery, error)
        return error is None


async def attempt(environment: Environment, vault: Vault, delivery: Delivery) -> str | None:
    """Send once; what went wrong, in Portuguese and without secrets, or None."""
    guard = Guard(environment.private_hosts, environment.plain_http)
    try:
        opened = vault.open(delivery.tenant_id, delivery.channel_id, FIELD, delivery.address)
        target = destination(opened, guard)
        async with asyncio.timeout(SECONDS):
            match target.kind:
                case ChannelKind.WEBHOOK:
                    await _webhook(environment, guard, target, delivery)
                case ChannelKind.EMAIL:
                    smtp = read_smtp()
                    await asyncio.to_thread(_email, smtp, target, delivery)
                case ChannelKind.CHAT:
                    await asyncio.to_thread(_chat, target, delivery)
    except SyncError as error:
        return error.message
    except TimeoutError:
        return f"O destino não respondeu em {SECONDS:.0f} s."
    except Exception as error:  # of the library; one notice must not stop the others, nor its text get out
        return f"Erro interno ao enviar ({type(error).__name__})."
    return None


async def _webhook(environment: Environment, guard: Guard, target: Destination, delivery: Delivery) -> None:
    try:
        async with client(
            target.address,
            httpx.Auth(),
            guard,
            ca_file=environment.ca_file,
            timeout=TIMEOUT,
            total_seconds=SECONDS,
        ) as http:
            headers = {"Content-Type": "application/json"}
            async with http.stream(
                "POST", target.address, content=_body(delivery), headers=headers
            ) as answer:
                status = answer.status_code
    except httpx.HTTPError as error:
        raise translate(error) from None
    if not 200 <= status < 300:
        raise TransientError(f"O webhook em {httpx.URL(target.address).host} respondeu {status}.")


def _body(delivery: Delivery) -> bytes:
    """`id` is the same however often the notice arrives."""
    return msgspec.json.encode(
        {
            "id": delivery.notice_id,
            "kind": delivery.kind,
            "integration": delivery.integration,
            "subject": delivery.subject,
            "body": delivery.body,
            "created_at": delivery.created_at,
        }
    )


def _email(smtp: Smtp, target: Destination, delivery: Delivery) -> None:
    arguments = {
        "schema": "mailto" if smtp.security == "none" else "mailtos",
        "host": smtp.host,
        "smtp_host": smtp.host,
        "port": smtp.port,
        "secure_mode": SECURITY[smtp.security],
        "user": smtp.user or None,
        "password": smtp.password or None,
        "from_addr": smtp.sender,
        "targets": [target.address],
        "format": "text",
    }
    where = f"O servidor de e-mail {smtp.host}:{smtp.port}"
    _notify(arguments, delivery, where, Redactor([smtp.password, smtp.user]))


def _chat(target: Destination, delivery: Delivery) -> None:
    name = CHATS[target.address.partition(":")[0]]
    _notify(target.address, delivery, name, Redactor(SECRET_PARTS.split(target.address)[1:]))


def _notify(where: dict[str, Any] | str, delivery: Delivery, name: str, redact: Redactor) -> None:
    """Through apprise. Raises `TransientError` with what the other side said."""
    import apprise  # noqa: PLC0415 - 0.3 s that a sentinel without notices does not spend

    # Its log names recipients; only what is overheard below, redacted, gets any further.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    asset = apprise.AppriseAsset(
        app_id="CloudToSys", app_desc="CloudToSys Integrações", app_url="", http_redirects=False
    )
    overheard = _Overheard()
    logger.addHandler(overheard)
    try:
        channel = apprise.Apprise.instantiate(where, asset=asset)
        if channel is None:
            raise ConfigurationError(f"{name}: o endereço do canal ou do remetente não é aceito.")
        done = channel.notify(
            body=delivery.body,
            title=delivery.subject,
            body_format=apprise.NotifyFormat.TEXT,
            # A chat takes some 2,000 characters; a ticket begins with what matters.
            overflow=apprise.OverflowMode.TRUNCATE,
        )
    finally:
        logger.removeHandler(overheard)
    if not done:
        words = _EMAIL.sub(MASK, redact(overheard.words))
        said = f" Resposta: {words}" if words else ""
        raise TransientError(f"{name} não aceitou a mensagem ou não respondeu.{said}")


class _Overheard(logging.Handler):
    """What the library says in this thread about a failure: it returns only whether it worked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        message = record.getMessage()
        if message.startswith("Socket Exception: "):
            self.words = " ".join(message.partition(": ")[2].split())[:200]
        elif record.levelno >= logging.WARNING and not self.words:
            self.words = " ".join(message.split())[:200]
