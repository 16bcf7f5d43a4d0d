"""SEFAZ end to end: mutual TLS, the list by NSU, single notes, and the hours of silence in the database."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import flows.sync
from core import form
from core.batch import Batch, Job
from core.entities import Cadence, Direction, Entity, RequestKind, RunStatus, Trigger
from core.errors import AuthenticationError, ConfigurationError, ContractError, RateLimited, TransientError
from core.ports import Cursor
from core.probe import ProbeResult, probe
from core.spec import RateLimit
from db import requests
from db.session import engine
from providers import registry
from providers.sefaz import SEFAZ
from sandbox import certificates
from sandbox.sefaz.notes import Note
from sandbox.sefaz.process import CNPJ, OTHER, PASSWORD, Service, start
from tasks.job import Run, open_run
from tasks.sync import upsert
from tests.conftest import Database, Tenant
from tests.providers import contract
from tests.providers.account import Account, connect
from tests.providers.stands import Stand
from tests.world.steps import walk

NFS = Entity.INVOICES


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with start() as service:
        yield service


@pytest.fixture
def service(running: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    running.steer("begin")
    quick = replace(SEFAZ, rate=lambda _: RateLimit(requests=1, seconds=0.05))
    monkeypatch.setitem(registry._BY_KEY, "sefaz", quick)
    return running


@pytest.fixture
def account(service: Service, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = connect("sefaz", service.settings, database, tenant, monkeypatch)
    made.pair(NFS)
    return made


def arrive(service: Service, kind: str, *numbers: int, **more: Any) -> list[str]:
    return [service.steer("add", cnpj=CNPJ, kind=kind, number=n, **more)["key"] for n in numbers]


def asked(service: Service) -> list[str]:
    return [f"{call['question']}: {call['code']}" for call in service.steer("log")]


def hour(service: Service, account: Account, *, minutes: float = 61) -> None:
    """Time passes on both sides."""
    service.steer("clock", seconds=minutes * 60)
    account.query(
        "UPDATE sync.rate_bucket SET blocked_until = blocked_until - make_interval(secs => :s),"
        " next_at = next_at - make_interval(secs => :s)",
        s=minutes * 60,
    )


async def ended(account: Account, status: RunStatus = RunStatus.SUCCESS) -> Run:
    (run,) = await account.run(NFS)
    assert run.status is status, (run.error, account.issues())
    return run


@asynccontextmanager
async def opened(account: Account, request_id: UUID | None = None) -> AsyncIterator[Run]:
    async with open_run(
        account.pairs[NFS],
        NFS,
        full=False,
        initiated_by=Trigger.MANUAL,
        flow_run_id=None,
        slot_at=None,
        request_id=request_id,
    ) as run:
        assert run is not None
        yield run


def place(account: Account) -> str:
    return str(account.query("SELECT place FROM sync.cursor")[0][0])


def invoices(account: Account) -> list[Any]:
    found: list[Any] = account.query(
        "SELECT access_key, status, total, xml IS NOT NULL AS complete FROM erp.invoice"
        " WHERE deleted_at IS NULL ORDER BY access_key"
    )
    return found


async def connection(settings: dict[str, str]) -> ProbeResult:
    async with contract.connected(SEFAZ, Stand(settings)) as (http, _):
        return await probe(SEFAZ, settings, http)


async def test_lots_of_fifty_arrive_and_the_hour_is_kept(service: Service, account: Account) -> None:
    arrive(service, "summary", *range(1, 61))
    arrive(service, "complete", *range(61, 121))
    await ended(account)
    found = invoices(account)
    assert (len(found), sum(row.complete for row in found)) == (120, 60)
    assert {row.total for row in found} == {Decimal("84.90")}
    assert asked(service) == ["list 0: 138", "list 50: 138", "list 100: 138"]
    assert place(account) == f"{120:015}"
    # The end was reached: not a call within the hour, whoever asks, also after the process is gone.
    await ended(account, RunStatus.DEFERRED)
    await engine(account.database.url).dispose()
    run = await ended(account, RunStatus.DEFERRED)
    assert isinstance(run.error, RateLimited)
    assert len(asked(service)) == 3
    hour(service, account)
    arrive(service, "summary", 121)
    await ended(account)
    hour(service, account)
    await ended(account)
    await ended(account, RunStatus.DEFERRED)
    assert asked(service)[3:] == ["list 120: 138", "list 121: 137"]
    assert len(invoices(account)) == 121
    assert place(account) == f"{121:015}"


async def test_a_lot_is_kept_before_the_next_is_asked_for(
    service: Service, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the flow itself, without Prefect around its tasks."""
    arrive(service, "summary", *range(1, 121))
    for name in ("fetch", "fetch_due", "map_records", "transform", "upsert"):
        monkeypatch.setattr(flows.sync, name, getattr(flows.sync, name).fn)
    async with opened(account) as run:
        assert run.job is not None
        written, calls = upsert.fn, []

        async def write(job: Job, batch: Batch) -> Cursor | None:
            calls.append(asked(service)[-1])
            return await written(job, batch)

        monkeypatch.setattr(flows.sync, "upsert", write)
        await flows.sync._import(run, run.job)
    assert run.status is RunStatus.SUCCESS
    assert calls == ["list 0: 138", "list 50: 138", "list 100: 138"]
    assert (len(invoices(account)), place(account)) == (120, f"{120:015}")


@pytest.mark.parametrize(
    "order",
    [
        ("event", "summary", "complete"),
        ("summary", "event", "complete"),
        ("complete", "whole_event", "summary"),
    ],
)
async def test_whatever_the_order_one_cancelled_invoice(
    service: Service, account: Account, order: tuple[str, ...]
) -> None:
    for kind in order:
        arrive(service, kind, 1)
        arrive(service, kind if "event" not in kind else "summary", 2)
        await ended(account)
        hour(service, account)
    cancelled, other = invoices(account)
    assert (cancelled.status, cancelled.total, cancelled.complete) == ("cancelled", Decimal("84.90"), True)
    assert (other.status, other.total, other.complete) == ("authorized", Decimal("84.90"), True)
    assert account.query("SELECT count(*) FROM sync.mapping")[0][0] == 2


async def test_one_lot_may_hold_all_of_a_note(service: Service, account: Account) -> None:
    for kind in ("event", "summary", "complete"):
        arrive(service, kind, 1)
    arrive(service, "event", 2, event="110110")
    await ended(account)
    (found,) = invoices(account)
    assert (found.status, found.complete) == ("cancelled", True)


async def test_a_document_that_cannot_be_read_holds_up_nothing(service: Service, account: Account) -> None:
    service.steer("raw", cnpj=CNPJ, schema="resNFe_v1.01.xsd", xml="<resNFe>")
    arrive(service, "summary", 1)
    run = await ended(account, RunStatus.PARTIAL)
    assert run.job is not None
    assert run.job.counts.errors == 1
    assert [issue.external_id for issue in account.issues()] == [f"NSU {1:015}"]
    assert len(invoices(account)) == 1
    assert place(account) == f"{2:015}"


async def test_a_lost_answer_is_caught_up_one_by_one(service: Service, account: Account) -> None:
    """The SEFAZ is 50 further on and calls the repeated question abuse."""
    arrive(service, "summary", *range(1, 4))
    service.steer("faults", faults=["lost"])
    run = await ended(account, RunStatus.DEFERRED)
    assert isinstance(run.error, RateLimited)
    assert asked(service) == ["list 0: 138", "list 0: 656"]
    assert (invoices(account), place(account)) == ([], f"{3:015} 1-3 *")
    await ended(account, RunStatus.DEFERRED)
    assert len(asked(service)) == 2
    hour(service, account)
    await ended(account)  # the list first, which has nothing new
    hour(service, account)
    arrive(service, "summary", 4)
    await ended(account)
    assert asked(service)[2:] == ["list 3: 137", "nsu 3: 138", "nsu 2: 138", "nsu 1: 138", "list 3: 138"]
    assert (len(invoices(account)), place(account)) == (4, f"{4:015}")


async def test_another_program_of_the_company_cannot_make_us_skip(service: Service, account: Account) -> None:
    arrive(service, "summary", 1)
    await ended(account)
    arrive(service, "complete", *range(2, 15))
    service.steer("other", cnpj=CNPJ, last=14)
    hour(service, account)
    await ended(account, RunStatus.DEFERRED)
    assert place(account) == f"{14:015} 2-14 *"
    for _ in range(2):
        hour(service, account)
        await ended(account)
    # Ten single questions at once, then the list's turn; the rest follows when there is room.
    assert place(account) == f"{14:015} 2-4"
    hour(service, account)
    await ended(account)
    assert place(account) == f"{14:015}"
    assert len(invoices(account)) == 14
    assert "656" not in " ".join(asked(service)[2:])


async def test_a_ban_without_a_place_stays_where_it_was(service: Service, account: Account) -> None:
    arrive(service, "summary", *range(1, 4))
    await ended(account)
    account.query("UPDATE sync.rate_bucket SET blocked_until = NULL")  # somebody else called too soon
    run = await ended(account, RunStatus.DEFERRED)
    assert isinstance(run.error, RateLimited)
    assert "656" in run.error.message
    assert place(account) == f"{3:015}"
    await ended(account, RunStatus.DEFERRED)
    assert asked(service) == ["list 0: 138", "list 3: 656"]


async def test_an_answer_out_of_order_is_not_believed(service: Service, account: Account) -> None:
    arrive(service, "summary", 1, 2)
    await ended(account)
    hour(service, account)
    account.query(f"UPDATE sync.cursor SET place = '{1:015}'")
    service.steer("other", cnpj=CNPJ, last=1)
    arrive(service, "summary", 3)
    await ended(account)
    account.query(f"UPDATE sync.cursor SET place = '{9:015}'")
    hour(service, account)
    service.steer("other", cnpj=CNPJ, last=9)
    run = await ended(account, RunStatus.ERROR)
    assert isinstance(run.error, ContractError)
    assert "589" in run.error.message
    assert place(account) == f"{9:015}"


async def test_chosen_notes_are_asked_for_by_key(service: Service, account: Account) -> None:
    """What came before the one that nobody knows is kept; the rest follows an hour later, from there."""
    first, last = arrive(service, "summary", 1, 9)
    unknown = Note(5).key
    await ended(account)
    arrive(service, "complete", 1, 9)
    hour(service, account)
    request = await requests.ask(
        engine(account.database.url),
        account.tenant.id,
        account.pairs[NFS],
        RequestKind.RESYNC,
        Direction.IMPORT,
        {"ids": [last, unknown, first]},
        by="teste",
    )
    async with opened(account, request.id) as run:
        await walk(run, Direction.IMPORT)
    assert run.status is RunStatus.DEFERRED, run.error
    assert asked(service)[1:] == [f"key {first}: 138", f"key {unknown}: 137"]
    assert [row.complete for row in invoices(account)] == [True, False]
    assert [issue.external_id for issue in account.issues()] == [unknown]
    hour(service, account)
    async with opened(account, request.id) as run:
        await walk(run, Direction.IMPORT)
    assert run.status is RunStatus.SUCCESS, run.error
    assert asked(service)[3:] == [f"key {last}: 138"]
    assert [row.complete for row in invoices(account)] == [True, True]
    assert place(account) == f"{2:015}"


async def test_there_is_no_simulation_and_no_second_reading(service: Service, account: Account) -> None:
    arrive(service, "summary", 1)
    account.query("UPDATE sync.pair SET simulate_next = true")
    run = await ended(account, RunStatus.ERROR)
    assert isinstance(run.error, ConfigurationError)
    assert "uma só vez" in run.error.message
    assert asked(service) == []
    account.query("UPDATE sync.pair SET simulate_next = false")
    await ended(account)
    hour(service, account)
    arrive(service, "summary", 2)
    (run,) = await account.run(NFS, full=True)
    assert run.status is RunStatus.SUCCESS
    assert asked(service) == ["list 0: 138", "list 1: 138"]


async def test_service_status_tells_without_counting(service: Service) -> None:
    result = await connection(service.settings)
    assert (result.ok, result.message) == (True, "Conexão e credenciais válidas.")
    assert "107" in result.body
    service.steer("status", code="108")
    result = await connection(service.settings)
    assert not result.ok
    assert "O certificado foi aceito" in result.message
    assert result.advice is TransientError.advice
    service.steer("faults", faults=["html"])
    result = await connection(service.settings)
    assert result.advice is ContractError.advice
    assert asked(service) == ["status: 107", "status: 108"]


async def test_credentials_that_do_not_fit(service: Service, account: Account) -> None:
    account.seal("certificate_password", "outra-senha")
    run = await ended(account, RunStatus.ERROR)
    assert isinstance(run.error, ConfigurationError)
    assert "senha do certificado" in run.error.message
    account.seal("certificate_password", PASSWORD)
    account.query(
        "UPDATE sync.integration SET settings = settings || jsonb_build_object('cnpj', CAST(:c AS text))",
        c=OTHER,
    )
    run = await ended(account, RunStatus.ERROR)
    assert run.error is not None
    assert "outra empresa" in run.error.message
    assert asked(service) == []


async def test_a_server_that_nobody_vouches_for_is_refused(service: Service) -> None:
    result = await connection(service.settings | {"authorities": ""})
    assert result.advice is ConfigurationError.advice
    assert "certificado TLS" in result.message


def test_a_certificate_that_has_ended_asks_for_a_new_one(service: Service) -> None:
    pfx, _ = certificates.client(CNPJ, PASSWORD, valid=timedelta(days=-1))
    old = service.settings | {"certificate": base64.b64encode(pfx).decode()}
    assert SEFAZ.certificate is not None
    with pytest.raises(AuthenticationError, match="venceu"):
        SEFAZ.certificate(old)


def test_faster_schedules_are_refused_with_the_reason() -> None:
    for cadence in (Cadence.EVERY_5_MIN, Cadence.EVERY_15_MIN):
        with pytest.raises(ConfigurationError, match="uma hora depois"):
            form.check_cadence(SEFAZ, cadence)
    for cadence in (Cadence.HOURLY, Cadence.DAILY, Cadence.MANUAL):
        form.check_cadence(SEFAZ, cadence)
