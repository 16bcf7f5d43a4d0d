"""Reconciliation on a real database: linked once, settled, undone; what waits waits for a person."""

import asyncio
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.main import main
from core.reconciling import Rule
from db import reconciliation
from db.audit import By
from db.reconciliation import Outcome, Undecidable
from tests.cli.test_listings import installed
from tests.conftest import Database, Tenant, new_tenant
from tests.processes import sql
from tests.world.erp import Erp

__all__ = ["installed", "sql"]

TODAY = date.today()  # noqa: DTZ011 - days of the test's own rows
BY = By("ana", "conferido no extrato")
STATE = (
    "SELECT status, paid_amount, paid_at IS NOT NULL AS dated FROM erp.receivable ORDER BY document_number"
)


@pytest.fixture
def erp(database: Database, tenant: Tenant) -> Erp:
    return Erp(database.url, tenant.id, tenant.branch_id)


def charge(erp: Erp, number: str = "D-1", amount: str = "100.00", **columns: Any) -> uuid.UUID:
    columns = {"due_on": TODAY, **columns}
    return erp.add("receivable", document_number=number, amount=amount, **columns)


def paid_in(erp: Erp, reference: str = "T-1", amount: str = "100.00", **columns: Any) -> uuid.UUID:
    columns = {"booked_on": TODAY, "account": "1", **columns}
    return erp.add("bank_transaction", reference=reference, amount=amount, **columns)


async def waiting(engine: AsyncEngine, tenant: Tenant, state: str = "waiting") -> list[dict[str, Any]]:
    return await reconciliation.listed(engine, tenant.id, state=state)


async def test_what_is_sure_is_linked_once(engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any) -> None:
    charge(erp, our_number="000123")
    charge(erp, "D-2", "55.50")
    paid_in(erp, "T-1", "103.50", our_number="123")
    paid_in(erp, "T-2", "55.50")
    paid_in(erp, "T-3", "-55.50")
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(2, 0)
    assert sql(STATE) == [("paid", Decimal("103.50"), True), ("paid", Decimal("55.50"), True)]
    before = sql(
        "SELECT change_seq FROM erp.receivable UNION ALL SELECT change_seq FROM erp.bank_transaction"
    )
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 0)
    after = sql("SELECT change_seq FROM erp.receivable UNION ALL SELECT change_seq FROM erp.bank_transaction")
    assert before == after, "a second run writes nothing"
    rows = await waiting(engine, tenant, "matched")
    assert {row["rule"] for row in rows} == {Rule.OUR_NUMBER, Rule.AMOUNT}
    assert {row["decided_by"] for row in rows} == {"rule"}


async def test_parts_stay_open_until_all_is_there(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp, txid="abc", status="overdue")
    paid_in(erp, "T-1", "30.00", txid="abc")
    await reconciliation.reconcile(engine, tenant.id)
    assert sql(STATE) == [("overdue", Decimal(30), False)]
    # An import says again what the bank knows.
    sql("UPDATE erp.receivable SET paid_amount = NULL")
    await reconciliation.reconcile(engine, tenant.id)
    assert sql(STATE) == [("overdue", Decimal(30), False)]
    paid_in(erp, "T-2", "70.00", txid="abc")
    await reconciliation.reconcile(engine, tenant.id)
    assert sql(STATE) == [("paid", Decimal(100), True)]


async def test_what_waits_is_confirmed_by_a_person(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp, "D-1")
    second = charge(erp, "D-2")
    paid_in(erp)
    for _ in range(2):
        assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 1)
    proposed = await waiting(engine, tenant)
    assert len(proposed) == 2
    chosen = next(row for row in proposed if row["receivable_id"] == second)
    other = next(row for row in proposed if row["receivable_id"] != second)
    await reconciliation.confirm(engine, tenant.id, chosen["id"], BY)
    assert sql(STATE) == [("open", None, False), ("paid", Decimal(100), True)]
    assert await waiting(engine, tenant) == [], "the transaction is taken"
    for id_ in (chosen["id"], other["id"]):
        with pytest.raises(Undecidable):
            await reconciliation.confirm(engine, tenant.id, id_, BY)
    assert sql("SELECT actor, action, reason FROM sync.audit_log") == [
        ("ana", "reconciliation.confirm", "conferido no extrato")
    ]


async def test_a_refused_one_does_not_come_back(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp, "D-1")
    charge(erp, "D-2")
    paid_in(erp)
    await reconciliation.reconcile(engine, tenant.id)
    one, two = await waiting(engine, tenant)
    await reconciliation.refuse(engine, tenant.id, one["id"], BY)
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 1)
    assert [row["id"] for row in await waiting(engine, tenant)] == [two["id"]]
    assert sql("SELECT count(*) FROM erp.bank_transaction WHERE receivable_id IS NOT NULL") == [(0,)]


async def test_a_link_that_a_person_undoes_opens_the_charge_again(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp)
    transaction = paid_in(erp)
    await reconciliation.reconcile(engine, tenant.id)
    (made,) = await waiting(engine, tenant, "matched")
    await reconciliation.refuse(engine, tenant.id, made["id"], BY)
    assert sql(STATE) == [("open", None, False)]
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 0)
    # The ERP's own link is no business of the rule, and what the ERP undoes is not made again.
    other = charge(erp, "D-2")
    erp.edit("bank_transaction", transaction, receivable_id=other)
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 0)
    paid_in(erp, "T-2", "20.00")
    charge(erp, "D-3", "20.00")
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(1, 0)
    sql("UPDATE erp.bank_transaction SET receivable_id = NULL WHERE reference = 'T-2'")
    sql("UPDATE erp.receivable SET status = 'open', paid_amount = NULL WHERE document_number = 'D-3'")
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(0, 0)


async def test_what_the_bank_calls_paid_stays_paid(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp, status="paid", paid_amount="98.00", our_number="7")
    paid_in(erp, amount="98.00", our_number="7")
    assert await reconciliation.reconcile(engine, tenant.id) == Outcome(1, 0)
    (made,) = await waiting(engine, tenant, "matched")
    await reconciliation.refuse(engine, tenant.id, made["id"], BY)
    assert sql("SELECT status, paid_amount FROM erp.receivable") == [("paid", Decimal(98))]


async def test_many_are_linked_in_portions_and_by_several_at_once(
    engine: AsyncEngine, tenant: Tenant, erp: Erp, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "PORTION", 4)
    for n in range(11):
        charge(erp, f"D-{n}", our_number=f"9{n}")
        paid_in(erp, f"T-{n}", our_number=f"9{n}")
    done = await asyncio.gather(*[reconciliation.reconcile(engine, tenant.id) for _ in range(3)])
    assert sum(one.matched for one in done) == 11
    assert sql("SELECT count(DISTINCT receivable_id), count(*) FROM erp.bank_transaction") == [(11, 11)]
    assert sql("SELECT DISTINCT status, paid_amount FROM erp.receivable") == [("paid", Decimal(100))]


async def test_no_transaction_is_for_two_receivables(
    engine: AsyncEngine, database: Database, tenant: Tenant, erp: Erp, sql: Any
) -> None:
    charge(erp)
    paid_in(erp)
    await reconciliation.reconcile(engine, tenant.id)
    other = charge(erp, "D-2")
    with pytest.raises(IntegrityError, match="uq_reconciliation_matched"):
        sql(
            "INSERT INTO sync.reconciliation (tenant_id, transaction_id, receivable_id, rule, state)"
            f" SELECT tenant_id, transaction_id, '{other}', 'amount', 'matched' FROM sync.reconciliation"
        )
    (made,) = await waiting(engine, tenant, "matched")
    stranger = new_tenant(database, "Outra")
    assert await waiting(engine, stranger, "matched") == []
    with pytest.raises(Undecidable):
        await reconciliation.refuse(engine, stranger.id, made["id"], BY)


@pytest.mark.usefixtures("installed")
def test_the_command_line(erp: Erp, capsys: pytest.CaptureFixture[str]) -> None:
    charge(erp, "D-1", "1234.50")
    charge(erp, "D-2", "1234.50", due_on=TODAY + timedelta(days=1))
    paid_in(erp, amount="1234.50", description="PIX RECEBIDO")
    assert main(["reconcile", "apply"]) == 0
    assert "0 lançamentos conciliados, 1 aguardam uma pessoa." in capsys.readouterr().out
    assert main(["reconcile", "list"]) == 0
    shown = capsys.readouterr().out
    assert "1.234,50" in shown
    assert "valor e data" in shown
    ids = [line.split()[0] for line in shown.splitlines()[1:]]
    assert main(["reconcile", "refuse", ids[0]]) == 0
    assert main(["reconcile", "confirm", ids[1], "--reason", "é a segunda"]) == 0
    assert main(["reconcile", "confirm", ids[1]]) == 1
    assert "Solução: Aplique a regra de novo" in capsys.readouterr().err
    assert main(["reconcile", "list", "--state", "matched"]) == 0
    assert "conciliado" in capsys.readouterr().out
