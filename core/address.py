"""The address guard: where a URL typed by a tenant may lead.

A name is resolved once, every answer must be public (or allowed by the operator), and the connection goes to
that address. Follows the OWASP cheat sheet on server-side request forgery.
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.errors import AddressRefused, ConfigurationError, HostNotFound

PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})
LONGEST_NAME = 253
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f\\]")
_INTERNAL_HOSTS = frozenset({"localhost", "metadata", "metadata.goog", "instance-data"})
_INTERNAL_SUFFIXES = (".localhost", ".internal", ".local", ".localdomain", ".lan", ".intranet", ".home.arpa")
_NAME = re.compile(r"[^\W_]([\w-]*\w)?(\.[\w-]+)*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
# Not on the internet, though older Python versions (3.11 among them) take most of them for global.
# https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",
            "192.88.99.0/24",
            "168.63.129.16/32",  # the platform address inside Microsoft Azure
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
        ),
    )
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Guard:
    """`private` lists hosts, `host:port`s and networks that may be private and may use any port and plain
    HTTP; `plain_http` allows HTTP to public hosts too.

    A name is listed by itself: where only the network of its addresses is, it keeps to HTTPS and the public
    ports. Raises `ConfigurationError` for an entry that cannot be read.
    """

    private: frozenset[str] = field(default_factory=frozenset)
    plain_http: bool = False
    _hosts: frozenset[str] = field(init=False, repr=False)
    _networks: tuple[IPNetwork, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        entries = {entry.strip().rstrip(".").lower() for entry in self.private}
        object.__setattr__(self, "_hosts", frozenset(entry for entry in entries if "/" not in entry))
        object.__setattr__(self, "_networks", tuple(_network(entry) for entry in entries if "/" in entry))

    def check_url(self, url: str) -> None:
        """Refuse what no lookup is needed for. Raises `AddressRefused`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AddressRefused("O endereço está malformado.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise AddressRefused("O endereço deve começar com https:// e ter um host.")
        if parts.port == 0:
            raise AddressRefused("A porta 0 não é aceita.")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise AddressRefused("O endereço não pode conter usuário ou senha.")
        if _UNFIT.search(url):
            raise AddressRefused("O endereço contém caracteres inválidos.")
        port = port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "http" and not self.plain_http and not self._is_listed(host, port):
            raise AddressRefused(f"O endereço de {host} deve usar https://.")
        self.check_host(host, port)

    def check_host(self, host: str, port: int) -> None:
        """As `check_url`, for a connection. Raises `AddressRefused`."""
        if self._is_listed(host, port):
            return
        if port not in PUBLIC_PORTS:
            raise AddressRefused(f"A porta {port} não é aceita.")
        name = host.lower()
        literal = _parse_ip(name)
        if literal is not None and "%" not in name:
            self._check_address(host, literal)
            return
        if name in _INTERNAL_HOSTS or name.endswith(_INTERNAL_SUFFIXES):
            raise AddressRefused(f"O host {host} é interno.")
        if _looks_numeric(name):
            raise AddressRefused(f"O host {host} é um endereço IP escrito de forma não aceita.")
        if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
            raise AddressRefused("O nome do host está malformado.")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses that may be connected to, in the resolver's order.

        Raises `AddressRefused` when any answer is private, `HostNotFound` when there is none.
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
        if name in self._hosts or f"{name}:{port}" in self._hosts or f"[{name}]:{port}" in self._hosts:
            return True
        literal = _parse_ip(name)
        return literal is not None and self._in_networks(literal)

    def _in_networks(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address not in _IPV6_UNICAST:
            return False
    if any(address in network for network in _RESERVED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _parse_ip(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(entry: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        text = f"A lista de hosts privados permitidos tem uma rede inválida: {entry[:60]!r}."
        raise ConfigurationError(text) from None


def _looks_numeric(name: str) -> bool:
    """Whether a resolver could read the name as an IP: decimal, octal, hexadecimal, shortened."""
    last = name.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


async def _lookup(host: str, port: int) -> list[IPAddress]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise HostNotFound(f"O host {host} não foi encontrado (DNS). Confira a URL base.") from None
    return [ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found]
