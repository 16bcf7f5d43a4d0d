"""Lists: each record once, in order, and only those that were asked for."""

import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.process import Store
from sandbox.woocommerce.selection import Filter
from sandbox.woocommerce.store import Size
from sandbox.woocommerce.store import Store as World
from tests.sandbox.conftest import caller


@pytest.fixture(scope="module")
def client(plain: Store) -> Iterator[httpx.Client]:
    with caller(plain) as made:
        yield made


def pages(client: httpx.Client, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Every record of a list, by page number, as long as the shop says there are pages."""
    for page in range(1, 200):
        answer = client.get(path, params={**params, "page": page}).raise_for_status()
        yield from answer.json()
        if page >= int(answer.headers["x-wp-totalpages"]):
            return
    raise AssertionError("too many pages")


def ids(client: httpx.Client, path: str, **params: Any) -> list[int]:
    return [item["id"] for item in pages(client, path, per_page=100, **params)]


@pytest.mark.parametrize(
    ("path", "orders"),
    [
        ("/products", ("id", "date", "modified", "title", "slug", "price")),
        ("/orders", ("id", "date", "modified")),
        ("/customers", ("id", "name", "registered_date")),
        ("/products/categories", ("id", "name", "slug", "count")),
        ("/variations", ("id", "date", "modified")),
        ("/products/10/variations", ("id", "date")),
    ],
)
@pytest.mark.parametrize("per_page", [7, 100])
def test_paging_visits_each_record_once(
    client: httpx.Client, path: str, orders: tuple[str, ...], per_page: int
) -> None:
    totals = set()
    for by in orders:
        up = [item["id"] for item in pages(client, path, orderby=by, order="asc", per_page=per_page)]
        down = [item["id"] for item in pages(client, path, orderby=by, order="desc", per_page=per_page)]
        assert len(up) == len(set(up))
        assert up == down[::-1]
        totals.add(frozenset(up))
    assert len(totals) == 1


@pytest.mark.parametrize(("by", "field"), [("date", "date_created_gmt"), ("modified", "date_modified_gmt")])
def test_orders_of_dates(client: httpx.Client, by: str, field: str) -> None:
    found = [item[field] for item in pages(client, "/products", orderby=by, order="asc", per_page=100)]
    assert found == sorted(found)


def test_offset_and_page_agree(client: httpx.Client) -> None:
    by_page = client.get(
        "/products", params={"per_page": 20, "page": 4, "orderby": "id", "order": "asc"}
    ).json()
    by_offset = client.get(
        "/products", params={"per_page": 20, "offset": 60, "orderby": "id", "order": "asc"}
    )
    assert by_page == by_offset.json()


def test_filters(client: httpx.Client) -> None:
    everything = list(pages(client, "/products", per_page=100))
    drafts = {item["id"] for item in everything if item["status"] == "draft"}
    assert drafts
    assert set(ids(client, "/products", status="draft")) == drafts
    assert set(ids(client, "/products", include_status="draft,publish")) == {p["id"] for p in everything}
    variable = {item["id"] for item in everything if item["type"] == "variable"}
    assert set(ids(client, "/products", type="variable")) == variable
    assert ids(client, "/products", include="5,3,9", orderby="include") == [5, 3, 9]
    assert 7 not in ids(client, "/products", exclude="7,8")
    assert ids(client, "/products", search="PIRES araucaria 123") == [123]
    assert set(ids(client, "/products", sku="sku-0000003,SKU-0000010-1,SKU-9")) == {3, 100000101}
    assert len(ids(client, "/products", sku="")) == len(everything)
    assert set(ids(client, "/products", category="17")) == {p["id"] for p in everything if p["id"] % 24 == 2}
    outofstock = {item["id"] for item in everything if item["stock_status"] == "outofstock"}
    assert set(ids(client, "/products", stock_status="outofstock")) == outofstock


def test_filters_of_other_lists(client: httpx.Client) -> None:
    orders = list(pages(client, "/orders", per_page=100))
    waiting = {o["id"] for o in orders if o["status"] in {"pending", "on-hold"}}
    assert set(ids(client, "/orders", status="pending,on-hold")) == waiting
    guests = {o["id"] for o in orders if o["customer_id"] == 0}
    assert guests
    assert set(ids(client, "/orders", customer=0)) == guests
    assert ids(client, "/customers", email="CLIENTE9@cliente.exemplo.test") == [9]
    assert ids(client, "/customers", role="administrator") == []
    roots = ids(client, "/products/categories", parent=0)
    assert roots == [16, 17, 18, 19, 15], "by name"
    assert set(ids(client, "/products/categories", parent=16)) == {21, 26, 31, 36}


def test_created_and_modified_windows(client: httpx.Client) -> None:
    everything = list(pages(client, "/products", per_page=100))
    for field, after, before in (
        ("date_created_gmt", "after", "before"),
        ("date_modified_gmt", "modified_after", "modified_before"),
    ):
        moments = sorted(item[field] for item in everything)
        low, high = moments[40], moments[200]
        wanted = {item["id"] for item in everything if low < item[field] < high}
        params = {after: low, before: high, "dates_are_gmt": "true"}
        assert set(ids(client, "/products", orderby="id", **params)) == wanted
        assert set(ids(client, "/products", orderby="modified", **params)) == wanted


@pytest.mark.parametrize(
    "written", ["2026-11-10", "2026-11-10T10:00:00 00:00", "ontem", "2026-11-10 10:00:00"]
)
def test_bad_dates(client: httpx.Client, written: str) -> None:
    answer = client.get("/orders", params={"modified_after": written})
    assert answer.status_code == 400
    assert answer.json()["data"]["details"]["modified_after"]["code"] == "rest_invalid_date"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"per_page": "abc"}, "per_page is not of type integer."),
        ({"per_page": "0"}, "per_page must be between 1 (inclusive) and 100 (inclusive)"),
        ({"order": "up"}, "order is not one of asc and desc."),
        ({"include": "1,x"}, "include[1] is not of type integer."),
    ],
)
def test_bad_parameters(client: httpx.Client, params: dict[str, str], message: str) -> None:
    answer = client.get("/products", params=params)
    assert answer.status_code == 400
    assert list(answer.json()["data"]["params"].values()) == [message]


def test_fields(client: httpx.Client) -> None:
    answer = client.get("/products", params={"_fields": "id,dimensions.height,images", "per_page": "1"})
    assert set(answer.json()[0]) == {"id", "dimensions", "images"}
    assert set(answer.json()[0]["dimensions"]) == {"height"}
    assert client.get("/products/7", params={"_fields": "sku,price"}).json() == {
        "sku": "SKU-0000007",
        "price": "12.90",
    }


def test_hidden_categories(plain: Store) -> None:
    with caller(plain) as client:
        empty = client.post("/products/categories", json={"name": "Vazia"}).json()["id"]
        assert empty in ids(client, "/products/categories")
        assert empty not in ids(client, "/products/categories", hide_empty="true")
        counts = {item["id"]: item["count"] for item in pages(client, "/products/categories", per_page=100)}
        assert sum(counts.values()) == plain.counts()["products"]
        client.delete(f"/products/categories/{empty}", params={"force": "true"})


def test_orders_add_up_and_point_at_what_exists(plain: Store) -> None:
    products = {item["id"]: item for item in plain.truth("products")}
    variations = {item["id"]: item for item in plain.truth("variations")}
    customers = {item["id"] for item in plain.truth("customers")} | {0}
    for order in plain.truth("orders"):
        extras = [*order["shipping_lines"], *order["fee_lines"]]
        parts = sum(round(float(line["total"]) * 100) for line in [*order["line_items"], *extras])
        assert parts == round(float(order["total"]) * 100)
        assert order["customer_id"] in customers
        for line in order["line_items"]:
            found = variations[line["variation_id"]] if line["variation_id"] else products[line["product_id"]]
            assert found["sku"] == line["sku"]
            assert line["product_id"] == found.get("parent_id") or line["product_id"] == found["id"]


Edit = tuple[str, int, str]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["products", "variations"]),
        st.integers(0, 10_000),
        st.sampled_from(["remove", "touch", "back", "add"]),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(EDITS, st.integers(1, 60), st.integers(1, 7), st.integers(0, 50))
def test_lists_are_what_a_full_sort_would_give(
    edits: list[Edit], products: int, variable_every: int, seed: int
) -> None:
    """The arithmetic of the lists against the plain way: look at every record, filter, sort."""
    world = World("http://x", Size(products=products, variable_every=variable_every, seed=seed))
    for edit in edits:
        apply(world, *edit)
    chance = random.Random(seed)
    for kind, index in (("products", world.lists["products"]), ("variations", world.lists["variations"])):
        shelf = world.shelves[kind]
        known = [id_ for id_ in range(1, products + 1) if kind == "products"]
        known += [id_ for of in range(1, products + 1) for id_ in world.catalog.variations(of)]
        known = [id_ for id_ in {*known, *shelf.living()} if id_ in shelf]
        moments = [shelf.modified(id_) for id_ in known] or [0]
        low, high = sorted((chance.choice(moments), chance.choice(moments)))
        for filter_ in (Filter(), Filter(modified=(low, None)), Filter(modified=(low, high))):
            after, before = filter_.modified
            wanted = [
                id_
                for id_ in known
                if (after is None or shelf.modified(id_) > after)
                and (before is None or shelf.modified(id_) < before)
            ]
            assert list(index.ids("id", filter_)) == sorted(wanted)
            by_date = sorted(wanted, key=lambda id_: (shelf.modified(id_), id_))
            assert list(index.ids("modified", filter_)) == by_date
            by_creation = sorted(wanted, key=lambda id_: (shelf.created(id_), id_))
            assert list(index.ids("date", filter_)) == by_creation


def apply(world: World, kind: str, number: int, what: str) -> None:
    shelf = world.shelves[kind]
    ids_ = list(world.lists[kind].ids("id", Filter()))
    if not ids_:
        return
    id_ = ids_[number % len(ids_)]
    record = shelf.record(id_)
    if what == "remove":
        world.remove(kind, id_)
    elif what == "touch":
        world.write(kind, record)
    elif what == "back":
        world.write(kind, record, modified=shelf.modified(ids_[number // 2 % len(ids_)]))
    else:
        world.write(kind, record | {"id": world.new_id(), "sku": ""})
