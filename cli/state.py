"""What runs in a data folder: one installation at a time, its pids and addresses in `run/state.json`."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from core.errors import Advice, ConfigurationError, InstallationError


class State(msgspec.Struct, kw_only=True):
    """`environment` is what other commands need to reach this installation; no secret is in it."""

    pid: int
    command: str
    started_at: str
    processes: dict[str, int] = {}
    addresses: dict[str, str] = {}
    environment: dict[str, str] = {}


class AlreadyRunning(ConfigurationError):
    advice = Advice(
        "Já em execução",
        "Outro `cloudtosys` cuida desta pasta de dados.",
        "Use o que já está no ar, ou encerre-o (Ctrl-C no terminal dele, ou o sinal TERM no pid dele) "
        "e inicie de novo.",
    )


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises `AlreadyRunning`, telling what runs, and `InstallationError` for a folder that
    is not ours to use; the hold ends with this process.
    """
    try:
        (folder / "run").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "run" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InstallationError(
            f"A pasta de dados {folder} não pôde ser usada ({error.strerror}): confira as permissões dela ou "
            "escolha outra com CLOUDTOSYS_DATA."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(_described(folder)) from None
        try:
            yield
        finally:
            _path(folder).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def write(folder: Path, state: State) -> None:
    draft = _path(folder).with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
    draft.replace(_path(folder))


def read(folder: Path) -> State | None:
    """The state of what runs in a folder; None where nothing does."""
    try:
        state = msgspec.json.decode(_path(folder).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None
    return state if psutil.pid_exists(state.pid) else None


def _path(folder: Path) -> Path:
    return folder / "run" / "state.json"


def _described(folder: Path) -> str:
    state = read(folder)
    if state is None:
        return f"Já há uma instalação em execução na pasta {folder}."
    pids = ", ".join(f"{name} {pid}" for name, pid in state.processes.items())
    addresses = ", ".join(f"{name} {url}" for name, url in state.addresses.items())
    return (
        f"Já em execução nesta pasta: cloudtosys {state.command} (pid {state.pid}). "
        f"Processos: {pids or 'iniciando'}. Endereços: {addresses or 'iniciando'}."
    )
