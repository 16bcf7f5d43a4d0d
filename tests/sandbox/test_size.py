"""Any size in constant memory, and fast enough to leave the machine to what is tested against it."""

import socket
import time
from urllib.parse import urlsplit

import psutil
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client

from sandbox.process import Store, start
from tests.sandbox.conftest import caller

MEGABYTE = 1 << 20
PAGES = 300
# A third of what was measured: a smoke test, not a benchmark.
SLOWEST = 25_000


def test_a_million_products_take_no_memory() -> None:
    with start(products=1_000_000) as store, caller(store) as shop:
        newest = shop.get("/products", params={"orderby": "modified", "per_page": 1}).json()[0]
        asked: tuple[dict[str, str | int], ...] = (
            {"orderby": "id", "order": "asc", "page": 9999},
            {"orderby": "modified", "order": "asc", "offset": 700_000},
            {"modified_after": newest["date_modified_gmt"], "dates_are_gmt": "true"},
            {"modified_after": "2025-10-01T00:00:00", "dates_are_gmt": "true", "orderby": "id"},
            {"status": "draft"},
        )
        for params in asked:
            answer = shop.get("/products", params={"per_page": 100, **params}, timeout=60)
            assert answer.status_code == 200
        assert shop.get("/products", params={"sku": "SKU-0999999"}).json()[0]["id"] == 999_999
        used = psutil.Process(store.pid).memory_info().rss / MEGABYTE
        print(f"1,000,000 products: {used:.0f} MB")
        assert used < 150


def test_products_a_second() -> None:
    with start(products=100 * PAGES) as store:
        process = psutil.Process(store.pid)
        before = process.cpu_times()
        began = time.perf_counter()
        received = fetch(store, PAGES)
        seconds = time.perf_counter() - began
        after = process.cpu_times()
        cpu = after.user + after.system - before.user - before.system
        print(
            f"{100 * PAGES / seconds:,.0f} products/s on one connection,"
            f" {100 * PAGES / cpu:,.0f} for a second of the shop's processor,"
            f" {received / PAGES / 100:.0f} bytes each"
        )
        assert 100 * PAGES / cpu > SLOWEST


def fetch(store: Store, pages: int) -> int:
    """Bytes of that many full pages, read by a client that costs almost nothing."""
    signer = Client(
        store.consumer_key,
        client_secret=store.consumer_secret,
        signature_method=SIGNATURE_HMAC_SHA256,
        signature_type=SIGNATURE_TYPE_QUERY,
    )
    address = f"{store.url}/wp-json/wc/v3/products?orderby=id&order=asc&per_page=100&page="
    host = urlsplit(store.url)
    buffer, total = bytearray(MEGABYTE), 0
    with socket.create_connection((str(host.hostname), host.port or 80)) as connection:
        for page in range(1, pages + 1):
            target = signer.sign(f"{address}{page}")[0].removeprefix(store.url)
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65_536)
            head, _, body = head.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            rest = size - len(body)
            while rest > 0:
                rest -= connection.recv_into(buffer, min(rest, MEGABYTE))
            total += size
    return total
