"""`cloudtosys up`: PostgreSQL, migrations, keys, Prefect, worker, sentinel and web, from one process."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cli import databases, state
from cli.installation import data_folder
from cli.output import print_error
from cli.ports import Ports, address, claim
from cli.processes import Processes
from core.errors import InstallationError, SyncError
from core.formats import number
from db.session import engine
from deployments import server
from deployments.apply import Prefect
from deployments.client import Api
from deployments.desired import pool

PREFECT_SECONDS = 120.0
WEB_SECONDS = 30.0
WATCH_SECONDS = 0.5
SHARED = (
    "PREFECT_API_URL",
    "CLOUDTOSYS_PREFECT_UI_URL",
    "CLOUDTOSYS_KEYS_FILE",
    "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS",
    "CLOUDTOSYS_PUBLIC_URL",
)
"""Of the environment, what other commands in this folder find in its state. No secret."""


class House:
    """An installation that is running, or being started.

    `environment` is what every child gets; `addresses` are for people. `own_prefect`: started by us.
    """

    def __init__(self, command: str, folder: Path, ports: Ports) -> None:
        self.folder = folder
        self.ports = ports
        self.environment: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.own_prefect = not os.environ.get("PREFECT_API_URL")
        self.processes = Processes(folder / "logs", self.note)
        self.shared: tuple[str, ...] = SHARED
        self._command = command
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")

    @property
    def auth(self) -> str:
        """Prefect's `user:password`, made for this installation."""
        return self.environment.get("PREFECT_API_AUTH_STRING", "")

    def note(self) -> None:
        """Tell the folder what runs, for other commands and for a second start."""
        shared = {name: self.environment[name] for name in self.shared if name in self.environment}
        state.write(
            self.folder,
            state.State(
                pid=os.getpid(),
                command=self._command,
                started_at=self._started_at,
                processes=self.processes.pids,
                addresses=self.addresses,
                environment=shared,
            ),
        )


Meanwhile = Callable[[House], None]


def main(*, port_base: int) -> int:
    """Exit status of `cloudtosys up`: it stays until Ctrl-C or SIGTERM."""
    return guarded(lambda: _up(port_base))


def _up(port_base: int) -> int:
    with running("up", Ports(port_base)) as house:
        print_addresses(house)
        stay(house)
    return 0


def guarded(work: Callable[[], int]) -> int:
    """Run with clear endings: cause and remedy instead of a traceback, everything stopped."""
    try:
        return work()
    except SyncError as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        print("\nEncerrado.")
        return 0


@contextmanager
def running(
    command: str, ports: Ports, *, sandbox: bool = False, meanwhile: Meanwhile | None = None
) -> Iterator[House]:
    """A whole installation in the data folder; everything is stopped at the end, in reverse order.

    `meanwhile` is called when the database is ready, while Prefect starts. Raises `InstallationError` and
    `DatabaseUnavailable` with everything stopped.
    """
    folder = data_folder()
    with ExitStack() as stack:
        stack.enter_context(_signals())
        stack.enter_context(state.sole(folder))
        _claim(ports, sandbox=sandbox)
        house = House(command, folder, ports)
        house.note()
        with step("PostgreSQL no ar"):
            found = stack.enter_context(databases.opened(folder))
        if found.is_embedded:
            house.shared = (*SHARED, "DATABASE_URL")  # a socket's address: no password in it
        stack.enter_context(house.processes)
        stack.callback(_deaf)
        _start(house, found, meanwhile)
        house.note()
        yield house


def stay(house: House) -> None:
    """Restart what dies, until Ctrl-C or SIGTERM."""
    print("Ctrl-C encerra.", flush=True)
    try:
        while True:
            time.sleep(WATCH_SECONDS)
            house.processes.watch()
    except KeyboardInterrupt:
        print("\nEncerrando…", flush=True)


def print_addresses(house: House) -> None:
    for name, url in house.addresses.items():
        print(f"{name}: {url}")
    if house.own_prefect:
        print(f"Prefect usuário:senha = {house.auth}")
    print(f"Logs: {house.folder / 'logs'}", flush=True)


@contextmanager
def step(done: str) -> Iterator[None]:
    """One line when it has been done, with its seconds."""
    began = time.monotonic()
    yield
    print(f"{done} ({number(time.monotonic() - began, 1)} s)", flush=True)


def _start(house: House, found: databases.Databases, meanwhile: Meanwhile | None) -> None:
    _start_prefect(house, found)
    with step("Banco migrado e chaves conferidas"):
        house.environment |= databases.prepare(house.folder, found)
    ui = house.environment["PREFECT_API_URL"].removesuffix("/").removesuffix("/api")
    house.environment |= {"CLOUDTOSYS_PREFECT_UI_URL": ui, "PREFECT_HOME": str(house.folder / "prefect")}
    if public := os.environ.get("CLOUDTOSYS_PUBLIC_URL"):
        house.environment["CLOUDTOSYS_PUBLIC_URL"] = public
    os.environ.update(house.environment)
    house.addresses |= {"Prefect": ui}
    web = [sys.executable, "-m", "cli.web", "--port", str(house.ports.web)]
    house.processes.start("web", web, house.environment)
    house.addresses |= {"Web": address(house.ports.web)}
    if meanwhile:
        meanwhile(house)
        os.environ.update(house.environment)
    with step("Prefect no ar"):
        _wait_prefect(house)
    with step("Deployments aplicados"):
        asyncio.run(_apply(house.environment))
    house.processes.start("worker", _worker(), house.environment)
    house.processes.start("sentinela", [sys.executable, "-m", "deployments.sentinel"], house.environment)
    with step("Web no ar"):
        _wait_web(house)


def _worker() -> list[str]:
    """The warm worker, or Prefect's own that starts a Python for each run."""
    name, kind = pool()
    if kind == "process":
        words = ("worker", "start", "--pool", name, "--type", kind, "--limit", str(2 * (os.cpu_count() or 1)))
        return [sys.executable, "-m", "prefect", *words]
    return [sys.executable, "-m", "deployments.warm"]


def _start_prefect(house: House, found: databases.Databases) -> None:
    """The server takes 10 to 15 s to answer: it comes first, the rest meanwhile."""
    if not house.own_prefect:
        auth = os.environ.get("PREFECT_API_AUTH_STRING", "")
        house.environment |= {
            "PREFECT_API_URL": os.environ["PREFECT_API_URL"],
            "PREFECT_API_AUTH_STRING": auth,
        }
        return
    auth = server.auth_string(house.folder)
    environment = server.environment(house.folder, found.prefect_url, house.ports.prefect, auth)
    house.processes.start("prefect", server.command(house.ports.prefect), environment)
    house.environment |= server.client_environment(house.ports.prefect, auth)


def _wait_prefect(house: House) -> None:
    """In short waits, so that a server that died is told at once. Raises `InstallationError`."""
    url, deadline = house.environment["PREFECT_API_URL"], time.monotonic() + PREFECT_SECONDS
    while True:
        try:
            server.wait_ready(url, house.auth, 1)
            return
        except InstallationError as error:
            if "recusou" in error.message:
                raise
            house.processes.check("prefect")
            if time.monotonic() > deadline:
                log = house.folder / "logs" / "prefect.log"
                where = f"Veja o log {log}." if house.own_prefect else f"Confira PREFECT_API_URL ({url})."
                raise InstallationError(
                    f"O servidor Prefect não respondeu em {PREFECT_SECONDS:.0f} s. {where}"
                ) from None


def _wait_web(house: House) -> None:
    deadline = time.monotonic() + WEB_SECONDS
    while time.monotonic() < deadline:
        house.processes.check("web")
        try:
            httpx.get(f"{address(house.ports.web)}/health", timeout=10, trust_env=False)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise InstallationError("O processo web não respondeu. Veja o log web.runs.log na pasta de logs.")


async def _apply(environment: Mapping[str, str]) -> None:
    database = engine(environment["DATABASE_URL"])
    api = Api(environment["PREFECT_API_URL"], environment.get("PREFECT_API_AUTH_STRING", ""))
    async with api:
        await Prefect(api, database).reconcile()
    await database.dispose()


def _claim(ports: Ports, *, sandbox: bool) -> None:
    claim(ports.web, "web")
    if not os.environ.get("PREFECT_API_URL"):
        claim(ports.prefect, "Prefect")
    if sandbox:
        claim(ports.sandbox, "loja de demonstração")


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {
        signal.SIGINT: signal.getsignal(signal.SIGINT),
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
    }
    try:
        yield
    finally:
        for number_, handler in before.items():
            signal.signal(number_, handler)


def _deaf() -> None:
    """While children are being ended, a second Ctrl-C must not leave them behind."""
    for number_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number_, signal.SIG_IGN)
