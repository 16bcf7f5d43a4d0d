"""The made-up world keeps to its documentation: routes, bodies, errors and limits."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from sandbox.world.process import World, start
from tests.sandbox.conftest import client_of

MUG = {"sku": "CANECA", "name": "Caneca", "price": "12.90", "reference": "r-1", "size": {"cm": 9}}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_an_object_from_creation_to_tombstone(world: World, calls: httpx.Client) -> None:
    answer = calls.post("/products", json=MUG)
    made = answer.json()
    assert answer.status_code == 201
    assert made == MUG | {name: made[name] for name in ("id", "version", "created_at", "updated_at", "token")}
    assert (made["id"], made["version"], len(made["token"])) == ("1", 1, 32)
    assert datetime.fromisoformat(made["created_at"]).utcoffset() is not None
    changed = calls.patch("/products/1", json={"price": "13.00", "size": None}).json()
    assert (changed["version"], changed["price"], changed["size"]) == (2, "13.00", None)
    assert (changed["name"], changed["token"]) == ("Caneca", made["token"])
    assert calls.get("/products/1").json() == changed
    gone = calls.delete("/products/1").json()
    assert (gone["version"], gone["deleted"], gone["sku"]) == (3, True, "CANECA")
    assert code(calls.get("/products/1")) == (404, "not_found")
    assert code(calls.patch("/products/1", json={})) == (404, "not_found")
    assert code(calls.delete("/products/1")) == (404, "not_found")
    assert calls.get("/products").json() == []
    assert calls.get("/products", params={"include_deleted": "true"}).json() == [gone]
    world.switch(gone=True)
    assert code(calls.get("/products/1")) == (410, "gone")
    again = calls.post("/products", json=MUG).json()
    assert again["id"] == "2"
    assert again["token"] != made["token"]


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("products", {}, "name"),
        ("customers", {"name": " "}, "name"),
        ("categories", {"name": 3}, "name"),
        ("products", {"name": "a", "sku": 7}, "sku"),
        ("orders", {"number": 7}, "number"),
        ("orders", {"reference": ["r"]}, "reference"),
        ("products", {"name": "a", "price": 12.9}, "price"),
        ("products", {"name": "a", "price": "-1.00"}, "price"),
        ("products", {"name": "a", "price": "12,90"}, "price"),
        ("stock", {"sku": "a"}, "quantity"),
        ("stock", {"quantity": -1}, "quantity"),
        ("stock", {"quantity": 1.5}, "quantity"),
        ("stock", {"quantity": True}, "quantity"),
    ],
)
def test_fields_that_are_refused(calls: httpx.Client, kind: str, fields: dict[str, Any], field: str) -> None:
    answer = calls.post(f"/{kind}", json=fields)
    assert (code(answer), answer.json()["field"]) == ((422, "invalid"), field)
    if fields:
        calls.post(f"/{kind}", json={"name": "a", "quantity": 1})
        answer = calls.patch(f"/{kind}/1", json={field: fields.get(field)})
        assert (code(answer), answer.json()["field"]) == ((422, "invalid"), field)


@pytest.mark.parametrize("field", ["id", "version", "created_at", "updated_at", "token", "deleted"])
def test_fields_of_the_server_are_read_only(calls: httpx.Client, field: str) -> None:
    made = calls.post("/products", json={"name": "a"}).json()
    answers = [
        calls.post("/products", json={"name": "a", field: made.get(field, True)}),
        calls.patch("/products/1", json={field: made.get(field, False)}),
    ]
    assert [(code(answer), answer.json()["field"]) for answer in answers] == [((422, "read_only"), field)] * 2


def test_if_match(calls: httpx.Client) -> None:
    calls.post("/stock", json={"quantity": 1})
    good = calls.patch("/stock/1", json={"quantity": 2}, headers={"If-Match": "1"})
    assert good.json()["version"] == 2
    stale = calls.patch("/stock/1", json={"quantity": 3}, headers={"If-Match": "1"})
    assert (code(stale), stale.json()["version"]) == ((412, "stale"), 2)
    assert code(calls.patch("/stock/1", json={}, headers={"If-Match": "*"})) == (412, "stale")
    assert calls.get("/stock/1").json()["quantity"] == 2


def test_who_may_call(world: World, calls: httpx.Client) -> None:
    for shown in ("", "Bearer", "Bearer wrong", f"Basic {world.token}", "Bearer Ã©"):
        headers = {b"Authorization": shown.encode()}
        assert code(calls.get("/products", headers=headers)) == (401, "unauthorized")
    assert calls.get("/products", headers={"Authorization": f"bearer {world.token}"}).status_code == 200
    world.switch(forbidden=["orders"])
    assert code(calls.get("/orders")) == (403, "forbidden")
    assert calls.get("/products").status_code == 200


def test_what_there_is_not(calls: httpx.Client) -> None:
    for path in ("/invoices", "/products/x", "/products/1", "/products/1/2", "/"):
        assert code(calls.get(path)) == (404, "not_found")
    for method, path, allowed in (
        ("PUT", "/products", "GET, POST"),
        ("POST", "/products/1", "GET, PATCH, DELETE"),
        ("GET", "/products/batch", "POST"),
        ("GET", "/oauth/token", "POST"),
    ):
        answer = calls.request(method, path)
        assert (code(answer), answer.headers["allow"]) == ((405, "method_not_allowed"), allowed)
    for body in (b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000):
        assert code(calls.post("/products", content=body)) == (400, "bad_json")
    for body in (b"[]", b"null", b'"x"', b"1"):
        assert code(calls.post("/products", content=body)) == (422, "invalid")
        assert code(calls.post("/products/batch", content=body)) == (422, "invalid")
    assert code(calls.post("/products", content=b" " * (1 << 20) + b"{}")) == (413, "too_large")


def test_unavailable_and_paused(world: World, calls: httpx.Client) -> None:
    world.switch(unavailable="error")
    answer = calls.post("/products", json={"name": "a"})
    assert (code(answer), answer.headers["retry-after"]) == ((503, "unavailable"), "1")
    world.switch(unavailable="pause")
    with pytest.raises(httpx.ReadTimeout):
        calls.post("/products", json={"name": "a"}, timeout=0.2)
    world.switch(unavailable="off")
    assert calls.get("/products").json() == []
    assert [entry["status"] for entry in world.history()] == [503, 0, 200]


def test_clock(world: World, calls: httpx.Client) -> None:
    world.switch(skew_seconds=-3600)
    behind = calls.post("/products", json={"name": "a"})
    real = parsedate_to_datetime(behind.headers["date"])
    shown = datetime.fromisoformat(behind.json()["updated_at"])
    assert 3590 < (real - shown).total_seconds() < 3610
    world.freeze()
    moments = {calls.post("/products", json={"name": "a"}).json()["updated_at"] for _ in range(5)}
    assert len(moments) == 1
    world.switch(frozen_at=None, skew_seconds=0)
    assert calls.post("/products", json={"name": "a"}).json()["updated_at"] not in moments


def test_a_person_and_the_truth(world: World, calls: httpx.Client) -> None:
    calls.post("/products", json=MUG)
    world.edit("products", "1", price=None, sku=5)
    world.create("products", name="")
    world.delete("products", "2")
    first, second = world.truth("products", page=1)
    assert [(line["version"], line["author"]) for line in first["history"]] == [(1, "api"), (2, "person")]
    assert first["history"][0]["object"]["price"] == "12.90"
    assert first["object"] == calls.get("/products/1").json() == first["history"][1]["object"]
    assert [line["object"].get("deleted", False) for line in second["history"]] == [False, True]
    assert [item["id"] for item in world.objects("products")] == ["1"]
    with pytest.raises(httpx.HTTPStatusError):
        world.edit("products", "9", name="b")
    with pytest.raises(httpx.HTTPStatusError):
        world.switch(gravity=False)


def test_the_log_of_calls(world: World, calls: httpx.Client) -> None:
    made = calls.post("/products", json=MUG).json()
    batch = {"create": [MUG, {}], "update": [{"id": "1", "price": "1.00"}]}
    second = calls.post("/products/batch", json=batch).json()["create"][0]["item"]
    calls.get("/products", params={"limit": 2})
    calls.get("/products/9")
    log = world.history()
    assert [(entry["method"], entry["path"], entry["query"]) for entry in log] == [
        ("POST", "/products", ""),
        ("POST", "/products/batch", ""),
        ("GET", "/products", "limit=2"),
        ("GET", "/products/9", ""),
    ]
    assert [(entry["status"], entry["outcome"], entry["items"]) for entry in log] == [
        (201, 201, 1),
        (200, 200, 3),
        (200, 200, 2),
        (404, 404, 0),
    ]
    made_by = [change["token"] for entry in log for change in entry["changes"]]
    assert made_by == [made["token"], second["token"], None]
    assert [change["version"] for entry in log for change in entry["changes"]] == [1, 1, 2]
    assert sorted(entry["at"] for entry in log) == [entry["at"] for entry in log]
    assert world.history(after=log[1]["seq"]) == log[2:]
    world.clear_history()
    assert world.history() == []


def test_the_control_surface_wants_its_secret(world: World) -> None:
    for secret in ("", world.token):
        answer = httpx.get(f"{world.url}/__sandbox__/history", headers={"X-Sandbox-Token": secret})
        assert answer.status_code == 403


def test_mutations_follow_their_seed() -> None:
    outcomes = []
    for _ in range(2):
        with start() as world:
            world.populate("products", 30, seed=4)
            world.populate("orders", 10, seed=4)
            done = world.mutate(seed=9, count=60, create=0.2, delete=0.2)
            assert {one["action"] for one in done} == {"create", "edit", "delete"}
            outcomes.append((done, [item["name"] for item in world.objects("products")]))
            left = world.counts()
            made, gone = (sum(one["action"] == what for one in done) for what in ("create", "delete"))
            assert left["products"] + left["orders"] == 40 + made - gone
            with client_of(world) as calls:
                for one in done:
                    if one["action"] == "delete":
                        assert calls.get(f"/{one['kind']}/{one['id']}").status_code == 404
    assert outcomes[0] == outcomes[1]
