"""Hostile addresses lead nowhere, wherever somebody may write one: no connection is ever made (T23)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import httpx
import pytest

from cli.probe import probed
from core import address
from core.address import Guard
from core.errors import AddressRefused, ConfigurationError, ContractError, SyncError
from core.http import client
from core.source import HttpSource
from providers.legacy import tables
from providers.registry import PROVIDERS
from tests.console import SignedIn
from tests.hostile import addresses
from web.wiring import Wiring

LEAST = 200
OURS, TRAPPED = "127.0.0.2", "127.0.0.1"
"""A host that the guard lets through, and all that it must not."""
PUBLIC = Guard(private=frozenset({f"{OURS}/32"}), plain_http=True)


@dataclass
class Trap:
    """Listens where no call may go: on 127.0.0.1 and [::1]."""

    port: int
    connections: int = 0


@pytest.fixture
async def trap(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trap]:
    """Its port counts as a public one, so that only the address stands in the way."""

    async def enter(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        writer.close()

    first = await asyncio.start_server(enter, TRAPPED, 0)
    found = Trap(first.sockets[0].getsockname()[1])
    second = await asyncio.start_server(enter, "::1", found.port) if socket.has_ipv6 else None
    monkeypatch.setattr(address, "PUBLIC_PORTS", address.PUBLIC_PORTS | {found.port})
    yield found
    for server in filter(None, (first, second)):
        server.close()
        await server.wait_closed()


Resolver = Callable[..., list[str]]


@pytest.fixture
async def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Stands in the place of the DNS: the answers to each question in turn, and the names asked for."""
    loop = asyncio.get_running_loop()

    def answer(*turns: list[str]) -> list[str]:
        asked: list[str] = []

        async def getaddrinfo(host: Any, port: Any, **_: Any) -> list[Any]:
            asked.append(str(host))
            found = turns[min(len(asked), len(turns)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        return asked

    return answer


@pytest.fixture
async def shop(trap: Trap) -> AsyncIterator[list[str]]:
    """A shop on 127.0.0.2 at the trap's port; it redirects to each of these in turn."""
    leads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        where = leads.pop(0) if leads else ""
        head = f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n" if where else "HTTP/1.1 200 OK\r\n"
        writer.write(f"{head}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, OURS, trap.port)
    yield leads
    server.close()
    await server.wait_closed()


async def test_none_is_reached_by_any_spelling(trap: Trap, resolve: Resolver) -> None:
    """Every name there is resolves to the trap."""
    resolve([TRAPPED])
    corpus = addresses(trap.port)
    assert len(corpus) >= LEAST
    through = [url for url in corpus if not await refuses(url)]
    assert (through, trap.connections) == ([], 0)


async def refuses(url: str) -> bool:
    try:
        async with client(url, None, Guard(plain_http=True)) as made:
            await made.get("/")
    except AddressRefused:
        return True
    except httpx.HTTPError:
        return False
    return False


async def test_the_trap_would_be_sprung(trap: Trap, resolve: Resolver) -> None:
    resolve([TRAPPED])
    async with client(f"http://loja.example:{trap.port}/", None, Guard(frozenset({"loja.example"}))) as made:
        with pytest.raises(httpx.HTTPError):
            await made.get("/")
    assert trap.connections == 1


async def test_no_redirect_and_no_address_in_an_answer_leads_there(
    trap: Trap, shop: list[str], resolve: Resolver
) -> None:
    """What an external system names is guarded as what a person types."""
    resolve([OURS])
    base = f"http://loja.example:{trap.port}/"
    corpus = [url for url in addresses(trap.port) if "\r" not in url and "\n" not in url and url.strip()]
    async with client(base, None, PUBLIC) as made:
        for url in corpus:
            shop.append(url)
            with suppress(ContractError, httpx.RemoteProtocolError):  # what is no address at all
                assert (await made.get("/produtos")).status_code == 302
        assert shop == []
        resolve([TRAPPED])
        source = HttpSource(PROVIDERS[0], {}, made, cast("Any", None), retry_seconds=())
        for url in corpus:
            with pytest.raises(SyncError):
                await source.download(url, 0, 10)
    assert trap.connections == 0


@pytest.mark.parametrize(
    "turns",
    [
        ([OURS], [TRAPPED]),
        ([OURS], [TRAPPED], [OURS], [TRAPPED]),
        ([OURS], [OURS, TRAPPED]),
        ([OURS], [TRAPPED, OURS]),
        ([OURS], ["::1"]),
        ([OURS], ["::ffff:7f00:1"]),
        ([OURS], ["0.0.0.0"]),
    ],
)
async def test_a_name_that_changes_its_mind_is_asked_once_for_each_connection(
    trap: Trap, shop: list[str], resolve: Resolver, turns: tuple[list[str], ...]
) -> None:
    """TTL 0: the address that was checked is the one that is connected to."""
    asked = resolve(*turns)
    async with client(f"http://loja.example:{trap.port}/", None, PUBLIC) as made:
        assert (await made.get("/")).status_code == 200
        assert asked == ["loja.example"]
        with pytest.raises(AddressRefused):
            await made.get("/")
    assert (len(asked), trap.connections) == (2, 0)


async def test_the_host_of_an_old_database_is_connected_to_as_it_was_checked(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    answers, ours = [OURS], await asyncio.start_server(close, OURS, trap.port)

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        named = not str(host).startswith("127.")
        found = answers.pop() if named and answers else TRAPPED if named else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    settings = dict.fromkeys(("database", "username", "password"), "x") | {"host": "velho.example"}
    settings |= {"port": str(trap.port), "engine": "mysql"}
    with pytest.raises(SyncError):
        await asyncio.to_thread(tables.found_tables, settings, frozenset({f"{OURS}/32"}))
    with pytest.raises(AddressRefused):
        await asyncio.to_thread(tables.found_tables, settings, frozenset({f"{OURS}/32"}))
    assert (answers, trap.connections) == ([], 0)
    ours.close()


@pytest.mark.parametrize("service", ["x)(HOST=127.0.0.1", "x))(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1)", ""])
def test_the_service_of_an_oracle_names_no_other_host(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_check_driver", lambda kind: None)
    settings = {"engine": "oracle", "host": "1.1.1.1", "username": "x", "password": "x", "database": service}
    with pytest.raises(ConfigurationError, match="serviço do Oracle"):
        tables.found_tables(settings, frozenset())


@pytest.fixture
def wiring(wiring: Wiring) -> Wiring:
    """An operator who lists nothing, and lets shops be without TLS."""
    environment = replace(wiring.environment, private_hosts=frozenset(), plain_http=True)
    return replace(wiring, environment=environment, probe=partial(probed, environment, wiring.engine))


async def test_no_form_and_no_test_of_a_connection_leads_there(
    trap: Trap,
    resolve: Resolver,
    person: SignedIn,
    keys: str,
    sql: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A third of the addresses through the form, others as if they had been kept before there was a guard."""
    monkeypatch.setenv("CLOUDTOSYS_KEYS", keys)
    resolve([TRAPPED])
    corpus = [url for url in addresses(trap.port) if "\0" not in url]
    fields = {
        "nome": "Loja",
        "acao": "testar",
        "campo.base_url": "https://loja.example",
        "campo.consumer_key": f"ck_{'0' * 40}",
        "campo.consumer_secret": f"cs_{'0' * 40}",
    }
    await person.http.post("/integracoes/nova/woocommerce", data=fields)
    [(id_,)] = sql("SELECT id FROM sync.integration WHERE name = 'Loja'")
    for url in corpus[::3]:
        answer = await person.http.post(f"/integracoes/{id_}/acesso", data=fields | {"campo.base_url": url})
        assert answer.status_code in (200, 422), url
        assert "Conexão válida" not in answer.text
    for url in corpus[1::6]:
        sql("UPDATE sync.integration SET base_url = :url WHERE id = :id", url=url, id=id_)
        answer = await person.http.post(f"/integracoes/{id_}/testar")
        assert answer.status_code == 200, url
        assert "Conexão válida" not in answer.text
    assert trap.connections == 0
