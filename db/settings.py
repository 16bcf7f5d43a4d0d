"""What the installation says through its environment. Secrets are read here and nowhere shown."""

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import InstallationError

DEFAULT_LEASE_SECONDS = 60.0
DEFAULT_LOOK_AGAIN = "15,45"


@dataclass(frozen=True, slots=True)
class Environment:
    """`keys_file` holds the Fernet keys, newest first; `private_hosts` may be private on purpose. A create
    whose answer was lost is looked for after each of the `look_again` seconds."""

    database_url: str
    keys_file: Path | None
    keys: str
    lease_seconds: float
    private_hosts: frozenset[str]
    plain_http: bool
    ca_file: str | None
    prefect_ui_url: str
    look_again: tuple[float, ...]


def read() -> Environment:
    """Raises `InstallationError` when something that is needed is missing or malformed."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise InstallationError(
            "DATABASE_URL não está definida: informe o PostgreSQL ou inicie tudo com `cloudtosys up`."
        )
    hosts = os.environ.get("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "")
    keys_file = os.environ.get("CLOUDTOSYS_KEYS_FILE")
    return Environment(
        database_url=psycopg_url(url),
        keys_file=Path(keys_file) if keys_file else None,
        keys=os.environ.get("CLOUDTOSYS_KEYS", ""),
        lease_seconds=_seconds("CLOUDTOSYS_LEASE_SECONDS", DEFAULT_LEASE_SECONDS),
        private_hosts=frozenset(host.strip().lower() for host in hosts.split(",") if host.strip()),
        plain_http=os.environ.get("CLOUDTOSYS_ALLOW_HTTP", "") == "1",
        ca_file=os.environ.get("CLOUDTOSYS_CA_FILE") or None,
        prefect_ui_url=os.environ.get("CLOUDTOSYS_PREFECT_UI_URL", "").rstrip("/"),
        look_again=_moments("CLOUDTOSYS_LOOK_AGAIN_SECONDS", DEFAULT_LOOK_AGAIN),
    )


def psycopg_url(url: str) -> str:
    """Any usual PostgreSQL address with the driver we use."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise InstallationError("DATABASE_URL deve começar com postgresql://.")
    return f"postgresql+psycopg://{rest}"


def _seconds(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name, default))
    except ValueError:
        raise InstallationError(f"{name} deve ser um número de segundos.") from None


def _moments(name: str, default: str) -> tuple[float, ...]:
    try:
        return tuple([float(part) for part in os.environ.get(name, default).split(",")])
    except ValueError:
        raise InstallationError(f"{name} deve ser uma lista de segundos, como {default}.") from None
