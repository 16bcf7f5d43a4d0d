"""Canaries: after good and bad runs no credential and no personal data is anywhere it should not be."""

import asyncio
import base64
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.entities import Entity, Trigger
from deployments.apply import Prefect
from sandbox.process import start as open_shop
from tests.conftest import Database
from tests.processes import PrefectServer

TABLES = text(
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "html", "times": 1},
    {"kind": "broken_json", "times": 1},
    {"kind": "500", "times": 12},
)


def forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), encoded, secret.encode().hex()}


def contents(url: str) -> Iterator[tuple[str, str]]:
    """Every row of every table, as text."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        for table in connection.execute(TABLES).scalars().all():
            for row in connection.execute(text(f"SELECT t::text FROM {table} t")).scalars():
                yield table, row


def logs(folder: Path) -> Iterator[tuple[str, str]]:
    return ((path.name, path.read_text()) for path in folder.glob("*.log"))


def found(places: Iterator[tuple[str, str]], canaries: set[str]) -> set[tuple[str, str]]:
    return {(place, canary) for place, words in places for canary in canaries if canary in words}


async def test_no_canary_gets_out(
    connect: Callable[..., Awaitable[UUID]],
    prefect: Prefect,
    prefect_server: PrefectServer,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Callable[..., Awaitable[Any]],
    database: Database,
    tmp_path: Path,
) -> None:
    async def run(pair: UUID) -> str:
        flow_run = await prefect.trigger(pair, initiated_by=Trigger.MANUAL)

        async def ended() -> str | None:
            rows = sql(
                "SELECT status FROM sync.sync_log WHERE flow_run_id = :r AND status <> 'running'", r=flow_run
            )
            return rows[0][0] if rows else None

        return str(await until(ended, 90))

    with open_shop(products=20, customers=30, orders=20, categories=5) as shop:
        pair = await connect(shop, Entity.CUSTOMERS)
        await prefect.apply([pair])
        start("deployments.warm", CLOUDTOSYS_RETRY_SECONDS="0.1,0.1")
        start("deployments.sentinel")
        assert await run(pair) == "success"
        for fault in FAULTS:
            shop.faults({"on": {"path": "customers"}, **fault})
            assert await run(pair) == "error"
        shop.clear_faults()
        sql("UPDATE sync.credential SET ciphertext = ciphertext || 'x'")
        assert await run(pair) == "error"
        await asyncio.sleep(3)  # logs and events reach Prefect in batches
        people = {customer["email"] for customer in shop.truth("customers")}
        documents = {row[0] for row in sql("SELECT document FROM erp.customer WHERE document IS NOT NULL")}
        canaries = forms(shop.consumer_key) | forms(shop.consumer_secret)
    assert people
    assert documents
    assert found(logs(tmp_path), canaries | people | documents | {"Traceback"}) == set()
    assert found(contents(prefect_server.admin_url), {"sync-customers"}), "the search finds what is there"
    assert found(contents(prefect_server.admin_url), canaries | people | documents | {"Traceback"}) == set()
    assert found(contents(database.admin_url), canaries) == set()
