"""An account connected by consent: the seller's browser, the code, and what must not pass for them."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.main import main
from core import consent as rules
from core.entities import Entity
from core.errors import AuthenticationError, ConfigurationError
from db.settings import read
from sandbox.mercado_livre.process import Account as Seller
from sandbox.mercado_livre.process import start
from tasks import consent, system
from tasks.connection import Account as Whose
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect

BACK = "https://erp.exemplo.test/oauth/retorno"
STATUS = "SELECT status, status_code FROM sync.integration"
NAMES = "SELECT name FROM sync.credential ORDER BY name"


@pytest.fixture(scope="module")
def running() -> Iterator[Seller]:
    with start() as seller:
        yield seller


@pytest.fixture
def seller(running: Seller) -> Seller:
    running.steer("begin", items=3, orders=0)
    return running


@pytest.fixture
def account(seller: Seller, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    keys = {"base_url": seller.url, "client_id": seller.client_id, "client_secret": seller.client_secret}
    return connect("mercado-livre", keys, database, tenant, monkeypatch)


@pytest.fixture
def whose(account: Account, seller: Seller) -> Whose:
    settings = {"base_url": seller.url, "client_id": seller.client_id}
    return Whose(account.tenant.id, account.integration_id, "mercado-livre", settings)


def agree(seller: Seller, url: str, **more: str) -> str:
    """What the external system's page sends the browser back to."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    code = seller.steer("consent", challenge=asked["code_challenge"], redirect_uri=asked["redirect_uri"])
    code = code["code"] if isinstance(code, dict) else code
    return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']} | more)}"


async def finish(engine: AsyncEngine, whose: Whose, address: str) -> None:
    await consent.finish(read(), engine, whose, address, "ana")


async def test_a_consent_connects_the_account(
    account: Account, seller: Seller, whose: Whose, engine: AsyncEngine
) -> None:
    account.query("UPDATE sync.integration SET status = 'error', status_code = 'reconnect'")
    account.pair(Entity.PRODUCTS)
    address = agree(seller, await consent.begin(read(), engine, whose, BACK))
    await finish(engine, whose, address)
    assert account.query(STATUS) == [("active", "")]
    assert account.query(NAMES) == [("client_secret",), ("oauth_token",)]
    audit = account.query("SELECT actor FROM sync.audit_log WHERE action = 'integration.connect'")
    assert audit == [("ana",)]
    await account.sync(Entity.PRODUCTS)
    with pytest.raises(ConfigurationError, match="mais recente"):
        await finish(engine, whose, address)


async def test_only_the_newest_request_is_answered(
    account: Account, seller: Seller, whose: Whose, engine: AsyncEngine
) -> None:
    old = agree(seller, await consent.begin(read(), engine, whose, BACK))
    new = agree(seller, await consent.begin(read(), engine, whose, BACK))
    with pytest.raises(ConfigurationError, match="mais recente"):
        await finish(engine, whose, old)
    forged = new.replace("state=", "state=" + "0" * 4)
    with pytest.raises(ConfigurationError):
        await finish(engine, whose, forged)
    await finish(engine, whose, new)
    assert ("oauth_token",) in account.query(NAMES)


async def test_a_late_answer_is_refused(
    seller: Seller, whose: Whose, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "VALID", timedelta(seconds=-1))
    address = agree(seller, await consent.begin(read(), engine, whose, BACK))
    with pytest.raises(ConfigurationError, match="venceu"):
        await finish(engine, whose, address)


async def test_what_the_person_refused_is_told(whose: Whose, engine: AsyncEngine) -> None:
    await consent.begin(read(), engine, whose, BACK)
    with pytest.raises(AuthenticationError, match="não foi autorizado"):
        await finish(engine, whose, f"{BACK}?error=access_denied&state=x")
    with pytest.raises(ConfigurationError, match="code="):
        await finish(engine, whose, BACK)


async def test_a_code_that_is_refused_leaves_the_old_token(
    account: Account, seller: Seller, whose: Whose, engine: AsyncEngine
) -> None:
    await finish(engine, whose, agree(seller, await consent.begin(read(), engine, whose, BACK)))
    before = account.query("SELECT ciphertext FROM sync.credential WHERE name = 'oauth_token'")
    address = agree(seller, await consent.begin(read(), engine, whose, BACK))
    with pytest.raises(AuthenticationError):
        await finish(engine, whose, address.replace("code=TG-", "code=TG-0"))
    assert account.query("SELECT ciphertext FROM sync.credential WHERE name = 'oauth_token'") == before


async def test_an_account_that_rests_is_renewed(
    account: Account, seller: Seller, whose: Whose, engine: AsyncEngine
) -> None:
    await finish(engine, whose, agree(seller, await consent.begin(read(), engine, whose, BACK)))
    kept = "SELECT ciphertext FROM sync.credential WHERE name = 'oauth_token'"
    before = account.query(kept)
    assert await system.renew_resting(engine) == (0, 0)
    account.query("UPDATE sync.credential SET updated_at = now() - interval '8 days'")
    assert await system.renew_resting(engine) == (1, 0)
    assert account.query(kept) != before
    assert await system.renew_resting(engine) == (0, 0)
    account.query("UPDATE sync.credential SET updated_at = now() - interval '8 days'")
    seller.steer("begin", items=3, orders=0)
    assert await system.renew_resting(engine) == (0, 1)


class Browser:
    """Agrees to what the command printed, and brings the address back."""

    def __init__(self, seller: Seller, shown: pytest.CaptureFixture[str]) -> None:
        self._seller, self._shown = seller, shown

    def readline(self) -> str:
        url = next(line for line in self._shown.readouterr().out.splitlines() if "code_challenge" in line)
        return agree(self._seller, url) + "\n"


def test_the_command_connects(
    account: Account, seller: Seller, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Browser(seller, capsys))
    assert main(["integration", "connect", "Conta", "--redirect", BACK]) == 0
    assert "Conta de Conta conectada" in capsys.readouterr().out
    assert ("oauth_token",) in account.query(NAMES)


def test_the_command_wants_an_address_to_return_to(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["integration", "connect", "Conta"]) == 1
    assert "--redirect" in capsys.readouterr().err
    assert ("oauth_consent",) not in account.query(NAMES)
