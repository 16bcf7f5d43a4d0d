"""Statement and charges through Prefect and a worker: what came in is paired by the runs themselves."""

import os
import subprocess
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core.entities import Entity, Trigger
from deployments.apply import Prefect
from providers.banco_inter.reading import today
from sandbox.banco_inter.process import start as open_bank
from tests.conftest import Database, Tenant
from tests.providers.account import connect

Until = Callable[..., Awaitable[Any]]
NAMES = ("CLOUDTOSYS_CA_FILE", "CLOUDTOSYS_KEYS", "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS")
LINKED = (
    "SELECT c.rule, c.state, r.document_number FROM sync.reconciliation c"
    " JOIN erp.receivable r ON r.id = c.receivable_id"
    " JOIN erp.bank_transaction t ON t.id = c.transaction_id AND t.receivable_id = r.id"
)


async def test_a_payment_is_paired_whichever_side_comes_last(
    prefect: Prefect,
    start: Callable[..., subprocess.Popen[bytes]],
    until: Until,
    database: Database,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_bank() as bank:
        monkeypatch.setenv("CLOUDTOSYS_CA_FILE", bank.ca_file)
        begin = f"{today() - timedelta(days=30):%d/%m/%Y}"
        settings = {**bank.settings, "start_on": begin}
        account = connect("banco-inter", settings, database, tenant, monkeypatch)
        for entity in (Entity.BANK_TRANSACTIONS, Entity.RECEIVABLES):
            account.pair(entity)
        await prefect.apply()
        start("deployments.warm", **{name: os.environ[name] for name in NAMES})

        async def run(entity: Entity) -> None:
            before = len(account.query("SELECT FROM sync.sync_log WHERE ended_at IS NOT NULL"))
            await prefect.trigger(account.pairs[entity], initiated_by=Trigger.MANUAL)

            async def ended() -> bool:
                rows = account.query("SELECT status FROM sync.sync_log WHERE ended_at IS NOT NULL")
                assert {row.status for row in rows} <= {"success"}
                return len(rows) > before

            await until(ended, seconds=90.0)

        paid = bank.steer("charge")
        bank.steer("pay", code=paid["codigoSolicitacao"], by="PIX")
        await run(Entity.BANK_TRANSACTIONS)
        assert account.query(LINKED) == []
        await run(Entity.RECEIVABLES)
        assert account.query(LINKED) == [("txid", "matched", paid["seuNumero"])]
        account.erp.add("receivable", document_number="D-9", amount="77.70", due_on=today())
        bank.steer("transaction", valor="77.70", tipoTransacao="TRANSFERENCIA", titulo="TED recebida")
        await run(Entity.BANK_TRANSACTIONS)
        assert ("amount", "matched", "D-9") in account.query(LINKED)
