"""The made-up world outlives its process, and is large and fast enough to be no part of what is measured."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from sandbox.world.process import World, start
from tests.sandbox.conftest import client_of

MEGABYTE = 1 << 20
OBJECTS, CALLS = 50_000, 2000
# A third of what was measured: a smoke test, not a benchmark.
SLOWEST_READS, SLOWEST_WRITES = 2500, 1200


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_keeps_the_world(world: World, calls: httpx.Client, end: str) -> None:
    world.populate("customers", 20)
    world.switch(unique_natural=True, skew_seconds=120)
    world.mutate(seed=1, count=20, create=0.2, delete=0.2)
    calls.post("/products", json={"name": "a", "sku": "s"})
    time.sleep(0.3)
    before = [list(world.truth(kind)) for kind in ("customers", "products")], world.history()
    token, last = world.token, len(before[0][0])
    getattr(world, end)()
    with pytest.raises(httpx.TransportError):
        calls.get("/products")
    world.restart()
    assert before == ([list(world.truth(kind)) for kind in ("customers", "products")], world.history())
    assert world.switch()["skew_seconds"] == 120
    assert world.token == token
    assert calls.post("/products", json={"name": "a", "sku": "s"}).status_code == 409
    assert calls.post("/customers", json={"name": "a"}).json()["id"] == str(last + 1)


def test_what_was_answered_is_on_the_disk(world: World, calls: httpx.Client) -> None:
    for number in range(50):
        token = calls.post("/products", json={"name": str(number)}).json()["token"]
    world.kill()
    world.restart()
    assert [line["object"]["token"] for line in world.truth("products")][-1] == token
    assert world.counts()["products"] == 50


def test_flags_win_over_the_disk(tmp_path: Path) -> None:
    with start(tmp_path, requests=7, forbidden=["orders"]) as world:
        world.switch(gone=True)
    with start(tmp_path, requests=9) as world:
        switches = world.switch()
        assert (switches["requests"], switches["gone"], switches["forbidden"]) == (9, True, ["orders"])
    with pytest.raises(RuntimeError):
        start(tmp_path, gravity=9).__enter__()


def test_fifty_thousand_objects() -> None:
    with start() as world, client_of(world) as calls:
        process = psutil.Process(world.pid)
        began = time.perf_counter()
        world.populate("products", OBJECTS)
        filled = time.perf_counter() - began
        assert filled < 10
        for params in ({"updated_since": "2020-01-01T00:00:00Z"}, {}):
            began, found, place = time.perf_counter(), set[str](), {"limit": "250"}
            while True:
                answer = calls.get("/products", params=params | place)
                found |= {item["id"] for item in answer.json()}
                if "x-next" not in answer.headers:
                    break
                place["cursor" if params else "after"] = answer.headers["x-next"]
            assert len(found) == OBJECTS
        reads = speed(process, lambda number: calls.get(f"/products/{number}"))
        writes = speed(process, lambda number: calls.patch(f"/products/{number}", json={"price": "1.00"}))
        used = process.memory_info().rss / MEGABYTE
        print(
            f"{OBJECTS:,} products made in {filled:.1f} s, {used:.0f} MB; a second of the processor:"
            f" {reads:,.0f} reads, {writes:,.0f} writes"
        )
        assert used < 200
        assert reads > SLOWEST_READS
        assert writes > SLOWEST_WRITES


def speed(process: psutil.Process, call: Callable[[int], object]) -> float:
    """Calls for each second of the process's processor time."""
    before = process.cpu_times()
    for number in range(1, CALLS + 1):
        call(number)
    after = process.cpu_times()
    used: float = after.user + after.system - before.user - before.system
    return CALLS / used
