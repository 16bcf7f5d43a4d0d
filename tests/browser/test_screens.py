"""The pictures of docs/telas: `SCREENS=docs/telas python -m pytest tests/browser/test_screens.py`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.entities import Entity
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.console import OpenPage, SignedIn
from tests.providers.conftest import ENTITIES, Shop, shop

__all__ = ["shop"]

FOLDER = os.environ.get("SCREENS", "")
PAGES = {
    "inicio": "/",
    "integracoes": "/integracoes",
    "assistente": "/integracoes/nova",
    "mapeamentos": "/mapeamentos",
    "conflitos": "/conflitos",
    "logs": "/logs",
    "falhas": "/falhas",
    "migracao": "/migracoes/nova",
    "auditoria": "/auditoria",
    "acesso": "/acesso",
}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}

pytestmark = pytest.mark.skipif(not FOLDER, reason="SCREENS=<folder> takes the pictures of the documentation")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_shop(products=230, categories=20, customers=40, orders=130) as running:
        yield running


@pytest.fixture
def keys(shop: Shop) -> str:
    return os.environ["CLOUDTOSYS_KEYS"]


@pytest.fixture
async def busy(shop: Shop, sql: Callable[..., Any]) -> dict[str, str]:
    """A day's work with two failures and a conflict; pages of single records by name."""
    sql("UPDATE sync.integration SET name = 'Loja Centro'")
    for entity in ENTITIES:
        await shop.run(entity)
    for id_ in (5, 8):
        shop.store.control("change", kind="products", id=id_, fields={"regular_price": "1.234,56"})
    await shop.run(Entity.PRODUCTS)
    sql("UPDATE sync.pair SET direction = 'both', cadence = 'hourly' WHERE entity = 'products'")
    sql("UPDATE sync.pair SET cadence = '15min' WHERE entity = 'orders'")
    conflict = collide(sql)
    log = sql("SELECT id FROM sync.sync_log WHERE errors > 0 ORDER BY started_at DESC LIMIT 1")[0][0]
    issue = sql("SELECT id FROM sync.issue WHERE state = 'open' ORDER BY id LIMIT 1")[0][0]
    return {
        "integracao": f"/integracoes/{shop.integration_id}",
        "conflito": f"/conflitos/{conflict}",
        "log": f"/logs/{log}",
        "falha": f"/falhas/{issue}",
        "registro": f"/registros/{shop.integration_id}/products/5",
    }


def collide(sql: Callable[..., Any]) -> str:
    """Name, price and visibility of a product changed on both sides."""
    base = {"sku": "CAN-350", "name": "Caneca de porcelana", "price": "34.90", "active": True}
    made = sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, base, erp, external, fields)"
        " SELECT tenant_id, integration_id, id, CAST(:base AS json), CAST(:erp AS json),"
        """ CAST(:external AS json), '["active", "name", "price"]' FROM sync.mapping"""
        " WHERE entity = 'products' ORDER BY id LIMIT 1 RETURNING id, mapping_id",
        base=json.dumps({"erp": base, "external": base}),
        erp=json.dumps(base | {"name": "Caneca de porcelana 350 ml", "price": "36.90"}),
        external=json.dumps(base | {"name": "Caneca porcelana", "price": "32.50", "active": False}),
    )[0]
    sql("UPDATE sync.mapping SET state = 'conflict' WHERE id = :id", id=made.mapping_id)
    return str(made.id)


@pytest.fixture
def folder() -> Path:
    made = Path(FOLDER)
    made.mkdir(parents=True, exist_ok=True)
    return made


async def test_pictures(folder: Path, busy: dict[str, str], person: SignedIn, open_page: OpenPage) -> None:
    page = await open_page(person, "/", viewport=WIDE)
    for name, path in (PAGES | busy).items():
        answer = await page.goto(path)
        assert answer is not None
        assert answer.ok, path
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=folder / f"{name}.png")
    dark = await open_page(person, "/", viewport=WIDE, color_scheme="dark")
    await dark.screenshot(path=folder / "inicio-escuro.png")
    phone = await open_page(person, "/logs", viewport=PHONE)
    await phone.screenshot(path=folder / "logs-celular.png")
    out = await open_page(None, "/entrar", viewport=WIDE)
    await out.screenshot(path=folder / "entrar.png")
