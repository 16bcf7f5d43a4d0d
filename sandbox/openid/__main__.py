"""Start an OpenID provider. The first line on stdout is JSON: its address, the client, the control secret."""

import json
import secrets

import uvicorn

from sandbox.openid.app import App
from sandbox.wire import Wire


def main() -> None:
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
        "client_id": "console",
        "client_secret": secrets.token_hex(20),
        "control": secrets.token_hex(20),
    }
    config.app = App(**said)
    print(json.dumps(said), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
