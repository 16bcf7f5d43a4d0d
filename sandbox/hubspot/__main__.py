"""Start an account. The first line on stdout is JSON: address, token, secret of the control surface."""

import argparse
import json
import secrets

import uvicorn

from sandbox.hubspot.app import App
from sandbox.wire import Wire

COUNTS = ("contacts", "products", "orders", "deals")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.hubspot")
    for name in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=0)
    options = parser.parse_args()
    token, control = f"pat-na1-{secrets.token_hex(16)}", f"control_{secrets.token_hex(16)}"
    app = App(token, control)
    app.begin(**{name: getattr(options, name) for name in COUNTS})
    config = uvicorn.Config(
        app,
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
    print(json.dumps({"url": url, "token": token, "control": control}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
