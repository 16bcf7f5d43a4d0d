"""The demonstration: a whole installation, a shop to import from, and one run of each pair."""

import asyncio
import os
import sys
import time

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import output
from cli.person import made_for_this_run
from cli.ports import HOST, Ports, address
from cli.up import House, guarded, print_addresses, running, stay, step
from core.entities import Cadence, Direction, Entity, RunStatus, Trigger
from core.errors import InstallationError
from core.formats import number
from db import admin, listings
from db.session import engine
from db.settings import read
from db.vault import from_environment
from deployments.apply import Prefect
from deployments.client import Api

TENANT = ("Demonstração", "demo")
PERSON = ("admin@demo.example", "Administração")
SHOP = "Loja Demonstração"
SIZES = {"products": 300, "categories": 40, "customers": 120, "orders": 200}
CADENCES = {
    Entity.CATEGORIES: Cadence.DAILY,
    Entity.PRODUCTS: Cadence.EVERY_15_MIN,
    Entity.CUSTOMERS: Cadence.HOURLY,
    Entity.STOCK: Cadence.EVERY_5_MIN,
    Entity.ORDERS: Cadence.EVERY_5_MIN,
}
"""In the order of their dependencies: a product needs its categories, an order its customer."""
LONGEST_RUN_SECONDS = 120.0
HEADINGS = {
    "entity": "entidade",
    "direction": "direção",
    "processed": "lidos",
    "created": "criados",
    "updated": "atualizados",
    "skipped": "ignorados",
    "errors": "erros",
    "seconds": "segundos",
}


class Store(msgspec.Struct):
    """What the shop prints of itself in its first line."""

    url: str
    consumer_key: str
    consumer_secret: str


def main(*, once: bool, port_base: int) -> int:
    """Exit status: 0 only if every run succeeded."""
    return guarded(lambda: _demo(once=once, ports=Ports(port_base)))


def _demo(*, once: bool, ports: Ports) -> int:
    began = time.monotonic()
    pairs: dict[Entity, admin.PairRow] = {}
    shop = f"{HOST}:{ports.sandbox}"
    hosts = [host for host in os.environ.get("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "").split(",") if host]

    def connect(house: House) -> None:
        house.environment["CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS"] = ",".join([*hosts, shop])
        with step("Loja de demonstração conectada"):
            store = _start_shop(house)
            pairs.update(asyncio.run(_connect(store)))

    with running("demo", ports, sandbox=True, meanwhile=connect) as house:
        ok = asyncio.run(_run_all(pairs))
        asyncio.run(_schedule(pairs))
        print(f"\nTudo pronto em {number(time.monotonic() - began, 1)} s")
        house.addresses["Loja"] = address(ports.sandbox)
        house.note()
        print_addresses(house)
        print(f"Console usuário = {PERSON[0]}  senha = {asyncio.run(_admit())}", flush=True)
        if not once:
            stay(house)
    return 0 if ok else 1


async def _admit() -> str:
    """A password of this start alone, for the console."""
    database = engine(read().database_url)
    try:
        return await made_for_this_run(database, *PERSON)
    finally:
        await database.dispose()


def _start_shop(house: House) -> Store:
    sizes = [part for name, size in SIZES.items() for part in (f"--{name}", str(size))]
    port = str(house.ports.sandbox)
    command = [sys.executable, "-m", "sandbox.woocommerce", "--port", port, *sizes]
    line = house.processes.start_announcing("loja", command, {})
    try:
        return msgspec.json.decode(line, type=Store)
    except msgspec.DecodeError:
        raise InstallationError("A loja de demonstração não iniciou. Veja loja.log nos logs.") from None


async def _connect(store: Store) -> dict[Entity, admin.PairRow]:
    """The demo tenant with its shop; found again on a second start, with the shop's new address and keys.

    New pairs have no schedule yet: it could begin a run just before the one of the table.
    """
    environment = read()
    database, vault = engine(environment.database_url), from_environment(environment)
    try:
        tenant = next((t for t in await admin.tenants(database) if t.slug == TENANT[1]), None)
        tenant_id = tenant.id if tenant else await admin.create_tenant(database, *TENANT)
        secrets = {"consumer_key": store.consumer_key, "consumer_secret": store.consumer_secret}
        found = [row for row in await admin.integrations(database, tenant_id) if row.name == SHOP]
        if found:
            await admin.change_access(database, vault, found[0], base_url=store.url, secrets=secrets)
        else:
            draft = admin.Draft(
                tenant_id=tenant_id,
                provider="woocommerce",
                name=SHOP,
                base_url=store.url,
                settings={},
                secrets=secrets,
                direction=Direction.IMPORT,
                pairs=dict.fromkeys(CADENCES, Cadence.MANUAL),
            )
            await admin.create_integration(database, vault, draft)
        pairs = await admin.pairs(database, tenant_id)
        return {pair.entity: pair for pair in pairs if pair.integration == SHOP}
    finally:
        await database.dispose()


async def _schedule(pairs: dict[Entity, admin.PairRow]) -> None:
    """Give pairs that had never run their schedule; what somebody changed since stays."""
    database = engine(read().database_url)
    new = [pair for pair in pairs.values() if pair.last_success_at is None]
    tenant = next(tenant for tenant in await admin.tenants(database) if tenant.slug == TENANT[1])
    for pair in new:
        await admin.change_pair(database, tenant.id, pair.id, cadence=CADENCES[pair.entity])
    if new:
        async with Api.from_environment() as api:
            await Prefect(api, database).reconcile([pair.id for pair in new])
    await database.dispose()


async def _run_all(pairs: dict[Entity, admin.PairRow]) -> bool:
    """One run of each pair through its deployment, one after the other; whether all succeeded."""
    database = engine(read().database_url)
    rows: list[output.Row] = []
    failures: list[str] = []
    async with Api.from_environment() as api:
        prefect = Prefect(api, database)
        for entity in CADENCES:
            log = await _run(prefect, database, pairs[entity])
            if log is None:
                failures.append(f"{entity.label}: não terminou em {LONGEST_RUN_SECONDS:.0f} s")
                continue
            rows.append({**log, "entity": entity.label, "direction": Direction(log["direction"]).label})
            if log["status"] != RunStatus.SUCCESS:
                failures.append(f"{entity.label}: {log['status_label']} — {log['message']}")
    await database.dispose()
    print()
    output.show(rows, HEADINGS, as_json=False, empty="Nenhuma execução.")
    for failure in failures:
        print(failure, file=sys.stderr)
    return not failures


async def _run(prefect: Prefect, database: AsyncEngine, pair: admin.PairRow) -> listings.Row | None:
    """The log of one run, asked for again while the schedule's own is under way; None for one without end."""
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while True:
        run = await prefect.trigger(pair.id, initiated_by=Trigger.MANUAL)
        log = await listings.ended(database, run, max(0.0, deadline - time.monotonic()))
        if log is None or log["status"] != RunStatus.SKIPPED or time.monotonic() > deadline:
            return log
        await asyncio.sleep(1)
