"""A store's first run and its first failure, as an admin meets them: browser, console, Prefect and worker."""

import subprocess
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Page

from core.entities import Cadence, Direction, Entity
from db import admin
from db.audit import By
from deployments.apply import Prefect
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.conftest import Tenant
from tests.console import OpenPage, SignedIn
from web.wiring import Wiring

PRODUCTS = 4000
BROKEN = 7

Start = Callable[..., subprocess.Popen[bytes]]
Until = Callable[..., Awaitable[Any]]
Sql = Callable[..., Any]


@pytest.fixture
def shop() -> Iterator[Store]:
    with open_shop(products=PRODUCTS, variable_every=0, orders=0, customers=0, categories=0) as running:
        yield running


@pytest.fixture
async def pair(wiring: Wiring, tenant: Tenant, shop: Store, prefect: Prefect) -> str:
    """Products of a connected store, deployed."""
    draft = admin.Draft(
        tenant_id=tenant.id,
        provider="woocommerce",
        name="Loja Centro",
        base_url=shop.url,
        settings={},
        secrets={"consumer_key": shop.consumer_key, "consumer_secret": shop.consumer_secret},
        direction=Direction.IMPORT,
        pairs={Entity.PRODUCTS: Cadence.MANUAL},
    )
    await admin.create_integration(wiring.engine, wiring.vault, draft, by=By("teste"))
    [made] = await admin.pairs(wiring.engine, tenant.id)
    await prefect.apply([made.id])
    return str(made.id)


async def test_a_run_is_watched_and_its_failure_mended(
    pair: str,
    person: SignedIn,
    open_page: OpenPage,
    shop: Store,
    start: Start,
    sql: Sql,
    until: Until,
) -> None:
    shop.control("change", kind="products", id=BROKEN, fields={"regular_price": "1.234,56"})
    shop.faults({"kind": "slow", "path": "^products", "delay": 0.15})
    start("deployments.warm")
    start("deployments.sentinel")
    page = await open_page(person, "/integracoes")
    await page.get_by_role("link", name="Loja Centro").first.click()
    await page.get_by_role("button", name="Executar agora: produtos").click()
    await watch(page)
    assert sql("SELECT count(*) FROM erp.product")[0][0] == PRODUCTS - 1
    await mend(page, shop)

    async def resolved() -> bool:
        return bool(sql("SELECT FROM sync.issue WHERE state = 'resolved'"))

    await until(resolved, 60)
    await page.goto("/falhas")
    await page.get_by_text("Nenhuma falha").wait_for()


async def watch(page: Page) -> None:
    """The run's own page, which tells of it until it has ended, without being loaded again."""
    await page.goto("/logs?status=running")
    running = page.get_by_role("row").filter(has_text="Loja Centro").get_by_role("link").first
    while not await running.is_visible():
        await page.wait_for_timeout(300)
        await page.reload()
    await running.click()
    await page.get_by_role("progressbar").wait_for()
    await page.get_by_text("Parcial").first.wait_for(timeout=60_000)


async def mend(page: Page, shop: Store) -> None:
    shop.clear_faults()
    shop.control("change", kind="products", id=BROKEN, fields={"regular_price": "1234.56"})
    await page.get_by_role("button", name="Reprocessar").click()
    await page.wait_for_load_state()
