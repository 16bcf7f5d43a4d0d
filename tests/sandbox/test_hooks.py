"""The shop's own webhooks, as recorded on a running one."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sandbox.process import Store

SECRET = "segredo"


@dataclass
class Ear:
    """What a shop's deliveries reach; it answers `status`."""

    url: str = ""
    status: int = 200
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hear(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        for _ in range(200):
            if len(self.heard) >= count:
                break
            await asyncio.sleep(0.02)
        assert len(self.heard) == count
        return self.heard

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        writer.write(f"HTTP/1.1 {self.status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    found = Ear()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/loja"
    yield found
    server.close()


def made(client: httpx.Client, ear: Ear, topic: str) -> dict[str, Any]:
    body = {"topic": topic, "delivery_url": ear.url, "secret": SECRET}
    answer = client.post("/webhooks", json=body)
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    assert "secret" not in found
    return found


async def test_a_ping_and_then_what_changed_signed(steered: tuple[Store, httpx.Client], ear: Ear) -> None:
    store, client = steered
    made(client, ear, "product.updated")
    [(headers, body)] = await ear.hear(1)
    assert body == b"webhook_id=1"
    assert not [name for name in headers if name.startswith("x-wc")]
    for price in ("1.00", "2.00", "3.00"):
        store.control("change", kind="products", id=3, fields={"regular_price": price})
    headers, body = (await ear.hear(2))[1]
    wanted = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    assert headers["x-wc-webhook-signature"] == wanted
    assert (headers["x-wc-webhook-topic"], headers["x-wc-webhook-id"]) == ("product.updated", "1")
    assert (json.loads(body)["id"], json.loads(body)["regular_price"]) == (3, "3.00")
    store.delete_product(3)
    await asyncio.sleep(0.2)
    assert len(ear.heard) == 2, "force=true tells nobody"


async def test_the_trash_tells_the_id_alone(steered: tuple[Store, httpx.Client], ear: Ear) -> None:
    _, client = steered
    made(client, ear, "product.deleted")
    await ear.hear(1)
    assert client.delete("/products/3").status_code == 200
    assert (await ear.hear(2))[1][1] == b'{"id":3}'


async def test_the_seventh_failure_in_a_row_disables_it(
    steered: tuple[Store, httpx.Client], ear: Ear
) -> None:
    store, client = steered
    id_ = made(client, ear, "product.updated")["id"]
    await ear.hear(1)
    ear.status = 500
    for count in range(2, 9):
        assert client.get(f"/webhooks/{id_}").json()["status"] == "active"
        store.control("change", kind="products", id=count, fields={"name": "x"})
        await ear.hear(count)
        await asyncio.sleep(0.05)
    assert client.get(f"/webhooks/{id_}").json()["status"] == "disabled"
    ear.status = 200
    assert client.put(f"/webhooks/{id_}", json={"status": "active"}).json()["status"] == "active"
    assert (await ear.hear(9))[8][1] == b"webhook_id=1"
    assert client.delete(f"/webhooks/{id_}", params={"force": "true"}).status_code == 200
    assert client.get(f"/webhooks/{id_}").status_code == 404
