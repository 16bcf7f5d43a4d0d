"""`python -m cli.web`: the web process, wired to PostgreSQL and Prefect, on loopback."""

import argparse
import asyncio
import sys
from functools import partial

import uvicorn

from cli.ports import DEFAULT_BASE, HOST
from core.errors import ConfigurationError, SyncError
from db.figures import figures, last_success
from db.session import engine
from db.settings import read
from deployments.client import Api, moment
from deployments.desired import pool
from web.app import create
from web.pulse import Pulse


async def serve(port: int) -> None:
    """Until SIGTERM. Raises `ConfigurationError` when the environment is not complete."""
    database = engine(read().database_url)
    async with Api.from_environment() as api:
        app = create(partial(figures, database), partial(last_success, database), partial(pulse, api))
        settings = uvicorn.Config(
            app, host=HOST, port=port, log_level="warning", server_header=False, access_log=False
        )
        await uvicorn.Server(settings).serve()
    await database.dispose()


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
