"""The script of troubles, and the control surface."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from sandbox.process import Store
from tests.sandbox.conftest import Signed, caller

PAGE = {"orderby": "id", "order": "asc", "per_page": "5"}


def statuses(shop: httpx.Client, count: int, path: str = "/products") -> list[int]:
    return [shop.get(path, params={"per_page": 1}).status_code for _ in range(count)]


def test_times_skip_every_and_path(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.faults({"on": {"path": "^products$"}, "kind": "503", "times": 2, "skip": 1})
    assert statuses(shop, 5) == [200, 503, 503, 200, 200]
    store.faults({"path": "orders", "kind": "500", "every": 3})
    assert statuses(shop, 6, "/orders") == [200, 200, 500, 200, 200, 500]
    assert statuses(shop, 3) == [200, 200, 200]
    store.faults({"on": {"method": "POST"}, "kind": "500"})
    assert statuses(shop, 2) == [200, 200]
    store.clear_faults()
    assert statuses(shop, 2, "/orders") == [200, 200]


def test_probability_is_seeded(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    runs = []
    for seed in (1, 1, 2):
        store.faults({"kind": "503", "probability": 0.5}, seed=seed)
        runs.append(statuses(shop, 20))
    assert runs[0] == runs[1] != runs[2]
    assert {200, 503} == set(runs[0])


@pytest.mark.parametrize("wait", [7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_too_many_requests(steered: tuple[Store, httpx.Client], wait: int | str) -> None:
    store, shop = steered
    store.faults({"kind": "429", "retry_after": wait, "times": 1})
    answer = shop.get("/products")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(wait))


def test_answers_that_are_not_what_they_seem(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.faults({"kind": "html", "times": 1})
    answer = shop.get("/products")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    store.faults({"kind": "broken_json", "times": 1})
    answer = shop.get("/products")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    store.faults({"kind": "empty_page", "times": 1})
    answer = shop.get("/products")
    assert (answer.json(), answer.headers["x-wp-total"]) == ([], "60")
    store.faults({"kind": "repeat_page", "times": 2, "skip": 1})
    pages = [shop.get("/products", params={**PAGE, "page": page}).json()[0]["id"] for page in (1, 2)]
    offset = shop.get("/products", params={**PAGE, "offset": 10}).json()[0]["id"]
    assert (*pages, offset) == (1, 1, 6)


def test_connections_that_end_early(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.faults({"kind": "truncate", "times": 1})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        shop.get("/products")
    store.faults({"kind": "reset", "times": 1})
    with pytest.raises(httpx.ReadError):
        shop.get("/products")
    assert statuses(shop, 1) == [200]
    assert [entry["fault"] for entry in store.requests()] == ["truncate", "reset", None]
    assert [entry["status"] for entry in store.requests()] == [200, 0, 200]


def test_what_was_asked_for_is_done_though_its_answer_is_lost(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.faults({"kind": "lost", "method": "PUT", "times": 1})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        shop.put("/products/3", json={"name": "Sem resposta"})
    assert shop.get("/products/3").json()["name"] == "Sem resposta"
    assert [entry["status"] for entry in store.requests()] == [0, 200]


def test_answers_that_take_their_time(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.faults({"kind": "timeout", "delay": 5, "times": 1})
    with pytest.raises(httpx.ReadTimeout):
        shop.get("/products", timeout=0.3)
    store.faults({"kind": "slow", "delay": 0.5, "times": 1})
    began = time.monotonic()
    assert len(shop.get("/products").json()) == 10
    assert time.monotonic() - began >= 0.5


def test_faults_over_tls(secure: Store) -> None:
    with caller(secure) as shop:
        secure.faults({"kind": "truncate", "times": 1}, {"kind": "reset", "times": 1})
        with pytest.raises(httpx.TransportError):
            shop.get("/products")
        with pytest.raises(httpx.TransportError):
            shop.get("/products")
        secure.clear_faults()
        assert shop.get("/products").status_code == 200


def test_unknown_kinds_are_told(steered: tuple[Store, httpx.Client]) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        steered[0].faults({"kind": "earthquake"})


def test_the_control_surface_wants_its_token(plain: Store) -> None:
    with caller(plain) as client:
        for token in ("", "wrong", "Ã©"):
            headers = {b"X-Sandbox-Token": token.encode()}
            assert client.get(f"{plain.url}/__sandbox__/requests", headers=headers).status_code == 403


def test_log_and_meter(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    store.clear_requests()
    shop.get("/products", params={"per_page": 2})
    shop.put("/products/3", json={"name": "Outra"})
    log = store.requests()
    assert [(entry["method"], entry["path"], entry["status"]) for entry in log] == [
        ("GET", "/wp-json/wc/v3/products", 200),
        ("PUT", "/wp-json/wc/v3/products/3", 200),
    ]
    assert log[0]["query"] == "per_page=2"
    assert log[0]["bytes"] > 4000
    assert log[0]["at"] < log[1]["at"]
    assert abs(log[0]["time"] - time.time()) < 60
    assert store.meter()["requests"] == 2


async def test_the_meter_sees_concurrency(steered: tuple[Store, httpx.Client]) -> None:
    store, _ = steered
    store.clear_requests()
    store.faults({"kind": "slow", "delay": 0.4})
    base = f"{store.url}/wp-json/wc/v3"
    async with httpx.AsyncClient(base_url=base, auth=Signed(store), trust_env=False) as client:
        await asyncio.gather(*(client.get("/products") for _ in range(6)))
    assert store.meter()["concurrent_max"] == 6


def test_truth_counts_and_mutations(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    assert store.counts() == {
        "products": 60,
        "variations": 23,
        "customers": 10,
        "orders": 20,
        "categories": 8,
    }
    before: dict[str, dict[int, Any]] = {
        kind: {item["id"]: item for item in store.truth(kind, page=7)} for kind in ("orders", "customers")
    }
    edited = store.mutate(seed=3, products=9, orders=4, customers=3)
    assert {kind: len(ids) for kind, ids in edited.items()} == {"products": 9, "orders": 4, "customers": 3}
    for kind in ("orders", "customers"):
        after = {item["id"]: item for item in store.truth(kind)}
        assert {id_ for id_ in after if after[id_] != before[kind][id_]} == set(edited[kind])
    made = store.create_product(name="Nova", sku="NOVA")
    store.delete_product(3)
    ids = [item["id"] for item in store.truth("products", page=50)]
    assert ids[-1] == made["id"]
    assert 3 not in ids
    assert len(ids) == 60
    shown = {item["id"]: item for item in shop.get("/products", params={"per_page": 100}).json()}
    assert shown == {item["id"]: item for item in store.truth("products")}
