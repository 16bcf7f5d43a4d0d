"""Start the services. The first line on stdout is JSON: the address and the secret of the control surface."""

import argparse
import json
import secrets
import ssl

import uvicorn

from sandbox.sefaz.app import App
from sandbox.wire import Wire


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.sefaz")
    for name in ("cert", "key", "clients"):
        parser.add_argument(f"--{name}", required=True, help="PEM file")
    options = parser.parse_args()
    control = f"control_{secrets.token_hex(16)}"
    config = uvicorn.Config(
        App(control),
        host="127.0.0.1",
        port=0,
        http=Wire,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=options.cert,
        ssl_keyfile=options.key,
        ssl_ca_certs=options.clients,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    listener = config.bind_socket()
    listener.listen(2048)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"url": url, "control": control}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
