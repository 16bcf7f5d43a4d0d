"""Banco Inter end to end: a bank over mutual TLS, a real PostgreSQL."""

import base64
import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.entities import Direction, Entity, RunStatus
from core.errors import AuthenticationError, AuthorizationError, NotSent, RecordError
from core.records import Address, Receivable
from core.spec import RateLimit, Settings, Span
from providers.banco_inter import BANCO_INTER, certificate
from providers.banco_inter import reading as rules
from providers.banco_inter.mapping import receivable_from, transaction_from
from providers.banco_inter.reading import STATEMENT, Place, today
from providers.banco_inter.writing import body
from sandbox import certificates
from sandbox.banco_inter.process import Bank, start
from tests.conftest import Database, Tenant
from tests.providers import contract
from tests.providers.account import Account, connect
from tests.providers.stands import Stand

FIXTURES = Path(__file__).parent / "fixtures" / "banco_inter"
SETTINGS = {"account": "0012345-678", "start_on": "01/01/2026"}
OLD = today() - timedelta(days=200)


@pytest.fixture(scope="module")
def running() -> Iterator[Bank]:
    with start() as bank:
        yield bank


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank's minutes are seconds here."""

    def calls(most: int, _settings: Settings) -> RateLimit:
        return RateLimit(requests=most, seconds=2.0, concurrency=2)

    monkeypatch.setattr("providers.banco_inter.calls", calls)
    monkeypatch.setattr("providers.banco_inter.writing.WAITS", (0.01, 0.02, 0.1))
    monkeypatch.setattr("core.http.DEFAULT_PAUSE", timedelta(seconds=0.2))


@pytest.fixture
def bank(running: Bank) -> Bank:
    running.steer("begin")
    return running


@pytest.fixture
def account(bank: Bank, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("CLOUDTOSYS_CA_FILE", bank.ca_file)
    return connect("banco-inter", settings(bank), database, tenant, monkeypatch)


def settings(bank: Bank, begin: date = OLD + timedelta(days=150)) -> dict[str, str]:
    return {**bank.settings, "start_on": f"{begin:%d/%m/%Y}"}


def records(entity: Entity) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FIXTURES / f"{entity}.json").read_text())["records"]
    return found


def calls(bank: Bank, part: str) -> list[dict[str, Any]]:
    return [call for call in bank.steer("log") if part in f"{call['method']} {call['path']}"]


def receivable(account: Account, number: str = "DUP-1", **columns: Any) -> Any:
    customer = account.erp.add("customer", name="Ana Teste", document="52998224725", email="ana@exemplo.test")
    place = {"street": "Rua A", "number": "1", "city": "Recife", "state": "PE", "postal_code": "50000000"}
    account.erp.add("address", customer_id=customer, kind="billing", **place)
    columns = {"amount": "120.50", "due_on": today() + timedelta(days=10), **columns}
    return account.erp.add("receivable", document_number=number, customer_id=customer, **columns)


def test_lines_of_the_statement_are_read_whatever_their_details() -> None:
    pix, boleto, insurance, sent = [
        transaction_from(raw, SETTINGS) for raw in records(Entity.BANK_TRANSACTIONS)
    ]
    assert (pix.account, pix.amount, pix.txid) == ("12345678", Decimal("150.00"), "abc123")
    assert (pix.counterpart_name, pix.counterpart_document) == ("CLIENTE EXEMPLO LTDA", "11222333000181")
    assert (boleto.our_number, boleto.description) == ("90000000001", "Recebimento de boleto")
    assert (insurance.amount, insurance.kind) == (Decimal("-12.34"), "SEGURO")
    assert (sent.counterpart_name, sent.counterpart_document) == ("FULANO", None)


def test_a_line_without_id_is_an_issue() -> None:
    raw = records(Entity.BANK_TRANSACTIONS)[0] | {"idTransacao": ""}
    with pytest.raises(RecordError, match="idTransacao"):
        transaction_from(raw, SETTINGS)


def test_charges_are_read_from_lists_and_details() -> None:
    paid, waiting = [receivable_from(raw, SETTINGS) for raw in records(Entity.RECEIVABLES)]
    assert (paid.status, paid.amount, paid.paid_amount) == ("paid", Decimal("99.90"), Decimal("101.90"))
    assert paid.paid_at is not None
    assert paid.paid_at.isoformat() == "2026-11-03T03:00:00+00:00"
    assert (waiting.status, waiting.amount, waiting.our_number) == ("open", Decimal("2500.50"), None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"document_number": "X" * 16}, "seuNumero"),
        ({"amount": Decimal("2.49")}, "valorNominal"),
        ({"payer_document": None}, "pagador.cpfCnpj"),
        ({"payer_address": None}, "pagador.endereco"),
    ],
)
def test_what_the_bank_would_refuse_is_not_sent(changes: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {
        "external_id": "",
        "document_number": "DUP-1",
        "amount": Decimal("2.50"),
        "due_on": date(2026, 12, 1),
        "payer_name": "Ana",
        "payer_document": "52998224725",
        "payer_address": Address(kind="billing", street="R", city="C", state="PE", postal_code="50000000"),
    }
    assert body(Receivable(**given), {})["valorNominal"] == 2.5
    with pytest.raises(RecordError) as refused:
        body(Receivable(**given | changes), {})
    assert refused.value.field == field


async def test_the_statement_comes_in_windows_and_its_last_days_again(bank: Bank, account: Account) -> None:
    account.pair(Entity.BANK_TRANSACTIONS)
    for days in (40, 3, 2):
        bank.steer("transaction", dataTransacao=(today() - timedelta(days=days)).isoformat())
    await account.sync(Entity.BANK_TRANSACTIONS)
    bank.steer("transaction", dataTransacao=(today() - timedelta(days=6)).isoformat())  # booked late
    (run,) = await account.sync(Entity.BANK_TRANSACTIONS)
    assert run.job is not None
    assert (run.job.counts.created, run.job.counts.skipped) == (1, 2)
    rows = account.query("SELECT count(*), sum(amount), min(account) FROM erp.bank_transaction")
    assert rows == [(4, Decimal(600), "12345678")]
    first, again = [call["query"] for call in calls(bank, "GET /banking/v2/extrato")]
    assert first["dataInicio"] == (OLD + timedelta(days=150)).isoformat()
    assert again["dataInicio"] == (today() - timedelta(days=7)).isoformat()
    assert bank.steer("tokens") == 1, "the token is shared by runs"


async def test_busy_and_long_statements_are_read_in_parts(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "SIZE", 2)
    monkeypatch.setattr(rules, "MOST", 3)
    for n in range(8):
        bank.steer("transaction", dataTransacao=(OLD + timedelta(days=n)).isoformat())
    stand = Stand(settings(bank, OLD), ca_file=bank.ca_file)
    async with contract.connected(BANCO_INTER, stand) as (_, source):
        place, seen, windows = None, [], set()
        while True:
            step = await STATEMENT.fetch(source, Span(), place)
            seen += [raw["idTransacao"] for raw in step.items]
            place = step.next
            if place is None:
                break
            windows.add((Place.read(place).first, Place.read(place).last))
    assert len(seen) == len(set(seen)) == 8
    assert all(last - first < timedelta(days=90) for first, last in windows)


async def test_charges_come_with_what_became_of_them(bank: Bank, account: Account) -> None:
    account.pair(Entity.RECEIVABLES)
    one, two = [bank.steer("charge", dataEmissao=(today() - timedelta(days=20)).isoformat()) for _ in "ab"]
    await account.sync(Entity.RECEIVABLES)
    bank.steer("pay", code=one["codigoSolicitacao"], amount="101.00")
    await account.sync(Entity.RECEIVABLES)
    rows = account.query(
        "SELECT document_number, status, paid_amount, our_number, txid IS NULL FROM erp.receivable ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        (one["seuNumero"], "paid", Decimal(101), one["_boleto"]["nossoNumero"], False),
        (two["seuNumero"], "open", None, two["_boleto"]["nossoNumero"], False),
    ]


async def test_a_charge_is_issued_edited_and_cancelled(bank: Bank, account: Account) -> None:
    account.pair(Entity.RECEIVABLES, Direction.BOTH)
    bank.steer("switch", polls=1)
    mine = receivable(account)
    await account.sync(Entity.RECEIVABLES)
    (made,) = bank.steer("truth")
    assert (made["seuNumero"], made["valorNominal"], made["situacao"]) == ("DUP-1", "120.50", "A_RECEBER")
    assert made["pagador"]["tipoPessoa"] == "FISICA"
    account.erp.edit("receivable", mine, due_on=today() + timedelta(days=20))
    await account.sync(Entity.RECEIVABLES)
    (made,) = bank.steer("truth")
    assert made["dataVencimento"] == (today() + timedelta(days=20)).isoformat()
    row = account.query("SELECT status, our_number, due_on FROM erp.receivable")
    assert row == [("open", made["_boleto"]["nossoNumero"], today() + timedelta(days=20))]
    account.erp.edit("receivable", mine, status="cancelled")
    await account.sync(Entity.RECEIVABLES)
    assert bank.steer("truth")[0]["situacao"] == "CANCELADO"
    assert len(calls(bank, "POST /cobranca/v3/cobrancas")) == 2, "issued once, cancelled once"


async def test_a_charge_whose_answer_is_lost_is_not_issued_twice(bank: Bank, account: Account) -> None:
    account.pair(Entity.RECEIVABLES, Direction.BOTH)
    bank.steer("faults", script=[{"match": "POST /cobranca/v3/cobrancas", "kind": "lost"}])
    receivable(account)
    await account.run(Entity.RECEIVABLES)
    await account.sync(Entity.RECEIVABLES)
    (made,) = bank.steer("truth")
    assert account.query("SELECT count(*) FROM sync.mapping") == [(1,)]
    await account.sync(Entity.RECEIVABLES)
    assert account.query("SELECT our_number FROM erp.receivable") == [(made["_boleto"]["nossoNumero"],)]


async def test_what_the_bank_cannot_issue_is_an_issue_and_can_be_repeated(
    bank: Bank, account: Account
) -> None:
    account.pair(Entity.RECEIVABLES, Direction.EXPORT)
    bank.steer("switch", fail=True)
    receivable(account)
    (run,) = await account.run(Entity.RECEIVABLES)
    assert run.status is RunStatus.PARTIAL
    assert [(row.error_class, row.field) for row in account.issues()] == [("RecordError", "situacao")]
    account.query("UPDATE sync.issue SET next_attempt_at = now()")
    await account.sync(Entity.RECEIVABLES)
    assert [one["situacao"] for one in bank.steer("truth")] == ["FALHA_EMISSAO", "A_RECEBER"]


async def test_a_paid_charge_is_neither_edited_nor_called_paid_by_us(bank: Bank, account: Account) -> None:
    account.pair(Entity.RECEIVABLES, Direction.EXPORT)
    mine = receivable(account)
    await account.sync(Entity.RECEIVABLES)
    account.erp.edit("receivable", mine, status="paid", paid_amount="120.50")
    await account.sync(Entity.RECEIVABLES)
    assert bank.steer("truth")[0]["situacao"] == "A_RECEBER"
    bank.steer("pay", code=bank.steer("truth")[0]["codigoSolicitacao"])
    account.erp.edit("receivable", mine, amount="99.00")
    await account.run(Entity.RECEIVABLES)
    assert [row.field for row in account.issues()] == ["situacao"]


async def test_the_bank_says_no(bank: Bank, account: Account) -> None:
    account.pair(Entity.BANK_TRANSACTIONS)
    account.seal("client_secret", "errado-errado-errado")
    (run,) = await account.run(Entity.BANK_TRANSACTIONS)
    assert isinstance(run.error, AuthenticationError)
    account.seal("client_secret", bank.client_secret)
    account.query('UPDATE sync.integration SET settings = settings || \'{"account": "999"}\'')
    (run,) = await account.run(Entity.BANK_TRANSACTIONS)
    assert isinstance(run.error, AuthorizationError)


async def test_a_token_that_ended_and_a_full_minute_are_no_errors(bank: Bank, account: Account) -> None:
    account.pair(Entity.RECEIVABLES)
    bank.steer("charge")
    await account.sync(Entity.RECEIVABLES)
    bank.steer("expire")
    bank.steer("faults", script=[{"match": "GET /cobranca", "kind": "429"}])
    await account.sync(Entity.RECEIVABLES)
    assert bank.steer("tokens") == 1


async def test_the_bank_gives_out_five_tokens_a_minute(bank: Bank) -> None:
    bank.steer("begin", metered=True)
    stand = Stand(settings(bank), ca_file=bank.ca_file)
    for _ in range(5):
        async with contract.connected(BANCO_INTER, stand) as (http, _source):
            assert (await http.get(BANCO_INTER.probing({}).path)).status_code == 200
    async with contract.connected(BANCO_INTER, stand) as (http, _source):
        with pytest.raises(NotSent):
            await http.get(BANCO_INTER.probing({}).path)


async def test_an_application_for_statements_alone_asks_for_no_more(bank: Bank) -> None:
    bank.steer("scopes", scopes=["extrato.read"])
    stand = Stand({**settings(bank), "services": "statement"}, ca_file=bank.ca_file)
    async with contract.connected(BANCO_INTER, stand) as (_, source):
        assert (await STATEMENT.fetch(source, Span(), None)).items == []


async def test_a_strange_certificate_gets_nothing(bank: Bank, tmp_path: Path) -> None:
    files = certificates.application(tmp_path, "OUTRA APLICACAO")
    strange = {
        name: base64.b64encode(path.read_bytes()).decode()
        for name, path in zip(("certificate", "private_key"), files, strict=True)
    }
    stand = Stand({**settings(bank), **strange}, ca_file=bank.ca_file)
    found = [text async for text in contract.answers(BANCO_INTER, stand)]
    assert any("Testar Conexão falha" in text for text in found)
    assert certificate(stand.settings).expires_at.year >= 2026
