"""Batches, idempotency keys, and natural keys that may or may not be taken twice."""

from typing import Any

import httpx
import pytest

from sandbox.world.process import World, start
from tests.sandbox.conftest import client_of


def test_items_of_a_batch_succeed_and_fail_alone(calls: httpx.Client) -> None:
    calls.post("/products", json={"name": "a"})
    body = {
        "create": [{"name": "b"}, {"name": ""}, 7, {"name": "c", "idempotency_key": "k"}],
        "update": [
            {"id": "1", "price": "2.00"},
            {"id": "1", "price": 2},
            {"id": "99"},
            {"id": 1},
            {"id": "1", "name": "z", "if_match": 1},
            {"id": "1", "name": "y", "if_match": 2},
        ],
    }
    answer = calls.post("/products/batch", json=body)
    assert answer.status_code == 200
    found = answer.json()
    assert [item["status"] for item in found["create"]] == [201, 422, 422, 201]
    assert [item["status"] for item in found["update"]] == [200, 422, 404, 422, 412, 200]
    assert [item["item"]["id"] for item in found["create"] if "item" in item] == ["2", "3"]
    assert "idempotency_key" not in found["create"][3]["item"]
    assert found["update"][1]["error"]["field"] == "price"
    assert found["update"][4]["error"]["code"] == "stale"
    kept = calls.get("/products/1").json()
    assert (kept["name"], kept["price"], kept["version"]) == ("y", "2.00", 3)
    assert calls.get("/products").headers["x-total"] == "3"


def test_a_batch_takes_a_hundred_items(calls: httpx.Client) -> None:
    full = {"create": [{"name": "a"}] * 60, "update": [{"id": "1"}] * 40}
    assert len(calls.post("/products/batch", json=full).json()["update"]) == 40
    over = {"create": [{"name": "a"}] * 60, "update": [{"id": "1"}] * 41}
    answer = calls.post("/products/batch", json=over)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_items")
    assert calls.get("/products").headers["x-total"] == "60"
    unknown = calls.post("/products/batch", json={"delete": ["1"]})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "delete")
    assert calls.post("/products/batch", json={}).json() == {"create": [], "update": []}


def made_by(calls: httpx.Client, fields: dict[str, Any], key: str | None) -> httpx.Response:
    return calls.post("/orders", json=fields, headers={"Idempotency-Key": key} if key else {})


def test_idempotency_keys_are_honoured(world: World, calls: httpx.Client) -> None:
    first = made_by(calls, {"number": "1"}, "k")
    again = made_by(calls, {"number": "1"}, "k")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    other = made_by(calls, {"number": "2"}, "k")
    assert (other.status_code, other.json()["code"], other.json()["id"]) == (409, "key_reused", "1")
    batch = {"create": [{"number": "1", "idempotency_key": "k"}]}
    assert calls.post("/orders/batch", json=batch).json()["create"][0]["item"] == first.json()
    assert calls.post("/stock", json={"quantity": 1}, headers={"Idempotency-Key": "k"}).status_code == 201
    assert made_by(calls, {"number": "1"}, None).json()["id"] == "2"
    calls.patch("/orders/1", json={"status": "paid"})
    assert made_by(calls, {"number": "1"}, "k").json()["status"] == "paid"
    world.restart()
    assert made_by(calls, {"number": "1"}, "k").json()["token"] == first.json()["token"]


def test_a_refused_creation_leaves_its_key_free(calls: httpx.Client) -> None:
    assert calls.post("/stock", json={}, headers={"Idempotency-Key": "k"}).status_code == 422
    assert calls.post("/stock", json={"quantity": 1}, headers={"Idempotency-Key": "k"}).status_code == 201


def test_idempotency_keys_are_ignored() -> None:
    with start(idempotency=False) as world, client_of(world) as calls:
        ids = [made_by(calls, {"number": "1"}, "k").json()["id"] for _ in range(3)]
        assert ids == ["1", "2", "3"]
        world.switch(idempotency=True)
        assert made_by(calls, {"number": "1"}, "k").json()["id"] == "1"


@pytest.mark.parametrize(("kind", "key"), [("products", "sku"), ("customers", "document")])
def test_natural_keys(world: World, calls: httpx.Client, kind: str, key: str) -> None:
    def create() -> httpx.Response:
        return calls.post(f"/{kind}", json={"name": "a", key: "K"})

    assert [create().status_code, create().status_code] == [201, 201]
    calls.delete(f"/{kind}/2")
    world.switch(unique_natural=True)
    taken = create()
    assert (taken.status_code, taken.json()["code"]) == (409, "duplicate")
    assert (taken.json()["id"], taken.json()["field"]) == ("1", key)
    assert calls.patch(f"/{kind}/1", json={key: "K", "name": "b"}).status_code == 200
    calls.post(f"/{kind}", json={"name": "a", key: "L"})
    assert calls.patch(f"/{kind}/3", json={key: "K"}).status_code == 409
    assert calls.post(f"/{kind}", json={"name": "a"}).status_code == 201
    assert calls.post(f"/{kind}", json={"name": "a"}).status_code == 201
    batch = {"create": [{"name": "a", key: "N"}, {"name": "a", key: "N"}]}
    settled = calls.post(f"/{kind}/batch", json=batch).json()["create"]
    assert [item["status"] for item in settled] == [201, 409]
    calls.delete(f"/{kind}/1")
    assert create().status_code == 201
