"""Lists of the made-up world against a plain sort."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.world.process import World, start
from tests.sandbox.conftest import client_of

Item = dict[str, Any]


@pytest.fixture(scope="module")
def many() -> Iterator[tuple[World, httpx.Client]]:
    """300 objects with ties, tombstones and an order of updates that is not that of the ids."""
    with start() as world, client_of(world) as client:
        chance = random.Random(20261125)
        world.populate("products", 300)
        for turn in range(6):
            world.freeze()
            world.switch(skew_seconds=turn % 3 * 2 - 2)
            world.mutate(seed=chance.randrange(1000), count=40, kind="products", delete=0.1)
        yield world, client


@pytest.fixture(scope="module")
def objects(many: tuple[World, httpx.Client]) -> list[Item]:
    return [line["object"] for line in many[0].truth("products", page=77)]


def pages(client: httpx.Client, limit: int, **params: Any) -> Iterator[Item]:
    place = "cursor" if "updated_since" in params else "after"
    for _ in range(400):
        answer = client.get("/products", params={"limit": limit, **params}).raise_for_status()
        assert len(answer.json()) <= limit
        yield from answer.json()
        if "x-next" not in answer.headers:
            return
        params[place] = answer.headers["x-next"]
    raise AssertionError("too many pages")


def shown(objects: list[Item], *, deleted: bool) -> list[Item]:
    return [item for item in objects if deleted or not item.get("deleted")]


@settings(max_examples=30, deadline=None)
@given(limit=st.integers(1, 250), deleted=st.booleans())
def test_the_complete_list(
    many: tuple[World, httpx.Client], objects: list[Item], limit: int, deleted: bool
) -> None:
    found = list(pages(many[1], limit, include_deleted=str(deleted).lower()))
    assert found == sorted(shown(objects, deleted=deleted), key=lambda item: int(item["id"]))


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 250),
    deleted=st.booleans(),
    near=st.integers(0, 299),
    shift=st.sampled_from([-1000, -1, 0, 1, 1000]),
    zone=st.sampled_from(["+00:00", "-03:00"]),
)
def test_the_list_of_changes(
    many: tuple[World, httpx.Client],
    objects: list[Item],
    limit: int,
    deleted: bool,
    near: int,
    shift: int,
    zone: str,
) -> None:
    moment = datetime.fromisoformat(objects[near]["updated_at"]) + timedelta(milliseconds=shift)
    since = moment.astimezone(datetime.fromisoformat(f"2026-01-01T00:00:00{zone}").tzinfo).isoformat()
    asked = {"updated_since": since, "include_deleted": str(deleted).lower()}
    expected = [
        item
        for item in shown(objects, deleted=deleted)
        if datetime.fromisoformat(item["updated_at"]) >= moment
    ]
    expected.sort(key=lambda item: (item["updated_at"], int(item["id"])))
    assert list(pages(many[1], limit, **asked)) == expected
    answer = many[1].get("/products", params=asked)
    assert answer.headers["x-total"] == str(len(expected))


def test_moments_between_milliseconds(many: tuple[World, httpx.Client], objects: list[Item]) -> None:
    last = max(item["updated_at"] for item in objects)
    exact = many[1].get("/products", params={"updated_since": last}).headers["x-total"]
    later = many[1].get("/products", params={"updated_since": last.replace("Z", "001Z")})
    assert int(exact) > 0
    assert later.headers["x-total"] == "0"


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.integers(1, 320), min_size=1, max_size=100), deleted=st.booleans())
def test_by_ids(many: tuple[World, httpx.Client], objects: list[Item], ids: list[int], deleted: bool) -> None:
    asked = {"ids": ",".join(map(str, ids)), "include_deleted": str(deleted).lower()}
    answer = many[1].get("/products", params=asked)
    expected = [item for item in shown(objects, deleted=deleted) if int(item["id"]) in ids]
    assert answer.json() == expected
    assert answer.headers["x-total"] == str(len(expected))


def test_by_reference_and_natural_key(world: World, calls: httpx.Client) -> None:
    for reference in ("a", "b", "a", "c", None):
        calls.post("/orders", json={"number": f"N-{reference}", "reference": reference})
    calls.delete("/orders/4")

    def ids(**params: str) -> list[str]:
        return [item["id"] for item in calls.get("/orders", params=params).json()]

    assert ids(reference="a") == ["1", "3"]
    assert ids(reference="b,c,d") == ["2"]
    assert ids(reference="c", include_deleted="true") == ["4"]
    assert ids(number="N-a") == ["1", "3"]
    assert ids(number="N-") == []
    calls.patch("/orders/3", json={"reference": "z", "number": "Z"})
    assert (ids(reference="a"), ids(reference="z"), ids(number="Z")) == (["1"], ["3"], ["3"])


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "251"},
        {"limit": "-1"},
        {"limit": "²"},
        {"after": "x"},
        {"ids": ""},
        {"ids": ",".join("1" * 101)},
        {"reference": ",".join("1" * 101)},
        {"updated_since": "2026-11-25T12:00:00"},
        {"updated_since": "yesterday"},
        {"updated_since": "2026-11-25T12:00:00Z", "cursor": "x"},
        {"updated_since": "2026-11-25T12:00:00Z", "after": "1"},
        {"cursor": "MS4x"},
        {"include_deleted": "1"},
        {"slug": "a"},
        {"page": "2"},
    ],
)
def test_parameters_that_are_refused(many: tuple[World, httpx.Client], params: dict[str, str]) -> None:
    answer = many[1].get("/products", params=params)
    assert answer.status_code == 422
    assert answer.json()["field"] in params


def test_changes_while_paging_come_again_at_the_end(world: World, calls: httpx.Client) -> None:
    world.populate("products", 10)
    params = {"updated_since": "2020-01-01T00:00:00Z", "limit": "5"}
    first = calls.get("/products", params=params)
    world.switch(skew_seconds=60)
    world.edit("products", "2", name="b")
    world.edit("products", "8", name="b")
    rest = pages(calls, 5, cursor=first.headers["x-next"], updated_since=params["updated_since"])
    assert [item["id"] for item in first.json()] == ["1", "2", "3", "4", "5"]
    assert [item["id"] for item in rest] == ["6", "7", "9", "10", "2", "8"]
