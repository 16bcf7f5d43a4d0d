"""The contract of `tests.providers.contract`, over every provider there is."""

import logging
from collections.abc import Iterator

import pytest

from core.entities import Entity
from core.records import Product
from core.spec import Probe, Provider, RateLimit, Raw, Resource, Setting, Settings, Writing
from providers.registry import PROVIDERS
from tests.providers import contract
from tests.providers.stands import Stand

EVERY = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.key)
CALLED = [provider for provider in PROVIDERS if not provider.by_migration]
"""Files and tables of old ERPs have no API: test_legacy_excel.py and test_legacy_sql.py say what they owe."""


@pytest.fixture(scope="module", params=CALLED, ids=lambda provider: provider.key)
def standing(request: pytest.FixtureRequest) -> Iterator[tuple[Provider, Stand]]:
    provider: Provider = request.param
    opened = contract.opener(provider)
    assert opened is not None, f"falta tests/providers/stands/{contract.module(provider)}.py com stand()"
    with opened() as stand:
        yield provider, stand


@EVERY
def test_the_declaration_is_sound(provider: Provider) -> None:
    assert list(contract.declaration(provider)) == []


@EVERY
def test_the_page_for_admins_is_complete(provider: Provider) -> None:
    assert list(contract.page(provider)) == []


@pytest.mark.parametrize("provider", CALLED, ids=lambda provider: provider.key)
def test_documented_records_are_mapped(provider: Provider) -> None:
    assert list(contract.fixtures(provider)) == []


async def test_no_secret_is_shown(standing: tuple[Provider, Stand], caplog: pytest.LogCaptureFixture) -> None:
    provider, stand = standing
    with caplog.at_level(logging.DEBUG, logger="httpx"):
        assert [text async for text in contract.masking(*standing)] == []
    secrets = [stand.settings[name] for name in provider.secret_names if stand.settings.get(name)]
    assert [name for name in secrets if len(name) >= contract.SHORTEST and name in caplog.text] == []


async def test_connection_tests_tell_what_is_wrong(standing: tuple[Provider, Stand]) -> None:
    assert [text async for text in contract.answers(*standing)] == []


async def test_lists_visit_every_record_once(standing: tuple[Provider, Stand]) -> None:
    assert [text async for text in contract.lists(*standing)] == []


async def test_what_was_read_can_be_written_back(standing: tuple[Provider, Stand]) -> None:
    assert [text async for text in contract.writes(*standing)] == []


async def _nothing(*_: object) -> list[object]:
    return []


def empty() -> Provider:
    """What somebody has who has only begun."""

    def map_(raw: Raw, _settings: Settings) -> Product:
        return Product(external_id=str(raw["id"]), sku=None, name="")

    writing = Writing(fields=frozenset({"nome"}), write=_nothing)  # type: ignore[arg-type]
    return Provider(
        key="vazio",
        name="Vazio",
        category="ecommerce",
        docs="",
        settings=(Setting(name="base_url", label="Endereço", kind="url"),),
        base_url=lambda settings: settings["base_url"],
        auth=lambda _: None,
        probe=Probe(path=""),
        rate=lambda _: RateLimit(),
        rate_key=lambda _: "vazio",
        resources={Entity.PRODUCTS: Resource(map=map_, writing=writing), Entity.ORDERS: Resource(map=map_)},
    )


def test_an_empty_provider_reads_what_it_lacks() -> None:
    provider = empty()
    found = [*contract.declaration(provider), *contract.page(provider), *contract.fixtures(provider)]
    assert contract.opener(provider) is None
    assert found == [
        "name e docs (o endereço https:// da documentação) são obrigatórios.",
        "nenhuma configuração é secreta: a credencial precisa de kind='secret' ou 'file'.",
        "products: writing.fields vazio ou com nomes que o registro não tem: ['nome'].",
        "products: cria registros sem find e sem repeatable_creates: uma criação perdida não pode ser"
        " encontrada.",
        "orders: nenhuma direção: falta paging ou fetch (importação) ou writing (exportação).",
        "falta a página docs/providers/vazio.md.",
        "products: falta tests/providers/fixtures/vazio/products.json.",
        "orders: falta tests/providers/fixtures/vazio/orders.json.",
    ]
