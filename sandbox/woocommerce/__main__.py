"""Start the shop. The first line on stdout is JSON: address, keys, token of the control surface.

Keys come from the arguments or from SANDBOX_CONSUMER_KEY and SANDBOX_CONSUMER_SECRET; without either they are
invented.
"""

import argparse
import gc
import json
import os
import secrets
from dataclasses import fields

import uvicorn

from sandbox.wire import Wire
from sandbox.woocommerce.api import Api
from sandbox.woocommerce.app import App
from sandbox.woocommerce.control import Control
from sandbox.woocommerce.faults import Script
from sandbox.woocommerce.keys import Keys
from sandbox.woocommerce.store import Size, Store
from sandbox.woocommerce.traffic import Traffic


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.woocommerce")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    for size in fields(Size):
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=int, default=size.default)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--database", help="file that keeps what was changed over restarts")
    parser.add_argument("--consumer-key", default=os.environ.get("SANDBOX_CONSUMER_KEY"))
    parser.add_argument("--consumer-secret", default=os.environ.get("SANDBOX_CONSUMER_SECRET"))
    parser.add_argument("--permission", choices=("read", "write", "read_write"), default="read_write")
    return parser.parse_args()


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
        # A forwarded "https" must not help: it does not on a running shop.
        proxy_headers=False,
        timeout_keep_alive=75,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        timeout_graceful_shutdown=1,
    )
    listener = config.bind_socket()
    # Whoever has read the address may connect at once.
    listener.listen(2048)
    url = f"{'https' if options.tls_cert else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    key, secret = options.consumer_key, options.consumer_secret
    key, secret = key or f"ck_{secrets.token_hex(20)}", secret or f"cs_{secrets.token_hex(20)}"
    token = secrets.token_urlsafe(24)
    size = Size(**{size.name: getattr(options, size.name) for size in fields(Size)})
    store = Store(url, size, options.database)
    script, traffic = Script(), Traffic()
    api = Api(store, Keys(key, secret, options.permission))
    config.app = App(api, Control(store, script, traffic, token), script, traffic)
    gc.freeze()
    start = {"url": url, "consumer_key": key, "consumer_secret": secret, "token": token}
    print(json.dumps(start), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
