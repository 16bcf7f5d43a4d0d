"""The address guard against hostile addresses, and against names that resolve to them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.address import Guard
from core.errors import AddressRefused, ConfigurationError, HostNotFound
from core.http import client

# IPv4 that is not on the internet, as it may be written.
PRIVATE_V4 = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255"),
    *("192.168.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.254"),
    *("0.0.0.0", "0.1.2.3", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    "168.63.129.16",
]
PRIVATE_V6 = [
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254"),
    *("::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::a00:1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:20::1"),
    *("2001:db8::1", "3fff::1", "5f00::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"),
    *("ff02::1", "4000::1"),
]
ODD_IPS = [
    *("2130706433", "0x7f000001", "0x7F.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0"),
    *(
        "127.0.0.1.",
        "127.000.000.001",
        "0000:7f00:1",
        "127.0.0.0x1",
        "1.1.1.1%00.example",
        "1.1.1",
        "08.8.8.8",
    ),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "127.0.0.1%2f", "999.1.1.1"),
]
NAMES = [
    *("localhost", "LOCALHOST", "localhost.", "loja.localhost", "localhost.localdomain", "servidor.local"),
    *("metadata", "metadata.google.internal", "metadata.google.internal.", "metadata.goog", "instance-data"),
    *("banco.internal", "impressora.lan", "erp.intranet", "nas.home.arpa", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "loja.example."),
    *("loja..example", ".loja.example", "-loja.example", "loja_.-.", "xn--", "a" * 300 + ".example"),
]
URLS = [
    "http://loja.example/",
    *(
        "ftp://loja.example/",
        "file:///etc/passwd",
        "gopher://loja.example/",
        "javascript:alert(1)",
        "//loja.example",
    ),
    *("loja.example", "", "https://", "https:///caminho", "https:loja.example", "https://?x=1", "https://#x"),
    *("https://usuario@loja.example/", "https://usuario:senha@loja.example/", "https://@loja.example/"),
    *("https://:@loja.example/", "https://loja.example@127.0.0.1/", "https://loja.example\\@127.0.0.1/"),
    *(
        "https://loja.example:0/",
        "https://loja.example:22/",
        "https://loja.example:25/",
        "https://loja.example:5432/",
    ),
    *(
        "https://loja.example:6379/",
        "https://loja.example:65536/",
        "https://loja.example:-1/",
        "https://x:abc/",
    ),
    *(
        "https://loja .example/",
        " https://loja.example/",
        "https://loja.example/\r\nHost: x",
        "https://loja\t.example/",
    ),
    *(
        "https://loja.example/\x00",
        "https://[::1/",
        "https://::1/",
        "https://[v1.x]/",
        "https://[loja.example]/",
    ),
    *(f"https://{host}/" for host in (*PRIVATE_V4, *ODD_IPS, *NAMES)),
    *(f"https://[{host}]/" for host in (*PRIVATE_V6, "fe80::1%eth0", "fe80::1%25eth0", "2606:4700::1%25x")),
]


async def reach(guard: Guard, url: str) -> list[str]:
    """What a client of this address would connect to."""
    async with client(url, httpx.Auth(), guard) as made:
        target = made.base_url
        return await guard.resolve(target.raw_host.decode(), target.port or 443)


@pytest.mark.parametrize("url", URLS)
async def test_hostile_addresses_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        await reach(Guard(), url)
    assert "senha@" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://1.1.1.1/", "1.1.1.1"),
        ("https://1.1.1.1:8443/loja", "1.1.1.1"),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111"),
        ("https://[::ffff:1.1.1.1]/", "::ffff:101:101"),
    ],
)
async def test_public_addresses_are_accepted(url: str, expected: str) -> None:
    assert [ipaddress.ip_address(ip) for ip in await reach(Guard(), url)] == [ipaddress.ip_address(expected)]


@pytest.mark.parametrize(
    "host", ["loja.example", "www.minha-loja.com.br", "loja_1.example", "café.example", "x.xn--p1ai"]
)
def test_ordinary_names_pass(host: str) -> None:
    Guard().check_url(f"https://{host}/loja?x=1")
    Guard(plain_http=True).check_url(f"http://{host}/")


Answers = Callable[[Sequence[str]], None]


@pytest.fixture
async def dns(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Decides what every name resolves to."""
    loop = asyncio.get_running_loop()

    def answer(addresses: Sequence[str]) -> None:
        async def getaddrinfo(host: Any, port: Any, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)

    return answer


@pytest.mark.parametrize("hidden", [*PRIVATE_V4, *PRIVATE_V6, "fe80::1%2"])
async def test_every_answer_of_a_name_must_be_public(dns: Answers, hidden: str) -> None:
    for addresses in ([hidden], ["1.1.1.1", hidden], [hidden, "1.1.1.1"]):
        dns(addresses)
        with pytest.raises(AddressRefused, match="rede privada"):
            await Guard().resolve("loja.example", 443)
    dns(["1.1.1.1", "1.0.0.1"])
    assert await Guard().resolve("loja.example", 443) == ["1.1.1.1", "1.0.0.1"]


async def test_a_name_that_changes_after_the_check_is_checked_again(dns: Answers) -> None:
    async with client("https://loja.example/", httpx.Auth(), Guard()) as made:
        dns(["127.0.0.1"])
        with pytest.raises(AddressRefused):
            await made.get("/produtos")


async def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(HostNotFound, match="DNS"):
        await Guard().resolve("nao-existe.invalid", 443)


def inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, 6to4 or NAT64 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(address.packed[12:])
    return address.ipv4_mapped or address.sixtofour


wrapped = st.ip_addresses(v=4).flatmap(
    lambda v4: st.sampled_from(
        [f"::ffff:{v4}", f"64:ff9b::{v4}", f"2002:{v4.packed[:2].hex()}:{v4.packed[2:].hex()}::"]
    )
)


@given(st.ip_addresses() | wrapped.map(ipaddress.ip_address))
async def test_only_addresses_of_the_internet_pass(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    try:
        accepted = await Guard().resolve(str(address), 443)
    except AddressRefused:
        return
    assert accepted == [str(address)]
    end = inner(address) or address
    assert end.is_global
    odd = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
    assert not any(getattr(end, name) for name in odd)


ALLOWED = frozenset({"127.0.0.1", "Loja.Local", "erp.example:8081", "10.0.0.0/8", "[fd00::7]:9000", "::1"})


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:47111/",
            "https://127.0.0.1/",
            "http://loja.local:3000/x",
            "https://LOJA.local./",
        ),
        *(
            "http://erp.example:8081/",
            "http://10.20.30.40:5000/",
            "http://[fd00::7]:9000/",
            "http://[::1]:1/",
        ),
    ],
)
def test_what_the_operator_lists_is_allowed(url: str) -> None:
    Guard(private=ALLOWED).check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.2/", "https://localhost/", "https://erp.example:9999/", "http://erp.example/"),
        *("https://11.0.0.1:5000/", "https://[fd00::7]/", "https://sub.loja.local/", "http://outra.example/"),
        *("http://usuario@127.0.0.1/", "ftp://127.0.0.1/", "https://2130706433/"),
    ],
)
async def test_what_the_operator_does_not_list_stays_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        await reach(Guard(private=ALLOWED), url)


async def test_names_may_resolve_into_a_listed_network_alone(dns: Answers) -> None:
    guard = Guard(private=ALLOWED)
    dns(["10.1.2.3"])
    assert await guard.resolve("interna.example", 443) == ["10.1.2.3"]
    with pytest.raises(AddressRefused):
        await Guard().resolve("interna.example", 443)
    dns(["10.1.2.3", "192.168.0.9"])
    with pytest.raises(AddressRefused):
        await guard.resolve("interna.example", 443)


def test_plain_http_opens_no_private_address() -> None:
    guard = Guard(plain_http=True)
    guard.check_url("http://loja.example:8080/")
    for host in ("localhost", "2130706433"):
        with pytest.raises(AddressRefused):
            guard.check_url(f"http://{host}/")


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "rede/8", "300.0.0.0/8"])
def test_a_network_that_cannot_be_read_is_told_to_the_operator(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="hosts privados"):
        Guard(private=frozenset({entry}))


@pytest.mark.parametrize("url", ["https://10.1.2.3", "https://[fd00::1]", "https://169.254.169.254/latest"])
def test_a_private_address_is_refused_as_it_is_typed(url: str) -> None:
    with pytest.raises(AddressRefused, match="rede privada"):
        Guard().check_url(url)
    Guard(private=frozenset({"10.0.0.0/8", "fd00::/8", "169.254.169.254"})).check_url(url)
