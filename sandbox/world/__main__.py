"""Start the world. The first line on stdout is JSON: address, tokens, secret of the control surface."""

import argparse
import dataclasses
import gc
import json
import secrets
from pathlib import Path
from typing import Any

import uvicorn

from sandbox.wire import Wire
from sandbox.world.api import Api
from sandbox.world.app import App
from sandbox.world.control import Control
from sandbox.world.disk import Disk
from sandbox.world.faults import Script
from sandbox.world.grants import Grants
from sandbox.world.journal import Journal
from sandbox.world.meter import Meter
from sandbox.world.switches import UNAVAILABLE, Switches


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.world", description="Switches that are not given are as the disk has them."
    )
    parser.add_argument("--folder", type=Path, required=True, help="the world's disk")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    for switch in dataclasses.fields(Switches):
        parser.add_argument(f"--{switch.name.replace('_', '-')}", **_option(switch))
    return parser.parse_args()


def _option(switch: "dataclasses.Field[Any]") -> dict[str, Any]:
    if switch.name == "unavailable":
        return {"choices": UNAVAILABLE}
    if switch.name == "forbidden":
        return {"nargs": "*"}
    if switch.type is bool:
        return {"type": lambda text: {"on": True, "off": False}[text], "metavar": "on|off"}
    return {"type": int if switch.type is int else float}


def main() -> None:
    options = arguments()
    config = uvicorn.Config(
        "",
        host="127.0.0.1",
        port=options.port,
        http=Wire,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    listener = config.bind_socket()
    # Whoever has read the address may connect at once.
    listener.listen(2048)
    disk = Disk(options.folder)
    for switch in dataclasses.fields(Switches):
        given = getattr(options, switch.name)
        if given is not None:
            setattr(disk.switches, switch.name, given)
    disk.save_switches()
    token = disk.setting("token", "") or secrets.token_urlsafe(24)
    disk.set("token", token)
    grants, journal, script = Grants(disk), Journal(disk), Script()
    meter = Meter(disk.switches.requests, disk.switches.seconds)
    control = secrets.token_urlsafe(24)
    surface = Control(disk, journal, grants, script, meter, control)
    config.app = App(Api(disk, grants, token), surface, script, meter, journal)
    gc.freeze()
    start = {
        "url": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "token": token,
        "control": control,
        "client_id": grants.client_id,
        "client_secret": grants.client_secret,
    }
    print(json.dumps(start), flush=True)
    uvicorn.Server(config).run(sockets=[listener])
    disk.commit()


if __name__ == "__main__":
    main()
