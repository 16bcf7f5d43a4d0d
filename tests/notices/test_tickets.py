"""What a person does about a failed log: mark it, export it, open a ticket; and what of it gets out."""

import asyncio
import email
import email.policy
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import OPERATOR, Actor, NotAllowed
from core.errors import ConfigurationError
from core.versions import versions
from db import listings
from db.dossier import LogUnknown, Setting, export_log
from db.figures import figures
from db.resolution import resolve_log
from db.retention import sweep
from db.tickets import close_ticket, open_ticket, tickets
from db.vault import Vault
from deployments.delivery import Post
from providers.registry import get
from tests.conftest import Database, Tenant, new_tenant
from tests.notices.conftest import SECRET, Hook, Mailbox, Make

Sql = Callable[..., Any]
READER = Actor("ana", can_edit=False)
SETTING = Setting(versions(get("woocommerce")), "http://127.0.0.1:4701/runs/flow-run/x")
PEOPLE = ("Maria", "Souza", "maria@exemplo.test", "529.982.247-25", "52998224725", "Rua das Flores")


async def exported(engine: AsyncEngine, vault: Vault, tenant: Tenant, log: UUID) -> str:
    pieces = await export_log(engine, vault, OPERATOR, tenant.id, log, SETTING)
    return b"".join([piece async for piece in pieces]).decode()


async def test_marked_as_resolved_leaves_the_dashboard_with_its_reason(
    engine: AsyncEngine, tenant: Tenant, failed: Callable[..., UUID], sql: Sql
) -> None:
    log, other = failed(), failed(issues=1)
    sql("UPDATE sync.issue SET next_attempt_at = now()")
    before = await figures(engine)
    assert (before.issues, before.runs[("partial", "schedule")]) == (3, 2)
    assert await resolve_log(engine, OPERATOR, tenant.id, log, "Corrigido na loja.") == 2
    after = await figures(engine)
    assert (after.issues, after.runs[("partial", "schedule")]) == (1, 1)
    rows = sql(
        "SELECT resolved_by, resolved_reason, next_attempt_at FROM sync.issue WHERE state = 'resolved'"
    )
    assert set(rows) == {("cli", "Corrigido na loja.", None)}
    [audited] = sql("SELECT actor, action, target, reason, details FROM sync.audit_log")
    assert audited == ("cli", "log.resolve", str(log), "Corrigido na loja.", {"issues": 2})
    shown = await listings.logs(engine, tenant.id, unresolved=True)
    assert [row["id"] for row in shown] == [other]
    all_ = {row["id"]: row for row in await listings.logs(engine, tenant.id)}
    assert all_[log]["resolved_reason"] == "Corrigido na loja."


async def test_what_may_not_be_marked(
    engine: AsyncEngine, tenant: Tenant, failed: Callable[..., UUID], database: Database
) -> None:
    log = failed()
    with pytest.raises(NotAllowed):
        await resolve_log(engine, READER, tenant.id, log, "x")
    with pytest.raises(ConfigurationError, match="motivo"):
        await resolve_log(engine, OPERATOR, tenant.id, log, "  ")
    with pytest.raises(LogUnknown):
        await resolve_log(engine, OPERATOR, new_tenant(database, "Outra").id, log, "x")
    with pytest.raises(ConfigurationError, match="Só um log"):
        await resolve_log(engine, OPERATOR, tenant.id, failed("success", issues=0), "x")
    await resolve_log(engine, OPERATOR, tenant.id, log, "x")
    with pytest.raises(ConfigurationError, match="já foi marcado"):
        await resolve_log(engine, OPERATOR, tenant.id, log, "x")


async def test_unresolved_are_those_that_nothing_put_right(
    engine: AsyncEngine, tenant: Tenant, failed: Callable[..., UUID], sql: Sql
) -> None:
    async def shown() -> list[UUID]:
        return [row["id"] for row in await listings.logs(engine, tenant.id, unresolved=True)]

    partial = failed(ago=50)
    broken = failed("error", issues=0, ago=40)
    failed("interrupted", issues=0, ago=30)
    assert await shown() == [broken, partial]
    sql("UPDATE sync.issue SET state = 'resolved', resolved_by = 'sync'")
    assert await shown() == [broken]
    failed("success", issues=0, ago=10)
    assert await shown() == []
    again = failed("error", issues=0, ago=5)
    assert await shown() == [again]


async def test_the_export_is_complete_and_without_secrets(
    engine: AsyncEngine, vault: Vault, tenant: Tenant, failed: Callable[..., UUID], sql: Sql
) -> None:
    log = failed(issues=1203)
    text = await exported(engine, vault, tenant, log)
    data = json.loads(text)
    assert data["log"]["id"] == str(log)
    assert data["run"]["url"] == SETTING.url
    assert data["versions"]["mappings"]["customers"] >= 1
    assert data["versions"]["postgresql"]
    assert data["integration"]["name"] == "Loja Principal"
    assert len({issue["id"] for issue in data["issues"]}) == 1203
    first = data["issues"][0]
    assert first["mapping"]["external_id"] == "0"
    assert first["remedy"] == "Corrija o campo."
    assert (first["payload"]["first_name"], first["payload"]["total"]) == ("Maria", "59.90")
    for canary in (SECRET, "maria@exemplo.test", "529.982.247-25", "52998224725"):
        assert canary not in json.dumps([issue["payload"] for issue in data["issues"]])
    assert SECRET not in text
    [audited] = sql("SELECT action, target FROM sync.audit_log")
    assert audited == ("log.export", str(log))


async def test_an_export_needs_the_right_and_the_tenant(
    engine: AsyncEngine,
    vault: Vault,
    tenant: Tenant,
    failed: Callable[..., UUID],
    sql: Sql,
    database: Database,
) -> None:
    log = failed()
    with pytest.raises(NotAllowed):
        await export_log(engine, vault, READER, tenant.id, log, SETTING)
    other = new_tenant(database, "Outra")
    with pytest.raises(LogUnknown):
        await export_log(engine, vault, OPERATOR, other.id, log, SETTING)
    with pytest.raises(NotAllowed):
        await open_ticket(engine, vault, READER, tenant.id, log, SETTING)
    assert sql("SELECT * FROM sync.audit_log") == []


async def test_a_ticket_tells_everything_and_names_nobody(
    engine: AsyncEngine,
    vault: Vault,
    tenant: Tenant,
    failed: Callable[..., UUID],
    sql: Sql,
    channel: Make,
    mailbox: Mailbox,
    hook: Hook,
    post: Post,
) -> None:
    await channel("suporte@exemplo.test", "Suporte")
    await channel(hook.address, "Webhook")
    log = failed(issues=3)
    note = "A cliente Ana (ana@exemplo.test, CPF 529.982.247-25) reclamou."
    ticket = await open_ticket(engine, vault, OPERATOR, tenant.id, log, SETTING, note=note)
    assert ticket.number.startswith("T-2")
    assert ticket.number.endswith("-000001")
    [row] = sql("SELECT subject, body, details, sync_log_id, opened_by, state FROM sync.support_ticket")
    assert (row.sync_log_id, row.opened_by, row.state) == (log, "cli", "open")
    flow_run = sql("SELECT flow_run_id FROM sync.sync_log")[0][0]
    for word in (
        *(str(log), str(flow_run), SETTING.url, "Loja Principal", "clientes · importar"),
        *("RecordError", "(3 vezes)", "Um campo obrigatório está vazio.", "Corrija o campo."),
        *("cloudtosys", "woocommerce", "erros 3", "reclamou"),
    ):
        assert word in row.body
    payload = row.details["issues"][0]["payload"]
    assert (payload["id"], payload["total"], payload["billing"]["state"]) == (0, "59.90", "SC")
    assert payload["first_name"] == "•••"
    await post.deliver()
    [mail], [body] = mailbox.mails, hook.bodies
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    part = message.get_body(("plain",))
    assert part is not None
    sent = part.get_content()
    assert message["subject"] == row.subject == body["subject"]
    assert body["kind"] == "ticket"
    assert '"first_name"' in body["body"]
    everywhere = json.dumps([row.subject, row.body, row.details, body, sent], ensure_ascii=False)
    assert [word for word in (SECRET, "ana@exemplo.test", *PEOPLE) if word in everywhere] == []


async def test_a_log_has_one_open_ticket_and_numbers_have_no_gap(
    engine: AsyncEngine,
    vault: Vault,
    tenant: Tenant,
    failed: Callable[..., UUID],
    sql: Sql,
    database: Database,
) -> None:
    logs = [failed(issues=1) for _ in range(6)]
    made = await asyncio.gather(
        *(open_ticket(engine, vault, OPERATOR, tenant.id, log, SETTING) for log in logs for _ in range(2))
    )
    numbers = sorted({ticket.number[-6:] for ticket in made})
    assert numbers == [f"{n:06}" for n in range(1, 7)]
    assert sum(ticket.is_new for ticket in made) == 6
    assert len(sql("SELECT id FROM sync.notice WHERE kind = 'ticket'")) == 6
    await close_ticket(engine, OPERATOR, tenant.id, made[0].number)
    with pytest.raises(ConfigurationError):
        await close_ticket(engine, OPERATOR, tenant.id, made[0].number)
    again = await open_ticket(engine, vault, OPERATOR, tenant.id, logs[0], SETTING)
    assert again.is_new
    assert again.number.endswith("-000007")
    assert len(await tickets(engine, tenant.id)) == 7
    assert await tickets(engine, new_tenant(database, "Outra").id) == []


async def test_a_ticket_outlives_its_log(
    engine: AsyncEngine, vault: Vault, tenant: Tenant, failed: Callable[..., UUID], sql: Sql
) -> None:
    log = failed(issues=1)
    with pytest.raises(ConfigurationError, match="não terminou"):
        await open_ticket(engine, vault, OPERATOR, tenant.id, failed("running", issues=0), SETTING)
    await open_ticket(engine, vault, OPERATOR, tenant.id, log, SETTING)
    sql("UPDATE sync.sync_log SET ended_at = ended_at - interval '3 years' WHERE id = :log", log=log)
    assert (await sweep(engine)).logs == 1
    [row] = await tickets(engine, tenant.id)
    assert row["sync_log_id"] == log
