"""Notices reach a real mail server and a real webhook, once, or say in the delivery log why not."""

import asyncio
import email
import email.policy
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import OPERATOR, Actor, NotAllowed
from core.address import Guard
from core.channel import CHATS, ChannelRefused, destination
from core.errors import AddressRefused, ConfigurationError
from db import channels, keys, notices
from db.notices import Notice, announce
from db.session import tenant_transaction
from db.vault import Vault, generate_key
from deployments.delivery import Post
from tests.conftest import Database, Tenant, new_tenant
from tests.notices.conftest import Hook, Mailbox, Make, free_port

Tell = Callable[..., Awaitable[UUID]]
Sql = Callable[..., Any]
STATES = "SELECT state, attempts, error, sent_at, next_attempt_at - now() AS wait FROM sync.notice_delivery"
CLOSED = Guard()


async def test_a_notice_reaches_every_channel_once(
    post: Post, channel: Make, tell: Tell, mailbox: Mailbox, hook: Hook, sql: Sql
) -> None:
    await channel("compras@loja.exemplo.test", "E-mail")
    await channel(hook.address, "Webhook")
    notice = await tell("Loja São José: parou", "Causa: ação.\nSolução: reconecte.")
    assert await post.deliver() == {"sent": 2, "failed": 0}
    assert await post.deliver() is None
    [mail] = mailbox.mails
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert mail.rcpt_tos == ["compras@loja.exemplo.test"]
    assert mail.mail_from == "avisos@exemplo.test"
    assert message["subject"] == "Loja São José: parou"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r", "").strip() == "Causa: ação.\nSolução: reconecte."
    [body] = hook.bodies
    assert body["id"] == str(notice)
    assert (body["kind"], body["subject"], body["integration"]) == ("test", "Loja São José: parou", None)
    assert {(row.state, row.attempts, row.error) for row in sql(STATES)} == {("sent", 1, "")}


async def test_a_dead_webhook_is_tried_later_and_later_and_then_given_up(
    post: Post, channel: Make, tell: Tell, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", f"127.0.0.1:{port}")
    await channel(f"http://127.0.0.1:{port}/x?chave=segredo-da-url")
    await tell()
    waits = []
    for attempt in range(1, len(notices.BACKOFF) + 2):
        assert await post.deliver() == {"sent": 0, "failed": 1}
        assert await post.deliver() is None
        [row] = sql(STATES)
        assert row.attempts == attempt
        assert "conectar a 127.0.0.1" in row.error
        assert "segredo-da-url" not in row.error
        waits.append(row.wait.total_seconds())
        sql("UPDATE sync.notice_delivery SET next_attempt_at = now()")
    for wait, expected in zip(waits, notices.BACKOFF, strict=False):
        assert wait == pytest.approx(expected, abs=10)
    assert row.state == "failed"
    assert await post.deliver() is None


async def test_a_webhook_that_answers_an_error_is_tried_again_and_then_sent(
    post: Post, channel: Make, tell: Tell, hook: Hook, sql: Sql
) -> None:
    await channel(hook.address)
    await tell()
    hook.status = 503
    assert await post.deliver() == {"sent": 0, "failed": 1}
    assert "respondeu 503" in sql(STATES)[0].error
    hook.status = 302
    sql("UPDATE sync.notice_delivery SET next_attempt_at = now()")
    assert await post.deliver() == {"sent": 0, "failed": 1}
    hook.status = 200
    sql("UPDATE sync.notice_delivery SET next_attempt_at = now()")
    assert await post.deliver() == {"sent": 1, "failed": 0}
    [row] = sql(STATES)
    assert (row.state, row.attempts, row.error) == ("sent", 3, "")
    assert len({body["id"] for body in hook.bodies}) == 1


async def test_a_refused_mail_says_why_without_naming_anybody(
    post: Post,
    channel: Make,
    tell: Tell,
    mailbox: Mailbox,
    sql: Sql,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logged: list[str] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = lambda record: logged.append(record.name)  # type: ignore[method-assign]
    mailbox.refusal = "550 5.1.1 no such user compras@loja.exemplo.test"
    await channel("compras@loja.exemplo.test")
    await tell()
    root.addHandler(handler)
    try:
        assert await post.deliver() == {"sent": 0, "failed": 1}
    finally:
        root.removeHandler(handler)
    [row] = sql(STATES)
    assert "não aceitou" in row.error
    assert "550" in row.error
    shown = capsys.readouterr()
    assert "compras@" not in row.error + shown.out + shown.err
    assert "apprise" not in logged, "the library's log names people"


async def test_mail_without_settings_tells_the_operator_what_is_missing(
    post: Post, channel: Make, tell: Tell, sql: Sql
) -> None:
    await channel("compras@loja.exemplo.test")
    await tell()
    assert await post.deliver() == {"sent": 0, "failed": 1}
    assert "CLOUDTOSYS_SMTP_HOST" in sql(STATES)[0].error


async def test_no_notice_without_its_cause(
    engine: AsyncEngine, tenant: Tenant, channel: Make, hook: Hook, sql: Sql
) -> None:
    await channel(hook.address)

    async def fail_after_telling() -> None:
        async with tenant_transaction(engine, tenant.id) as connection:
            await announce(connection, tenant.id, Notice("test", "x", "y"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_telling()
    assert sql(STATES) == []
    assert sql("SELECT id FROM sync.notice") == []


async def test_many_sentinels_send_each_notice_once(
    engine: AsyncEngine, vault: Vault, channel: Make, tell: Tell, hook: Hook
) -> None:
    await channel(hook.address)
    told = {str(await tell()) for _ in range(30)}
    await asyncio.gather(*(Post(engine).deliver() for _ in range(4)))
    assert sorted(body["id"] for body in hook.bodies) == sorted(told)


async def test_a_claim_that_was_never_settled_is_taken_again(
    engine: AsyncEngine, post: Post, channel: Make, tell: Tell, hook: Hook, sql: Sql
) -> None:
    await channel(hook.address)
    await tell()
    [lost] = await notices.claim(engine, 10)
    assert await post.deliver() is None
    sql("UPDATE sync.notice_delivery SET next_attempt_at = now()")
    assert await post.deliver() == {"sent": 1, "failed": 0}
    await notices.settle(engine, lost, "late")
    assert [row.state for row in sql(STATES)] == ["sent"]


async def test_a_channel_that_is_switched_off_gets_nothing_old(
    engine: AsyncEngine, post: Post, channel: Make, tell: Tell, hook: Hook, sql: Sql
) -> None:
    made = await channel(hook.address)
    await tell()
    await channels.enable_channel(engine, OPERATOR, made, enabled=False)
    await tell()
    await channels.enable_channel(engine, OPERATOR, made, enabled=True)
    assert await post.deliver() is None
    assert [row.state for row in sql(STATES)] == ["failed"]
    await channels.delete_channel(engine, OPERATOR, made)
    assert len(sql("SELECT id FROM sync.notice")) == 2
    actions = [row[0] for row in sql("SELECT action FROM sync.audit_log ORDER BY id")]
    assert actions == ["channel.create", "channel.disable", "channel.enable", "channel.delete"]


async def test_the_test_message_takes_the_way_of_every_notice(
    engine: AsyncEngine, tenant: Tenant, post: Post, channel: Make, hook: Hook, mailbox: Mailbox
) -> None:
    made = await channel(hook.address, "Webhook")
    await channel("compras@loja.exemplo.test", "E-mail")
    notice = await channels.try_channel(engine, OPERATOR, made)
    [row] = await notices.notices(engine, tenant.id, notice_id=notice)
    assert (row["channel"], row["state"]) == ("Webhook", "pending")
    await post.deliver()
    [row] = await notices.notices(engine, tenant.id, notice_id=notice)
    assert row["state"] == "sent"
    assert [body["kind"] for body in hook.bodies] == ["test"]
    assert mailbox.mails == []
    with pytest.raises(NotAllowed):
        await channels.try_channel(engine, Actor("ana", can_edit=False), made)


async def test_addresses_are_sealed_move_to_a_new_key_and_belong_to_their_tenant(
    engine: AsyncEngine, vault: Vault, channel: Make, tenant: Tenant, hook: Hook, sql: Sql, database: Database
) -> None:
    made = await channel(hook.address)
    with pytest.raises(ConfigurationError, match="Já existe"):
        await channel(hook.address, "EQUIPE")
    other = new_tenant(database, "Outra")
    assert await channels.channels(engine, other.id) == []
    assert hook.address.encode() not in made.address
    new = Vault([generate_key()])
    with pytest.raises(ConfigurationError):
        made.opened(new)
    key = generate_key()
    both = Vault([key, _key_of(vault)])
    await keys.rotate(engine, both)
    [row] = await channels.channels(engine, tenant.id)
    assert row.opened(Vault([key])) == hook.address
    sql("UPDATE sync.channel SET tenant_id = :other", other=other.id)
    [stolen] = await channels.channels(engine, other.id)
    with pytest.raises(ConfigurationError, match="não pertence"):
        stolen.opened(both)


def _key_of(vault: Vault) -> str:
    assert vault.key_id
    return os.environ["CLOUDTOSYS_KEYS"]


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("http://192.168.0.10/x", AddressRefused),
        ("https://169.254.169.254/latest", AddressRefused),
        ("https://localhost/x", AddressRefused),
        ("https://user:senha@exemplo.com/x", AddressRefused),
        ("json://exemplo.com/x", ChannelRefused),
        ("mailto://user:senha@exemplo.com?smtp=10.0.0.1", ChannelRefused),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=/etc/passwd", ChannelRefused),
        ("mmost://exemplo.com/token12345", ChannelRefused),
        ("syslog://localhost", ChannelRefused),
        ("file:///etc/passwd", ChannelRefused),
        ("a@b.com\nBcc: c@d.com", ChannelRefused),
        ("a@b.com,c@d.com", ChannelRefused),
        ("x" * 3000, ChannelRefused),
    ],
)
def test_only_mail_webhooks_and_fixed_chats_are_accepted(address: str, refusal: Any) -> None:
    with pytest.raises(refusal):
        destination(address, CLOSED)


async def test_a_webhook_into_a_private_network_is_not_called(
    post: Post, channel: Make, tell: Tell, hook: Hook, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await channel(hook.address)
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "")
    await tell()
    assert await post.deliver() == {"sent": 0, "failed": 1}
    assert hook.bodies == []
    assert "segredo-da-url" not in sql(STATES)[0].error


@pytest.mark.parametrize(
    "address",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "gchat://AAAA1234/chave-do-espaco/token-do-espaco",
        "tgram://123456789:abcdefg_hijklmnop-qrstuvwxyzABCDE/12315544",
    ],
)
def test_chats_are_understood_by_the_library_and_name_no_host(address: str) -> None:
    import apprise  # noqa: PLC0415

    target = destination(address, CLOSED)
    assert target.label in CHATS.values()
    assert apprise.Apprise.instantiate(target.address) is not None
    assert "://" not in target.label


def test_labels_show_neither_tokens_nor_people() -> None:
    guard = Guard()
    assert destination("compras@loja.exemplo.test", guard).label == "e-mail · loja.exemplo.test"
    hook = destination("https://hooks.exemplo.test/T0/segredo?x=1", guard)
    assert hook.label == "webhook · hooks.exemplo.test"
