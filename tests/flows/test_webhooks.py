"""A webhook's whole way through real processes: shop, receiver, sentinel, worker, ERP."""

import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployments.apply import Prefect
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.faults.conftest import connect
from tests.flows.test_requests import answer, cloudtosys

__all__ = ["connect"]

Start = Callable[..., subprocess.Popen[bytes]]
Sql = Callable[..., Any]


@pytest.fixture
def shop() -> Iterator[Store]:
    with open_shop(products=10, variable_every=0, orders=0, customers=0, categories=0) as running:
        yield running


async def test_a_change_in_the_shop_is_in_the_erp_before_any_schedule(
    connect: Callable[..., Awaitable[UUID]],
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    shop: Store,
    sql: Sql,
    until: Callable[..., Awaitable[Any]],
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = environment["CLOUDTOSYS_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    await prefect.apply([await connect(shop)])
    start("cli.web", "--port", str(port))
    start("deployments.warm")
    await cloudtosys(environment, "run", "Loja", "produtos", "--wait")

    async def listens() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                return (await http.post(f"{url}/webhooks/x/y")).status_code == 404
            except httpx.HTTPError:
                return False

    await until(listens)
    first = await answer(environment, "integration", "webhook", "Loja", "--register")
    assert first["address"].startswith(f"{url}/webhooks/woocommerce/")
    assert len(first["token"]) == 64
    told = {row["topic"]: (row["registered"], row["freshness"]) for row in first["topics"]}
    assert told["product.updated"] == ("registrado", "aguardando primeiro evento")
    assert told["order.updated"][0] == "não registrado", "orders are not imported"
    start("deployments.sentinel")
    shop.control("change", kind="products", id=5, fields={"regular_price": "12.34", "price": "12.34"})

    async def changed() -> bool:
        return bool(sql("SELECT FROM erp.product WHERE sku = 'SKU-0000005' AND price = 12.34"))

    await until(changed, 60)
    [log] = sql("SELECT * FROM sync.sync_log WHERE request_id IS NOT NULL")
    assert (log.initiated_by, log.processed, log.updated) == ("webhook", 1, 1)
    status, output, _ = await cloudtosys(environment, "integration", "webhook", "Loja", "--rotate")
    assert status == 0
    assert "Token: " in output
    assert first["token"] not in output
    assert "último webhook há menos de 1 min" in output
    again = await answer(environment, "integration", "webhook", "Loja")
    assert again["token"] is None, "shown once"
    assert again["address"] == first["address"]
    listed = await answer(environment, "request", "list", "--all")
    assert [(row["kind_label"], row["state_label"]) for row in listed] == [("webhook", "feito")]
