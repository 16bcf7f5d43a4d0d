"""`python -m cli.web`: the web process, wired to PostgreSQL and Prefect, on loopback."""

import argparse
import asyncio
import gc
import ssl
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import httpx
import uvicorn

from cli.ports import DEFAULT_BASE, HOST, address
from cli.probe import account_of, probed
from core.errors import ConfigurationError, SyncError
from core.openid import Provider
from core.ports import Orchestrator
from db.admin import IntegrationRow
from db.session import engine
from db.settings import Environment, read, read_openid
from db.vault import from_environment
from deployments.apply import Prefect
from deployments.client import Api, moment
from deployments.desired import pool
from tasks import consent, webhooks
from web.app import create
from web.pulse import Pulse, TakePulse
from web.wiring import Wiring

GRACE_SECONDS = 5
SECONDS = 10


async def serve(port: int) -> None:
    """Until SIGTERM. Raises `ConfigurationError` when the environment is not complete."""
    environment, client = read(), read_openid()
    async with Api.from_environment() as api, http(environment) as outside:
        prefect = Prefect(api, engine(environment.database_url))
        wiring = wired(environment, prefect, partial(pulse, api), environment.public_url or address(port))
        if client is not None:
            wiring = replace(wiring, openid=Provider(client, outside))
        settings = uvicorn.Config(
            create(wiring),
            host=HOST,
            port=port,
            log_level="warning",
            server_header=False,
            access_log=False,
            # Who watches a run would keep the process for as long as the run lasts.
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        await uvicorn.Server(settings).serve()
        await wiring.engine.dispose()


def settle() -> None:
    """What was imported stays: a collection that looks at all of it keeps a page waiting for 100 ms."""
    gc.collect()
    gc.freeze()


def wired(
    environment: Environment, orchestrator: Orchestrator, take_pulse: TakePulse, public_url: str
) -> Wiring:
    database = engine(environment.database_url)

    async def register(integration: IntegrationRow) -> Mapping[str, str]:
        return await webhooks.register(environment, database, account_of(integration))

    async def ask(integration: IntegrationRow, redirect_uri: str) -> str:
        return await consent.begin(environment, database, account_of(integration), redirect_uri)

    async def take(integration: IntegrationRow, returned_to: str, by: str) -> None:
        await consent.finish(environment, database, account_of(integration), returned_to, by)

    return Wiring(
        engine=database,
        vault=from_environment(environment),
        environment=environment,
        orchestrator=orchestrator,
        take_pulse=take_pulse,
        probe=partial(probed, environment, database),
        register=register,
        ask_consent=ask,
        take_consent=take,
        public_url=public_url,
    )


def http(environment: Environment) -> httpx.AsyncClient:
    """To the OpenID provider, whose address the operator has given."""
    verify = ssl.create_default_context(cafile=environment.ca_file)
    return httpx.AsyncClient(timeout=SECONDS, verify=verify, trust_env=False, follow_redirects=False)


async def pulse(api: Api) -> Pulse:
    """Whether Prefect answers, and the newest heartbeat of the pool's workers."""
    try:
        workers = await api.call("POST", f"/work_pools/{pool()[0]}/workers/filter", {"limit": 200})
    except ConfigurationError:
        return Pulse(prefect=True)  # it answers, and has no such pool yet
    except SyncError:
        return Pulse(prefect=False)
    beats = [found for worker in workers if (found := moment(worker["last_heartbeat_time"]))]
    return Pulse(prefect=True, worker_at=max(beats, default=None))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m cli.web", description="Processo web.")
    parser.add_argument("--port", type=int, default=DEFAULT_BASE, help="porta em 127.0.0.1")
    try:
        asyncio.run(serve(parser.parse_args().port))
    except SyncError as error:
        print(f"{error.message}\n{error.advice.remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
