"""Start a Melhor Envio. The first line on stdout is JSON: address, credentials, the control secret."""

import argparse
import json
import secrets

import uvicorn

from sandbox.melhor_envio.app import App
from sandbox.wire import Wire


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.melhor_envio")
    parser.add_argument("--labels", type=int, default=0)
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
    said = {
        "url": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "client_id": "4711",
        **{name: secrets.token_hex(20) for name in ("client_secret", "token", "refresh", "control")},
    }
    app = App(**said)
    app.begin(options.labels)
    config.app = app
    print(json.dumps(said), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
