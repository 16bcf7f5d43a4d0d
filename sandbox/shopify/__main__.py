"""Start a shop. The first line on stdout is JSON: address, credentials, secret of the control surface."""

import argparse
import json
import secrets

import uvicorn

from sandbox.shopify.app import App
from sandbox.wire import Wire

CLIENT = "cliente-de-teste"
COUNTS = ("products", "collections", "customers", "orders", "variants")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.shopify")
    for name in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=3 if name == "variants" else 0)
    parser.add_argument("--locations", type=int, default=1)
    options = parser.parse_args()
    config = uvicorn.Config(
        "",
        host="127.0.0.1",
        port=0,
        http=Wire,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    listener = config.bind_socket()
    listener.listen(2048)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    secret, token, control = (f"{kind}_{secrets.token_hex(16)}" for kind in ("shpss", "shpat", "control"))
    app = App(url, CLIENT, secret, token, control)
    app.begin(options.locations, **{name: getattr(options, name) for name in COUNTS})
    config.app = app
    said = {"url": url, "client_id": CLIENT, "client_secret": secret, "token": token}
    print(json.dumps(said | {"control": control}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
