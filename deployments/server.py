"""The Prefect server as a process of ours: its settings, its command, and when it is ready.

Settings: https://docs.prefect.io/v3/api-ref/settings-ref. Nothing here imports Prefect.
"""

import contextlib
import os
import secrets
import sys
import time
from pathlib import Path

import httpx

from core.errors import InstallationError

AUTH_FILE = "prefect-auth"
LEASES = "prefect.server.concurrency.lease_storage.filesystem"
RETENTION_DAYS = 30


def auth_string(folder: Path) -> str:
    """The installation's `user:password` for Prefect's API, made on first use and readable by us alone."""
    path = folder / AUTH_FILE
    if not path.exists():
        # Linked when whole, so that two processes starting at once read the same one.
        draft = folder / f"{AUTH_FILE}.{os.getpid()}"
        draft.touch(0o600)
        draft.write_text(f"cloudtosys:{secrets.token_urlsafe(32)}")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def client_environment(port: int, auth: str) -> dict[str, str]:
    """What every process that talks to Prefect needs: address, password, no phoning home."""
    return {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_CLI_PROMPT": "false",
        # The server asks for no token by default, yet every new client asks the server for one.
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def environment(folder: Path, database_url: str, port: int, auth: str) -> dict[str, str]:
    """Settings of the server, beside the caller's own environment. `folder` is the data folder.

    `database_url` is `postgresql+asyncpg://…`. Raises `InstallationError` for another database: on SQLite
    Prefect answers 503 under load.
    """
    if not database_url.startswith("postgresql+asyncpg://"):
        raise InstallationError("O banco do Prefect deve ser PostgreSQL (postgresql+asyncpg://…).")
    return client_environment(port, auth) | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        # In memory, a slot held by a dead run would outlive the server's restart.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
        # Off by default: history would grow without end.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RETENTION_DAYS * 86400),
        "PREFECT_SERVER_UI_ENABLED": "true",
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # One at a time by default: the recording of task runs took more of the machine than the runs.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
        # A run that starts a few seconds after its slot is not late yet.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "30",
    }


def command(port: int) -> list[str]:
    """`prefect server start` without the command line's own process, which only waits for this one."""
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--timeout-keep-alive", "5", "--log-level", "warning"),
    ]


def wait_ready(url: str, auth: str, timeout: float) -> float:
    """Seconds until the server answers its health check and a real read. Raises `InstallationError`.

    The health check alone says yes while the database does not answer.
    """
    begun = time.monotonic()
    user, _, password = auth.partition(":")
    with httpx.Client(base_url=url, auth=(user, password), timeout=5, trust_env=False) as client:
        while time.monotonic() - begun < timeout:
            if _answers(client):
                return time.monotonic() - begun
            time.sleep(0.1)
    raise InstallationError(
        f"O servidor Prefect não respondeu em {timeout:.0f} s. Confira o log dele e se a porta está livre."
    )


def _answers(client: httpx.Client) -> bool:
    try:
        if client.get("/health").status_code != 200:
            return False
        read = client.post("/flows/filter", json={"limit": 1})
    except httpx.HTTPError:
        return False
    if read.status_code in (401, 403):
        raise InstallationError("O servidor Prefect recusou a senha: outro servidor usa esta porta?")
    return read.status_code == 200
