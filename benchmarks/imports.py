"""Products imported a second: ours through Prefect, beside `dlt` from the same shop into the same PostgreSQL.

`python -m benchmarks.imports` prints one JSON line for each measurement: medians of several runs in turn.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.stack import ROOT, Stack, running
from core.entities import RunStatus, Trigger
from db import listings
from deployments.apply import Prefect
from deployments.client import Api

PEER = ROOT / ".venv-bench" / "bin" / "python"
LONGEST_RUN_SECONDS = 600.0


async def ours(stack: Stack, pair: UUID, *, full: bool = False) -> tuple[float, dict[str, Any]]:
    """Records a second of one run, counted over the whole Prefect run; and its log."""
    async with Api(stack.api_url, stack.auth) as api:
        run = await Prefect(api, stack.database).trigger(pair, initiated_by=Trigger.MANUAL, full=full)
        log = await listings.ended(stack.database, run, LONGEST_RUN_SECONDS)
        if log is None or log["status"] != RunStatus.SUCCESS:
            raise RuntimeError(f"the run ended as {log and log['status']}: {log and log['message']}")
        seconds = await _prefect_seconds(api, run)
    return log["processed"] / seconds, log


async def _prefect_seconds(api: Api, run: UUID) -> float:
    """From the flow's start to its end, as Prefect saw them."""
    while True:
        found = await api.read_run(run)
        if found and found["end_time"]:
            begun, ended = (datetime.fromisoformat(found[key]) for key in ("start_time", "end_time"))
            return (ended - begun).total_seconds()
        await asyncio.sleep(0.1)


def peer(stack: Stack, turn: int) -> float:
    """Records a second of `dlt`'s REST source merged into PostgreSQL, its start-up left out."""
    admin = create_engine(stack.cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE peer_{turn}"))
    secrets = {"SHOP_KEY": stack.store.consumer_key, "SHOP_SECRET": stack.store.consumer_secret}
    host = stack.cluster.socket_folder
    done = subprocess.run(
        [str(PEER), str(Path(__file__).parent / "peer_dlt.py"), stack.store.url, str(host), f"peer_{turn}"],
        env=os.environ | secrets | {"DLT_DATA_DIR": str(stack.cluster.data.parent / "dlt")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_RUN_SECONDS,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["records"]) / float(found["seconds"])


async def measure(stack: Stack, runs: int, *, with_peer: bool) -> list[dict[str, Any]]:
    pair = await stack.connect()
    async with Api(stack.api_url, stack.auth) as api:
        await Prefect(api, stack.database).reconcile()
    imports, unchanged, peers = [], [], []
    for turn in range(runs):
        stack.empty()
        imports.append((await ours(stack, pair))[0])
        speed, log = await ours(stack, pair, full=True)
        if log["skipped"] != log["processed"]:
            raise RuntimeError("an unchanged scan wrote something")
        unchanged.append(speed)
        if with_peer:
            peers.append(await asyncio.to_thread(peer, stack, turn))
    megabytes = round(stack.worker_megabytes())
    await stack.database.dispose()
    first = statistics.median(imports)
    lines = [
        _line("unchanged_vs_import", statistics.median(unchanged), first, runs),
        {"name": "worker_memory", "ours": megabytes, "unit": "MB", "runs": runs},
    ]
    if peers:
        lines.insert(0, _line("import_vs_dlt", first, statistics.median(peers), runs))
    return lines


def _line(name: str, ours_: float, peer_: float, runs: int) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours_),
        "peer": round(peer_),
        "unit": "records/s",
        "ratio": round(ours_ / peer_, 2),
        "runs": runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--products", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not PEER.exists():
        print("sem .venv-bench: só o nosso lado é medido (make bench o prepara)", file=sys.stderr)
    with running(options.products) as stack:
        for line in asyncio.run(measure(stack, options.runs, with_peer=PEER.exists())):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
