"""Which port is whose. All follow one base, so that PORT_BASE moves the whole installation."""

import socket
from dataclasses import dataclass

from core.errors import Advice, ConfigurationError

DEFAULT_BASE = 4700
HOST = "127.0.0.1"


class PortTaken(ConfigurationError):
    advice = Advice(
        "Porta ocupada",
        "Outro programa, ou outra instalação do CloudToSys, já usa a porta.",
        "Encerre o que usa a porta, ou mude todas de uma vez com PORT_BASE=, por exemplo PORT_BASE=5700.",
    )


@dataclass(frozen=True, slots=True)
class Ports:
    base: int = DEFAULT_BASE

    @property
    def web(self) -> int:
        return self.base

    @property
    def prefect(self) -> int:
        return self.base + 1

    @property
    def sandbox(self) -> int:
        return self.base + 2


def address(port: int) -> str:
    return f"http://{HOST}:{port}"


def claim(port: int, whose: str) -> None:
    """Raises `PortTaken` when the port is in use, `ConfigurationError` when it is no port for us."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
            attempt.listen(1)
        except PermissionError:
            raise ConfigurationError(
                f"A porta {port} exige privilégio: use PORT_BASE= acima de 1024."
            ) from None
        except OverflowError:
            raise ConfigurationError(f"{port} não é uma porta: use PORT_BASE= até 65000.") from None
        except OSError:
            raise PortTaken(
                f"A porta {port} ({whose}) está ocupada. Mude todas as portas com PORT_BASE=."
            ) from None
