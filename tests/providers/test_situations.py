"""What can go wrong around a run ends in clear Portuguese: cause, remedy, no secret, nothing half written."""

import socket

import pytest

from core.address import Guard
from core.entities import Entity, RunStatus
from core.errors import AddressRefused, ConfigurationError, DatabaseUnavailable, TransientError
from core.http import client
from core.probe import probe
from providers.registry import get
from sandbox.process import start
from tests.providers.conftest import Shop

LOG = "SELECT status, error_class, message, cause, remedy, processed FROM sync.sync_log ORDER BY started_at"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_store_that_is_down(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", f"127.0.0.1:{port}")
    shop.query("UPDATE sync.integration SET base_url = :url", url=f"http://127.0.0.1:{port}")
    run = await shop.run(Entity.CUSTOMERS)
    assert isinstance(run.error, TransientError)
    log = shop.query(LOG)[0]
    assert (log.status, log.processed) == ("error", 0)
    assert "conectar" in log.message
    assert log.remedy


async def test_a_private_address_is_refused_before_any_call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "")
    shop.store.clear_requests()
    run = await shop.run(Entity.CUSTOMERS)
    assert isinstance(run.error, AddressRefused)
    assert shop.store.requests() == []
    assert "hosts privados" in shop.query(LOG)[0].remedy


async def test_a_wrong_address_says_what_to_check(shop: Shop) -> None:
    shop.query("UPDATE sync.integration SET base_url = base_url || '/outra'")
    run = await shop.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.ERROR
    assert "URL base" in shop.query(LOG)[0].remedy


async def test_a_missing_credential_names_the_field(shop: Shop) -> None:
    shop.query("DELETE FROM sync.credential WHERE name = 'consumer_secret'")
    run = await shop.run(Entity.CUSTOMERS)
    assert isinstance(run.error, ConfigurationError)
    assert "Consumer secret" in shop.query(LOG)[0].message


async def test_a_database_that_is_down(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cloudtosys@127.0.0.1:{free_port()}/cloudtosys")
    with pytest.raises(DatabaseUnavailable) as caught:
        await shop.run(Entity.CUSTOMERS)
    assert "DATABASE_URL" in caught.value.advice.remedy


async def test_a_shop_on_a_private_authority_needs_its_file(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(products=30, customers=12, tls=True) as secure:
        shop.connect(secure)
        host = secure.url.removeprefix("https://")
        monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", host)
        refused = await shop.run(Entity.CUSTOMERS)
        assert isinstance(refused.error, ConfigurationError)
        assert "certificado" in refused.error.message
        monkeypatch.setenv("CLOUDTOSYS_CA_FILE", str(secure.ca_file))
        run = await shop.run(Entity.CUSTOMERS)
        assert run.status is RunStatus.SUCCESS
        assert run.job is not None
        assert run.job.counts.created == 12


async def test_test_connection_shows_the_raw_answer_without_secrets(shop: Shop) -> None:
    provider = get("woocommerce")
    assert provider.auth is not None
    keys = {"consumer_key": shop.store.consumer_key, "consumer_secret": shop.store.consumer_secret}
    for secret, ok in ((keys["consumer_secret"], True), ("cs_invented_secret", False)):
        settings = {"base_url": shop.store.url, **keys, "consumer_secret": secret}
        guard = Guard(private=frozenset({shop.store.url.removeprefix("http://")}))
        async with client(provider.base_url(settings), provider.auth(settings), guard) as http:
            result = await probe(provider, settings, http)
        assert result.ok is ok
        assert result.status == (200 if ok else 401)
        shown = repr(result)
        assert secret not in shown
        assert keys["consumer_key"] not in shown
        assert len(result.checks) == (5 if ok else 0)
        assert ok or (result.advice is not None and "Renove" in result.advice.remedy)


async def test_an_unforeseen_failure_shows_its_place_and_no_data(shop: Shop) -> None:
    shop.query(
        "ALTER TABLE erp.customer ADD CONSTRAINT strange CHECK (1 / (length(name) - length(name)) = 1)"
    )
    run = await shop.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.ERROR or run.status is RunStatus.PARTIAL
    log = shop.query(LOG)[0]
    assert "exemplo.test" not in f"{log.message} {run.error}"
    shop.query("DROP TABLE erp.customer CASCADE")
    broken = await shop.run(Entity.CUSTOMERS)
    assert "Erro interno" in str(broken.error)
    assert "db/" in str(broken.error)
    assert "exemplo.test" not in str(broken.error)
    assert broken.error is not None
    assert broken.error.__suppress_context__
