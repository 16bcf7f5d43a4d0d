"""A shop connected to a tenant, and workers that can be killed."""

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from core.entities import Cadence, Direction, Entity
from db import admin
from db.session import engine
from db.vault import Vault
from sandbox.process import Store
from tests.conftest import Database, Tenant
from tests.processes import api, environment, prefect, prefect_server, sql, start, until
from tests.providers.conftest import shop, store
from tests.world.fixtures import connect_world, room, world

__all__ = [
    "api",
    "connect_world",
    "environment",
    "prefect",
    "prefect_server",
    "room",
    "shop",
    "sql",
    "start",
    "store",
    "until",
    "world",
]

LONG = os.environ.get("FAULTS") == "long"
"""`make faults` runs the long form; the gate a short one."""


@pytest.fixture
def connect(database: Database, tenant: Tenant, environment: dict[str, str]) -> Callable[..., Any]:
    """Connect a shop; gives the pair's id. A worker started later reads the same environment."""

    async def run(store: Store, entity: Entity = Entity.PRODUCTS) -> uuid.UUID:
        environment["CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS"] = store.url.removeprefix("http://")
        draft = admin.Draft(
            tenant_id=tenant.id,
            provider="woocommerce",
            name="Loja",
            base_url=store.url,
            settings={},
            secrets={"consumer_key": store.consumer_key, "consumer_secret": store.consumer_secret},
            direction=Direction.IMPORT,
            pairs={entity: Cadence.MANUAL},
        )
        opened = engine(database.url)
        await admin.create_integration(opened, Vault([environment["CLOUDTOSYS_KEYS"]]), draft)
        found = await admin.pairs(opened, tenant.id)
        await opened.dispose()
        return found[0].id

    return run
