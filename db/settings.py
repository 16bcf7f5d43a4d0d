"""What the installation says through its environment. Secrets are read here and nowhere shown."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import InstallationError
from core.registration import Client

DEFAULT_LEASE_SECONDS = 60.0
DEFAULT_LOOK_AGAIN = "15,45"
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Environment:
    """`keys_file` holds the Fernet keys, newest first; `private_hosts` may be private on purpose. A create
    whose answer was lost is looked for after each of the `look_again` seconds. `public_url` is where the
    internet reaches the web process."""

    database_url: str
    keys_file: Path | None
    keys: str
    lease_seconds: float
    private_hosts: frozenset[str]
    plain_http: bool
    ca_file: str | None
    prefect_ui_url: str
    look_again: tuple[float, ...]
    public_url: str = ""


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
        public_url=os.environ.get("CLOUDTOSYS_PUBLIC_URL", "").rstrip("/"),
    )


@dataclass(frozen=True, slots=True)
class Smtp:
    """The installation's mail server. `security` is starttls, tls or none; without `user` nobody logs in."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str


def read_smtp() -> Smtp:
    """Raises `InstallationError` when e-mail is not set up, or not in a way that can be used."""
    host = os.environ.get("CLOUDTOSYS_SMTP_HOST", "")
    security = os.environ.get("CLOUDTOSYS_SMTP_SECURITY", "starttls")
    sender = os.environ.get("CLOUDTOSYS_SMTP_FROM", "")
    if not host or not sender:
        raise InstallationError(
            "O envio de e-mails não está configurado: defina CLOUDTOSYS_SMTP_HOST e CLOUDTOSYS_SMTP_FROM."
        )
    if security not in SMTP_PORTS:
        raise InstallationError("CLOUDTOSYS_SMTP_SECURITY deve ser starttls, tls ou none.")
    port = os.environ.get("CLOUDTOSYS_SMTP_PORT") or str(SMTP_PORTS[security])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise InstallationError("CLOUDTOSYS_SMTP_PORT deve ser um número de porta.")
    return Smtp(
        host=host,
        port=int(port),
        security=security,
        user=os.environ.get("CLOUDTOSYS_SMTP_USER", ""),
        password=_secret("CLOUDTOSYS_SMTP_PASSWORD"),
        sender=sender,
    )


def read_openid() -> Client | None:
    """None where people sign in with passwords alone. Raises `InstallationError` for half a registration."""
    issuer = os.environ.get("CLOUDTOSYS_OIDC_ISSUER", "")
    client_id = os.environ.get("CLOUDTOSYS_OIDC_CLIENT_ID", "")
    secret = _secret("CLOUDTOSYS_OIDC_CLIENT_SECRET")
    if not issuer and not client_id:
        return None
    if not (issuer and client_id and secret):
        raise InstallationError(
            "A entrada por OpenID precisa de CLOUDTOSYS_OIDC_ISSUER, CLOUDTOSYS_OIDC_CLIENT_ID e "
            "CLOUDTOSYS_OIDC_CLIENT_SECRET (ou …_FILE)."
        )
    address = urlsplit(issuer)
    if not address.hostname or (address.scheme != "https" and os.environ.get("CLOUDTOSYS_ALLOW_HTTP") != "1"):
        raise InstallationError("CLOUDTOSYS_OIDC_ISSUER deve ser um endereço https://.")
    name = os.environ.get("CLOUDTOSYS_OIDC_NAME") or address.hostname
    return Client(issuer, client_id, secret, name)


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


def _secret(name: str) -> str:
    """From the variable, or from the file that the variable with `_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise InstallationError(f"O arquivo de {name}_FILE não pôde ser lido.") from None
