"""The demonstration: a whole installation, a shop to import from, and one run of each pair."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from cli.processes import Processes, claim
from core.entities import Entity, Trigger
from core.errors import SyncError
from db import embedded
from db.session import engine
from db.upgrade import check_keys, upgrade
from db.vault import Vault, generate_key
from deployments import server
from deployments.apply import Prefect
from deployments.client import Api
from sandbox.process import Store, start

ENTITIES = (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS, Entity.STOCK, Entity.ORDERS)
NAMESPACE = uuid.UUID("0198f000-0000-7000-8000-000000000001")
LONGEST_RUN_SECONDS = 120
HEADINGS = ("entidade", "direção", "lidos", "criados", "atualizados", "ignorados", "erros", "segundos")
ENDED = text(
    "SELECT entity, direction, processed, created, updated, skipped, errors, duration_seconds, status,"
    " message FROM sync.sync_log WHERE flow_run_id = :run AND status <> 'running'"
)


def demo(*, once: bool, port_base: int, project: Path) -> int:
    """Exit status: 0 only if every run succeeded."""
    began = time.monotonic()
    folder = embedded.default_folder(project)
    with ExitStack() as stack:
        port = claim(port_base + 1)
        cluster = embedded.start(folder)
        stack.callback(cluster.stop)
        say("PostgreSQL no ar", began)
        _databases(cluster)
        processes = stack.enter_context(Processes(folder / "logs"))
        auth = server.auth_string(folder)
        url = cluster.url("prefect", "postgres", "asyncpg")
        processes.start("prefect", server.command(port), server.environment(folder, url, port, auth))
        store = stack.enter_context(start(products=300, categories=40, customers=120, orders=200))
        vault = _prepare(cluster, folder, store)
        environment = _environment(cluster, folder, store, port, auth)
        os.environ.update(environment)
        api_url = environment["PREFECT_API_URL"]
        server.wait_ready(api_url, auth, 120)
        say("Prefect no ar", began)
        pairs = _connect(cluster, store, vault)
        asyncio.run(_deploy(api_url, auth, environment["DATABASE_URL"], list(pairs.values())))
        processes.start("worker", [sys.executable, "-m", "deployments.warm"], {})
        processes.start("sentinela", [sys.executable, "-m", "deployments.sentinel"], {})
        ok = asyncio.run(_run_all(api_url, auth, environment["DATABASE_URL"], pairs, cluster))
        say("Execuções concluídas", began)
        print(f"\nPrefect: http://127.0.0.1:{port}  usuário:senha = {auth}\nLoja: {store.url}")
        if not once:
            print("Ctrl-C encerra.")
            with ignore_interrupt():
                while True:
                    time.sleep(2)
                    processes.check()
    return 0 if ok else 1


def say(what: str, began: float) -> None:
    print(f"{what} ({time.monotonic() - began:.1f} s)", flush=True)


@contextmanager
def ignore_interrupt() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("\nEncerrando…")


def _databases(cluster: embedded.Server) -> None:
    admin = create_engine(cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        found = set(connection.execute(text("SELECT datname FROM pg_database")).scalars())
        for name in {"cloudtosys", "prefect"} - found:
            connection.execute(text(f"CREATE DATABASE {name}"))


def _prepare(cluster: embedded.Server, folder: Path, store: Store) -> Vault:
    keys = folder / "keys"
    if not keys.exists():
        keys.touch(0o600)
        keys.write_text(generate_key() + "\n")
    upgrade(cluster.admin_url("cloudtosys"))
    vault = Vault(keys.read_text().split())
    check_keys(cluster.admin_url("cloudtosys"), vault)
    return vault


def _environment(
    cluster: embedded.Server, folder: Path, store: Store, port: int, auth: str
) -> dict[str, str]:
    return server.client_environment(port, auth) | {
        "DATABASE_URL": cluster.url("cloudtosys", "cloudtosys"),
        "CLOUDTOSYS_KEYS_FILE": str(folder / "keys"),
        "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS": store.url.removeprefix("http://"),
        "CLOUDTOSYS_PREFECT_UI_URL": f"http://127.0.0.1:{port}",
    }


def _connect(cluster: embedded.Server, store: Store, vault: Vault) -> dict[Entity, uuid.UUID]:
    """The demo tenant with its shop; found again on a second start, with the shop's new address and keys."""
    tenant, branch, integration = (uuid.uuid5(NAMESPACE, name) for name in ("tenant", "branch", "shop"))
    pairs = {entity: uuid.uuid5(NAMESPACE, entity.value) for entity in ENTITIES}
    ids: dict[str, Any] = {"tenant": tenant, "branch": branch, "integration": integration, "url": store.url}
    with _admin(cluster).begin() as connection:
        for statement in (
            "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Demonstração', 'demo')"
            " ON CONFLICT DO NOTHING",
            "INSERT INTO erp.branch (tenant_id, id, code, name, is_default)"
            " VALUES (:tenant, :branch, '1', 'Matriz', true) ON CONFLICT DO NOTHING",
            "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url)"
            " VALUES (:integration, :tenant, 'woocommerce', 'Loja Demonstração', :url)"
            " ON CONFLICT (id) DO UPDATE SET base_url = :url",
        ):
            connection.execute(text(statement), ids)
        for name in ("consumer_key", "consumer_secret"):
            sealed = vault.seal(tenant, integration, name, getattr(store, name))
            connection.execute(
                text(
                    "INSERT INTO sync.credential VALUES (:tenant, :integration, :name, :secret, :key)"
                    " ON CONFLICT (integration_id, name) DO UPDATE SET ciphertext = :secret, key_id = :key"
                ),
                ids | {"name": name, "secret": sealed.ciphertext, "key": sealed.key_id},
            )
        for entity, pair in pairs.items():
            connection.execute(
                text(
                    "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction, cadence)"
                    " VALUES (:pair, :tenant, :integration, :entity, 'import', '15min')"
                    " ON CONFLICT DO NOTHING"
                ),
                ids | {"pair": pair, "entity": entity.value},
            )
    return pairs


async def _deploy(api_url: str, auth: str, database_url: str, pairs: list[uuid.UUID]) -> None:
    async with Api(api_url, auth) as api:
        await Prefect(api, engine(database_url)).reconcile()
    await engine(database_url).dispose()


async def _run_all(
    api_url: str, auth: str, database_url: str, pairs: dict[Entity, uuid.UUID], cluster: embedded.Server
) -> bool:
    print(" ".join(f"{heading:>11}" for heading in HEADINGS))
    ok = True
    async with Api(api_url, auth) as api:
        prefect = Prefect(api, engine(database_url))
        for entity in ENTITIES:
            run = await prefect.trigger(pairs[entity], initiated_by=Trigger.MANUAL)
            row = await _ended(cluster, run)
            if row is None:
                print(f"{entity.label:>11} não terminou em {LONGEST_RUN_SECONDS} s")
                ok = False
                continue
            print(" ".join(f"{value!s:>11}" for value in (entity.label, "importar", *row[2:8])), flush=True)
            if row[8] != "success":
                print(f"            {row[8]}: {row[9]}")
                ok = False
    return ok


async def _ended(cluster: embedded.Server, run: uuid.UUID) -> Any:
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while time.monotonic() < deadline:
        with _admin(cluster).connect() as connection:
            row = connection.execute(ENDED, {"run": run}).one_or_none()
        if row is not None:
            return row
        await asyncio.sleep(0.2)
    return None


def _admin(cluster: embedded.Server) -> Engine:
    return create_engine(cluster.admin_url("cloudtosys"), poolclass=NullPool)


def main(*, once: bool, port_base: int, project: Path) -> int:
    """The demonstration with clear endings: cause and remedy instead of a traceback."""
    try:
        return demo(once=once, port_base=port_base, project=project)
    except SyncError as error:
        print(f"Erro: {error.message}\nCausa: {error.advice.cause}\nSolução: {error.advice.remedy}")
        return 1
