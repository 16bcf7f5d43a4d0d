"""`python -m deployments.warm`: the warm worker as `cloudtosys up` starts it.

SIGTERM and SIGINT end it gently: runs under way get CLOUDTOSYS_GRACE_SECONDS (20), then are interrupted.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket

from deployments.desired import POOLS
from deployments.warm import DEFAULT_LIMIT, WarmWorker, import_flows


async def run(name: str, limit: int, grace: float) -> None:
    worker = WarmWorker(work_pool_name=POOLS["warm"][0], name=name, limit=limit)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    working = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(asked.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        await worker.drain(grace)
        working.cancel()
    stopping.cancel()
    await asyncio.gather(working, stopping, return_exceptions=not working.done())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deployments.warm", description="Worker aquecido.")
    limit = int(os.environ.get("CLOUDTOSYS_WORKER_LIMIT", DEFAULT_LIMIT))
    parser.add_argument("--limit", type=int, default=limit, help="execuções ao mesmo tempo")
    parser.add_argument("--name", default=f"{socket.gethostname()}-{os.getpid()}", help="nome no Prefect")
    options = parser.parse_args()
    grace = float(os.environ.get("CLOUDTOSYS_GRACE_SECONDS", "20"))
    # Batches of fresh dictionaries are no cycles: collecting at the usual 700 only walks through them
    # again and took a quarter of an import; much later, and cycles of other libraries pile up.
    import_flows()
    gc.collect()
    gc.freeze()
    gc.set_threshold(30_000, 5, 5)
    asyncio.run(run(options.name, options.limit, grace))


if __name__ == "__main__":
    main()
