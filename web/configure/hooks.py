"""The webhook of an integration as the console shows it: address, token, what has been heard."""

from dataclasses import dataclass

from core.errors import ConfigurationError, SyncError
from core.spec import Provider
from core.webhooks import TOKEN
from db import webhooks
from db.admin import IntegrationRow
from db.webhooks import Topic
from providers.registry import get
from web.configure.kinds import credential_label
from web.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Hook:
    """`address` is empty where the installation has none (`missing` says so). `token` is shown this once.

    `signed_by` are labels of the external system's own secrets that prove a message; empty where our token
    does. `automatic`: the subscriptions are made through the external system's API.
    """

    address: str
    missing: str
    token: str
    has_token: bool
    in_address: bool
    signed_by: tuple[str, ...]
    automatic: bool
    by_hand: str
    topics: list[Topic]

    @property
    def heard(self) -> bool:
        return any(topic.last_received_at for topic in self.topics)


async def offer(wired: Wiring, row: IntegrationRow) -> bool:
    """Let the external system know where to send, where its API allows it and anybody can reach us; whether
    all stands. What does not is tried again by the daily housekeeping."""
    declared = get(row.provider).webhooks
    if declared is None or declared.registration is None or not wired.environment.public_url:
        return True
    try:
        return not any((await wired.register(row)).values())
    except SyncError:
        return False


async def told(wired: Wiring, row: IntegrationRow, kind: Provider | None, token: str = "") -> Hook | None:
    """None for a system that tells nothing by itself."""
    declared = kind.webhooks if kind else None
    if kind is None or declared is None:
        return None
    in_address = declared.proof == "address"
    address, missing = "", ""
    try:
        shown = token if in_address else ""
        address = webhooks.address(wired.public_url, kind.key, row.webhook_public_id, shown)
    except ConfigurationError as error:
        missing = error.message
    theirs = declared.keys if declared.proof == "theirs" else ()
    return Hook(
        address=address,
        missing=missing,
        token=token,
        has_token=TOKEN in row.secrets or bool(token),
        in_address=in_address,
        signed_by=tuple([credential_label(kind, name) for name in theirs]),
        automatic=declared.registration is not None,
        by_hand=declared.by_hand,
        topics=await webhooks.topics(wired.engine, row.tenant_id, row.id, declared),
    )
