"""Every trouble of the made-up world: what the caller sees, and what was done all the same."""

import time
from typing import Any

import httpx
import pytest

from sandbox.world.process import World

PRODUCT = {"name": "a", "reference": "r"}
POST = {"method": "POST", "path": "^/products$"}


def ids(answer: httpx.Response) -> list[str]:
    return [item["id"] for item in answer.json()]


def done(world: World) -> int:
    """How many products there are."""
    return world.counts()["products"]


def last(world: World) -> tuple[int, int | None, str | None]:
    entry = world.history()[-1]
    return entry["status"], entry["outcome"], entry["fault"]


def test_match_skip_and_times(world: World, calls: httpx.Client) -> None:
    def statuses(count: int, path: str = "/products") -> list[int]:
        return [calls.get(path).status_code for _ in range(count)]

    world.faults({"kind": "500", "match": {"path": "^/products"}, "skip": 1, "times": 2})
    assert statuses(2, "/orders") == [200, 200]
    assert statuses(5) == [200, 500, 500, 200, 200]
    assert world.fired() == [{"kind": "500", "matched": 5, "fired": 2}]
    world.faults({"kind": "500", "match": {"method": "PATCH"}}, {"kind": "429", "match": {"path": "limit=7"}})
    assert [*statuses(1), *statuses(1, "/orders?limit=7"), *statuses(1)] == [200, 429, 200]
    world.faults({"kind": "500", "times": 1}, {"kind": "429", "times": 1})
    assert statuses(3) == [500, 429, 200]


def test_probability_is_seeded(world: World, calls: httpx.Client) -> None:
    runs = []
    for seed in (1, 1, 2):
        world.faults({"kind": "500", "probability": 0.5, "seed": seed})
        runs.append([calls.get("/products").status_code for _ in range(20)])
    assert runs[0] == runs[1] != runs[2]
    assert {200, 500} == set(runs[0])


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "earthquake"},
        {"kind": "empty", "total": "maybe"},
        {"kind": "duplicate", "of": "book"},
        {"kind": "500", "often": 1},
        {},
    ],
)
def test_entries_that_make_no_sense(world: World, entry: dict[str, Any]) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        world.faults(entry)


def test_reset_does_nothing(world: World, calls: httpx.Client) -> None:
    world.faults({"kind": "reset", "match": POST, "times": 1})
    with pytest.raises(httpx.ReadError):
        calls.post("/products", json=PRODUCT)
    assert (done(world), last(world)) == (0, (0, None, "reset"))
    assert calls.post("/products", json=PRODUCT).status_code == 201


def test_lost_answer_is_done(world: World, calls: httpx.Client) -> None:
    world.faults({"kind": "lost_answer", "match": POST, "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        calls.post("/products", json=PRODUCT)
    assert (done(world), last(world)) == (1, (0, 201, "lost_answer"))
    found = calls.get("/products", params={"reference": "r"}).json()
    assert [item["token"] for item in found] == [world.history()[0]["changes"][0]["token"]]


@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [("500", 500, 0), ("500_after_commit", 500, 1), ("429", 429, 0), ("html", 200, 0)],
)
def test_answers_that_say_nothing_of_what_was_done(
    world: World, calls: httpx.Client, kind: str, status: int, count: int
) -> None:
    world.faults({"kind": kind, "match": POST})
    answer = calls.post("/products", json=PRODUCT)
    assert (answer.status_code, done(world)) == (status, count)
    assert last(world) == (status, 201 if count else None, kind)


@pytest.mark.parametrize("wait", [7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_too_many_requests(world: World, calls: httpx.Client, wait: int | str) -> None:
    world.faults({"kind": "429", "retry_after": wait})
    answer = calls.get("/products")
    assert (answer.headers["retry-after"], answer.json()["code"]) == (str(wait), "too_many_requests")
    assert world.meter()["violations"] == 0


def test_bodies_that_are_no_json(world: World, calls: httpx.Client) -> None:
    world.faults({"kind": "html", "times": 1}, {"kind": "broken_json", "times": 1})
    answer = calls.get("/products")
    assert answer.headers["content-type"].startswith("text/html")
    broken = calls.post("/products", json=PRODUCT)
    assert (broken.status_code, done(world)) == (201, 1)
    with pytest.raises(ValueError, match=r"."):
        broken.json()


def test_timeout(world: World, calls: httpx.Client) -> None:
    world.faults({"kind": "timeout", "seconds": 0.5, "times": 2})
    began = time.monotonic()
    assert calls.post("/products", json=PRODUCT).status_code == 201
    assert time.monotonic() - began >= 0.5
    with pytest.raises(httpx.ReadTimeout):
        calls.post("/products", json=PRODUCT, timeout=0.2)
    assert done(world) == 1
    time.sleep(0.6)
    assert (done(world), last(world)) == (1, (0, None, "timeout"))


def test_timeout_after_commit(world: World, calls: httpx.Client) -> None:
    world.faults({"kind": "timeout_after_commit", "seconds": 0.5})
    with pytest.raises(httpx.ReadTimeout):
        calls.post("/products", json=PRODUCT, timeout=0.2)
    assert done(world) == 1
    began = time.monotonic()
    assert calls.post("/products", json=PRODUCT).status_code == 201
    assert time.monotonic() - began >= 0.5


def test_slow(world: World, calls: httpx.Client) -> None:
    world.populate("products", 3)
    world.faults({"kind": "slow", "seconds": 0.5})
    began = time.monotonic()
    assert ids(calls.get("/products")) == ["1", "2", "3"]
    assert time.monotonic() - began >= 0.5


def test_lists_that_repeat(world: World, calls: httpx.Client) -> None:
    world.populate("products", 9)
    world.faults(
        {"kind": "duplicate", "skip": 1, "times": 1},
        {"kind": "duplicate", "of": "page", "match": {"path": "^/products"}, "skip": 1},
    )
    first = calls.get("/products", params={"limit": 3})
    assert ids(first) == ["1", "2", "3"]
    assert ids(calls.get("/products", params={"limit": 3, "after": "3"})) == ["4", "5", "6", "4"]
    assert world.history()[-1]["items"] == 4
    calls.get("/products/7")
    calls.get("/orders")
    repeated = calls.get("/products", params={"limit": 3, "after": "6"})
    assert (ids(repeated), repeated.headers["x-next"]) == (["4", "5", "6", "4"], "6")
    world.faults()
    assert ids(calls.get("/products", params={"limit": 3, "after": "6"})) == ["7", "8", "9"]


def test_lists_out_of_order(world: World, calls: httpx.Client) -> None:
    world.populate("products", 40)
    orders = []
    for seed in (1, 1, 2):
        world.faults({"kind": "reorder", "seed": seed})
        orders.append(ids(calls.get("/products")))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0], key=int) == [str(number) for number in range(1, 41)] != orders[0]


@pytest.mark.parametrize(("kind", "left"), [("truncated", 5), ("empty", 0)])
@pytest.mark.parametrize("total", ["keep", "lie", "none"])
def test_lists_that_hide(world: World, calls: httpx.Client, kind: str, left: int, total: str) -> None:
    world.populate("products", 25)
    world.faults({"kind": kind, "total": total})
    answer = calls.get("/products", params={"limit": 10})
    assert ids(answer) == [str(number) for number in range(1, left + 1)]
    assert world.history()[-1]["items"] == left
    assert "x-next" not in answer.headers
    expected = {"keep": "25", "lie": str(left), "none": None}[total]
    assert answer.headers.get("x-total") == expected


def test_list_faults_leave_other_calls_alone(world: World, calls: httpx.Client) -> None:
    world.faults(*({"kind": kind} for kind in ("duplicate", "reorder", "truncated", "empty", "stale")))
    assert calls.post("/products", json=PRODUCT).status_code == 201
    assert calls.post("/products/batch", json={}).status_code == 200
    assert {entry["fired"] for entry in world.fired()} == {0}
    assert calls.get("/invoices").status_code == 404
    assert calls.get("/products", params={"limit": 0}).status_code == 422


def test_stale_reads(world: World, calls: httpx.Client) -> None:
    world.populate("products", 3)
    for price in ("1.00", "2.00"):
        world.edit("products", "2", price=price)
    world.delete("products", "3")
    made = calls.post("/products", json=PRODUCT).json()
    world.populate("orders", 5)
    now = calls.get("/products").json()
    since = {"updated_since": now[1]["updated_at"]}

    def stale(behind: int, **params: Any) -> httpx.Response:
        world.faults({"kind": "stale", "behind": behind, "times": 1})
        return calls.get("/products", params=params)

    assert (ids(stale(1)), stale(1).headers["x-total"]) == (["1", "2"], "2")
    assert ids(stale(2)) == ["1", "2", "3"]
    assert [item.get("price") for item in stale(3).json()][1] == "1.00"
    assert [item["version"] for item in stale(4).json()] == [1, 1, 1]
    assert ids(stale(100)) == []
    assert ids(stale(4, **since)) == []
    world.faults({"kind": "stale", "behind": 2, "times": 2})
    assert calls.get(f"/products/{made['id']}").status_code == 404
    assert calls.get("/products/3").status_code == 200
    assert calls.get("/products").json() == now
    assert calls.get("/products").headers["x-total"] == "3"
    world.restart()
    assert calls.get("/products").json() == now
