"""Requests and corrections as rows: one of each, under their tenant and the newest key."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.entities import Direction, RequestKind
from core.errors import ConfigurationError
from core.overriding import Override, digest, value_at
from db import keys, overrides, requests
from db.session import tenant_transaction
from db.vault import Vault, generate_key
from tests.conftest import Database, Tenant, new_tenant

RAW: dict[str, Any] = {
    "id": 5,
    "billing": {"cpf": "1"},
    "line_items": [{"sku": "A"}, {"sku": "B"}],
    "note": None,
}


@pytest.fixture
def pair(database: Database, tenant: Tenant) -> tuple[uuid.UUID, uuid.UUID]:
    """(integration, pair)."""
    with create_engine(database.admin_url, poolclass=NullPool).begin() as connection:
        integration = connection.execute(
            text(
                "INSERT INTO sync.integration (tenant_id, provider, name) VALUES (:t, 'woocommerce', 'L')"
                " RETURNING id"
            ),
            {"t": tenant.id},
        ).scalar_one()
        made = connection.execute(
            text(
                "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction)"
                " VALUES (:t, :i, 'products', 'import') RETURNING id"
            ),
            {"t": tenant.id, "i": integration},
        ).scalar_one()
    return integration, made


async def test_many_who_ask_at_once_get_one_request_and_each_a_line_in_the_audit(
    engine: AsyncEngine, tenant: Tenant, pair: tuple[uuid.UUID, uuid.UUID]
) -> None:
    async def ask(**selection: str) -> requests.Request:
        kind, way = RequestKind.REPROCESS, Direction.IMPORT
        return await requests.ask(engine, tenant.id, pair[1], kind, way, selection, by="ana")

    found = await asyncio.gather(*(ask(log="x") for _ in range(20)))
    assert len({request.id for request in found}) == 1
    assert (await ask(log="y")).id != found[0].id
    async with tenant_transaction(engine, tenant.id) as connection:
        lines = text("SELECT count(*) FROM sync.audit_log WHERE action = 'run.request'")
        assert (await connection.execute(lines)).scalar_one() == 21
    assert await requests.cancel(engine, tenant.id, found[0].id, "ana")
    assert not await requests.cancel(engine, tenant.id, found[0].id, "ana")
    assert (await ask(log="x")).id != found[0].id


async def test_another_tenant_neither_asks_sees_nor_cancels(
    database: Database, engine: AsyncEngine, tenant: Tenant, pair: tuple[uuid.UUID, uuid.UUID]
) -> None:
    other = new_tenant(database, "Outra")
    kind, way = RequestKind.RESYNC, Direction.IMPORT
    asked = await requests.ask(engine, tenant.id, pair[1], kind, way, {}, by="ana")
    with pytest.raises(ConfigurationError):
        await requests.ask(engine, other.id, pair[1], kind, way, {}, by="eva")
    assert await requests.listing(engine, other.id) == []
    assert not await requests.cancel(engine, other.id, asked.id, "eva")
    assert [row["id"] for row in await requests.listing(engine, tenant.id, only_open=True)] == [asked.id]


async def test_corrections_follow_the_keys_and_the_last_one_counts(
    engine: AsyncEngine, tenant: Tenant, pair: tuple[uuid.UUID, uuid.UUID]
) -> None:
    old, new = generate_key(), generate_key()
    await keys.verify(engine, Vault([old]))
    place = (tenant.id, pair[0], "products", Direction.IMPORT)
    record = overrides.Corrected(
        tenant_id=tenant.id,
        integration_id=pair[0],
        entity="products",
        direction=Direction.IMPORT,
        external_id="5",
    )
    for cpf in ("2", "3"):
        fields = {"billing.cpf": cpf}
        await overrides.keep(
            engine, Vault([old]), record, fields, digest(RAW, fields), author="ana", reason="dígito"
        )
    rotated = await keys.rotate(engine, Vault([new, old]))
    assert (rotated.moved, rotated.left) == (2, 0)
    live = await overrides.live(engine, Vault([new]), *place)
    assert list(live) == ["5"]
    assert live["5"].fits(RAW)
    assert live["5"].apply(RAW)["billing"] == {"cpf": "3"}
    async with tenant_transaction(engine, tenant.id) as connection:
        await overrides.lapse(connection, [live["5"].id])
    assert await overrides.live(engine, Vault([new]), *place) == {}


def test_a_correction_reaches_into_lists_and_makes_what_is_missing() -> None:
    fields = {"line_items.1.sku": "C", "shipping.city": "Recife", "note": "x"}
    made = Override(uuid.uuid4(), fields, digest(RAW, fields))
    assert made.fits(RAW)
    assert made.apply(RAW) == {
        **RAW,
        "line_items": [{"sku": "A"}, {"sku": "C"}],
        "shipping": {"city": "Recife"},
        "note": "x",
    }
    assert RAW["line_items"][1] == {"sku": "B"}, "the source is left as it is"
    assert made.fits({**RAW, "billing": {"cpf": "9"}}), "other fields may change"
    assert not made.fits({**RAW, "note": ""})
    absent = {name: value for name, value in RAW.items() if name != "note"}
    assert not made.fits(absent), "nothing there is not the same as null"
    assert (value_at(RAW, "line_items.7.sku"), value_at(RAW, "billing.cpf")) == (None, "1")
