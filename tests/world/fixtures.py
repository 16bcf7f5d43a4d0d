"""Fixtures of the world, for the conftest of a folder that needs them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from db.vault import Vault, generate_key
from providers import registry
from sandbox.world.process import World, start
from tests.conftest import Database, Tenant
from tests.world.erp import Erp
from tests.world.provider import PROVIDERS
from tests.world.room import Room

__all__ = ["connect_world", "room", "world"]


@pytest.fixture
def world() -> Iterator[World]:
    with start() as running:
        yield running


@pytest.fixture
def connect_world(
    world: World, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Room]:
    """Connect the world as one of `tests.world.provider.STYLES`, all under one key."""
    key = generate_key()

    def run(style: str = "world", **options: Any) -> Room:
        return furnish(world, database, tenant, monkeypatch, style, key=key, **options)

    return run


@pytest.fixture
def room(connect_world: Callable[..., Room]) -> Room:
    return connect_world()


def furnish(
    world: World,
    database: Database,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    style: str = "world",
    *,
    key: str = "",
    **options: Any,
) -> Room:
    """A world connected to a tenant, here and in processes started from here; lost creates are looked for
    soon."""
    key = key or generate_key()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)
    monkeypatch.setenv("CLOUDTOSYS_PROVIDERS", "tests.world.provider")
    monkeypatch.setenv("CLOUDTOSYS_LOOK_AGAIN_SECONDS", "0.2,0.4")
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", world.url.removeprefix("http://"))
    for provider in PROVIDERS:
        monkeypatch.setitem(registry._BY_KEY, provider.key, provider)
    made = Room(world, database, tenant, Vault([key]), Erp(database.url, tenant.id, tenant.branch_id))
    made.connect(style, **options)
    return made
