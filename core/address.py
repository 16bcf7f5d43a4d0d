"""The address guard: where a URL typed by a tenant may lead.

A name is resolved once, every answer must be public (or allowed by the operator), and the connection goes to
that address. Follows the OWASP cheat sheet on server-side request forgery.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.errors import AddressRefused, TransientError

PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})
_METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata", "instance-data"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Guard:
    """`private` lists hosts, `host:port`s and networks that may be private and may use any port and plain
    HTTP; `plain_http` allows HTTP to public hosts too."""

    private: frozenset[str] = field(default_factory=frozenset)
    plain_http: bool = False

    def check_url(self, url: str) -> None:
        """Refuse what no lookup is needed for. Raises `AddressRefused`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AddressRefused("O endereço está malformado.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise AddressRefused("O endereço deve começar com https:// e ter um host.")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise AddressRefused("O endereço não pode conter usuário ou senha.")
        if any(char.isspace() or ord(char) < 32 for char in url) or "\\" in url:
            raise AddressRefused("O endereço contém caracteres inválidos.")
        port = port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "http" and not self.plain_http and not self._is_listed(host, port):
            raise AddressRefused(f"O endereço de {host} deve usar https://.")
        self.check_host(host, port)

    def check_host(self, host: str, port: int) -> None:
        if self._is_listed(host, port):
            return
        name = host.rstrip(".").lower()
        if port not in PUBLIC_PORTS:
            raise AddressRefused(f"A porta {port} não é aceita.")
        if (
            name in _METADATA_HOSTS
            or name == "localhost"
            or name.endswith((".localhost", ".internal", ".local"))
        ):
            raise AddressRefused(f"O host {host} é interno.")
        if _looks_numeric(name) and _parse_ip(name) is None:
            raise AddressRefused(f"O host {host} é um endereço IP escrito de forma não aceita.")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses that may be connected to, in the resolver's order.

        Raises `AddressRefused` when any answer is private, `TransientError` when there is none.
        """
        self.check_host(host, port)
        literal = _parse_ip(host)
        answers = [literal] if literal else await _lookup(host, port)
        if not self._is_listed(host, port):
            for address in answers:
                self._check_address(host, address)
        return [str(address) for address in answers]

    def _check_address(self, host: str, address: IPAddress) -> None:
        if not _is_public(address) and not self._in_networks(address):
            raise AddressRefused(f"O host {host} aponta para uma rede privada ou reservada.")

    def _is_listed(self, host: str, port: int) -> bool:
        name = host.rstrip(".").lower()
        if name in self.private or f"{name}:{port}" in self.private:
            return True
        literal = _parse_ip(name)
        return literal is not None and self._in_networks(literal)

    def _in_networks(self, address: IPAddress) -> bool:
        networks = (ipaddress.ip_network(entry, strict=False) for entry in self.private if "/" in entry)
        return any(address in network for network in networks)


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _parse_ip(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _looks_numeric(name: str) -> bool:
    """Whether a resolver could read the name as an IP: decimal, octal, hexadecimal, shortened."""
    last = name.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


async def _lookup(host: str, port: int) -> list[IPAddress]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise TransientError(f"O host {host} não foi encontrado (DNS). Confira a URL base.") from None
    return [ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found]
