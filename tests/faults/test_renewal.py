"""T20: single-use refresh tokens: twenty workers meet an expired one; one dies between answer and commit."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.errors import AuthenticationError, NotSent
from core.oauth2 import TOKEN, OAuth2, Token
from db.tokens import PgTokens
from db.vault import Vault, generate_key
from sandbox.world.process import World, start
from tests.conftest import Database, Tenant
from tests.processes import ROOT, sql

__all__ = ["sql"]

WORKERS = 20
Make = Callable[[AsyncEngine, httpx.AsyncClient], PgTokens]


@pytest.fixture
def world() -> Iterator[World]:
    with start(oauth=True) as running:
        yield running


@pytest.fixture
def key() -> str:
    return generate_key()


@pytest.fixture
def account(sql: Callable[..., Any], tenant: Tenant, key: str, world: World) -> uuid.UUID:
    """An integration that was connected: its access token has just expired."""
    id_ = uuid.uuid4()
    sql(
        "INSERT INTO sync.integration (id, tenant_id, provider, name) VALUES (:id, :tenant, 'world', 'M')",
        id=id_,
        tenant=tenant.id,
    )
    given = world.consent()
    token = Token(
        access=given["access_token"],
        refresh=given["refresh_token"],
        expires_at=datetime.now(UTC) - timedelta(seconds=1),
    )
    sealed = Vault([key]).seal(tenant.id, id_, TOKEN, msgspec.json.encode(token).decode())
    sql(
        "INSERT INTO sync.credential VALUES (:tenant, :id, :name, :secret, :key)",
        tenant=tenant.id,
        id=id_,
        name=TOKEN,
        secret=sealed.ciphertext,
        key=sealed.key_id,
    )
    world.expire_access()
    return id_


@pytest.fixture
def make(account: uuid.UUID, tenant: Tenant, key: str, world: World) -> Make:
    def tokens(engine: AsyncEngine, client: httpx.AsyncClient) -> PgTokens:
        return PgTokens(
            engine,
            Vault([key]),
            tenant.id,
            account,
            oauth=OAuth2(token_url=lambda _: f"{world.url}/oauth/token", authorize_url=lambda _: world.url),
            settings={"client_id": world.client_id, "client_secret": world.client_secret},
            client=client,
        )

    return tokens


def refreshes(world: World) -> dict[str, int]:
    found: dict[str, int] = world.meter()["oauth"]
    return found


def renew(environment: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "tests.faults.renewal"]
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=60, check=False, capture_output=True)


async def test_twenty_workers_refresh_once(database: Database, make: Make, world: World) -> None:
    engines = [create_async_engine(database.url, pool_size=1) for _ in range(WORKERS)]
    async with httpx.AsyncClient() as client:
        got = await asyncio.gather(*(make(engine, client).access() for engine in engines))
        again = await asyncio.gather(*(make(engine, client).access(got[0]) for engine in engines))
    for engine in engines:
        await engine.dispose()
    assert len(set(got)) == len(set(again)) == 1
    assert got[0] != again[0]
    counted = refreshes(world)
    assert counted["refreshed"] == 2
    assert "invalid_grant" not in counted
    print(f"T20 pass workers={WORKERS} refreshes={counted['refreshed']} seed=none")


async def test_dead_between_answer_and_commit_asks_for_a_person_and_causes_no_storm(
    database: Database, make: Make, engine: AsyncEngine, world: World, account: uuid.UUID, key: str,
    tenant: Tenant,
) -> None:  # fmt: skip
    # Commit 1 reads the token; commit 2 would keep the new one.
    environment = os.environ | {
        "DATABASE_URL": database.url,
        "CLOUDTOSYS_KEYS": key,
        "ACCOUNT": f"{tenant.id},{account}",
        "WORLD": f"{world.url},{world.client_id},{world.client_secret}",
        "PYTHONPATH": str(ROOT),
    }
    died = renew(environment | {"CRASH_AT": "2", "CRASH_WHEN": "before"})
    assert died.returncode == -signal.SIGKILL
    assert refreshes(world)["refreshed"] == 1
    after = renew(environment)
    assert after.stdout.decode().strip() == "AuthenticationError"
    async with httpx.AsyncClient() as client:
        for _ in range(5):
            with pytest.raises(AuthenticationError, match="conecte a conta novamente"):
                await make(engine, client).access()
    # One that was spent was tried once more, and never again.
    assert refreshes(world)["invalid_grant"] == 1
    print("T20 pass crash=before-commit refused=1 seed=none")


async def test_an_endpoint_that_is_away_costs_no_token(make: Make, engine: AsyncEngine, world: World) -> None:
    world.switch(unavailable="error")
    async with httpx.AsyncClient() as client:
        with pytest.raises(NotSent):
            await make(engine, client).access()
        world.switch(unavailable="off")
        assert await make(engine, client).access()


@pytest.mark.parametrize("kind", ["html", "500", "reset"])
async def test_a_page_in_place_of_an_answer_is_no_refusal(
    make: Make, engine: AsyncEngine, world: World, kind: str
) -> None:
    world.faults({"kind": kind, "match": {"path": "^/oauth"}, "times": 1})
    async with httpx.AsyncClient() as client:
        with pytest.raises(NotSent):
            await make(engine, client).access()
        assert await make(engine, client).access()
    assert "invalid_grant" not in refreshes(world)
