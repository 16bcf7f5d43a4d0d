"""Start an account. The first line on stdout is JSON: address, credentials, secret of the control surface."""

import argparse
import json
import secrets

import uvicorn

from sandbox.americanas.app import App
from sandbox.wire import Wire

COUNTS = {"products": 0, "orders": 0, "categories": 0, "classic": 0, "metered": 1}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.americanas")
    for name, count in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, default=count)
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
    api_key, manager_key, control = (f"{kind}_{secrets.token_hex(16)}" for kind in ("api", "acm", "control"))
    email = "loja@example.com"
    credentials = {"x-user-email": email, "x-api-key": api_key, "x-accountmanager-key": manager_key}
    app = App(url, credentials, control)
    app.begin(**{name: getattr(options, name) for name in COUNTS})
    config.app = app
    said = {"url": url, "user_email": email, "api_key": api_key, "accountmanager_key": manager_key}
    print(json.dumps(said | {"control": control}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
