"""Start an account. The first line on stdout is JSON: address, credentials, secret of the control surface."""

import argparse
import json
import secrets

import uvicorn

from sandbox.mercado_livre.app import App
from sandbox.wire import Wire

CLIENT = "1234567890123456"
COUNTS = ("items", "orders")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.mercado_livre")
    for name in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=0)
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
    secret, control = secrets.token_urlsafe(24), f"control_{secrets.token_hex(16)}"
    app = App(CLIENT, secret, control)
    app.begin(items=options.items, orders=options.orders)
    config.app = app
    said = {"url": url, "client_id": CLIENT, "client_secret": secret, "control": control}
    print(json.dumps(said), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
