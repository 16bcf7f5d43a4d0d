"""Start a bank. The first line on stdout is JSON: address, credentials, files and the control secret."""

import argparse
import json
import secrets
import ssl
import tempfile
from pathlib import Path

import uvicorn

from sandbox import certificates
from sandbox.banco_inter.app import App
from sandbox.wire import Wire

CLIENT = "2b1c8a44-3f0e-4c59-9a57-0a1b2c3d4e5f"
ACCOUNT = "12345678"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.banco_inter")
    parser.add_argument("--transactions", type=int, default=0)
    parser.add_argument("--charges", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _serve(Path(folder), options.transactions, options.charges)


def _serve(folder: Path, transactions: int, charges: int) -> None:
    server = certificates.make(folder)
    certificate, key = certificates.application(folder, "APLICACAO DE TESTE")
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
        ssl_certfile=server.cert_file,
        ssl_keyfile=server.key_file,
        ssl_ca_certs=str(certificate),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    listener = config.bind_socket()
    listener.listen(2048)
    secret, control = secrets.token_hex(18), secrets.token_hex(16)
    app = App(CLIENT, secret, control, ACCOUNT)
    app.begin(transactions=transactions, charges=charges)
    config.app = app
    said = {
        "url": f"https://127.0.0.1:{listener.getsockname()[1]}",
        "client_id": CLIENT,
        "client_secret": secret,
        "account": ACCOUNT,
        "ca_file": str(server.ca_file),
        "certificate": str(certificate),
        "private_key": str(key),
        "control": control,
    }
    print(json.dumps(said), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
