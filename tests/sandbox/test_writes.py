"""Writes: what a running shop takes, refuses, and makes of odd values."""

from typing import Any

import httpx
import pytest

from sandbox.process import Store, start
from tests.sandbox.conftest import caller


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def product(shop: httpx.Client, id_: int) -> dict[str, Any]:
    found: dict[str, Any] = shop.get(f"/products/{id_}").raise_for_status().json()
    return found


def test_every_write_moves_the_modification_date(steered: tuple[Store, httpx.Client]) -> None:
    store, shop = steered
    for number, (path, body) in enumerate(
        (
            ("/products/3", {}),
            ("/products/3", {"stock_quantity": 5}),
            ("/orders/500000003", {"status": "completed"}),
            ("/customers/4", {"first_name": "Ana"}),
        )
    ):
        store.clock(1000 * (number + 1))
        before = shop.get(path).json()["date_modified_gmt"]
        after = shop.put(path, json=body).raise_for_status().json()["date_modified_gmt"]
        assert after > before
        assert shop.get(path).json()["date_modified_gmt"] == after


def test_a_write_comes_back_in_the_next_incremental_read(shop: httpx.Client) -> None:
    newest = shop.get("/products", params={"orderby": "modified", "per_page": 1}).json()[0]
    since = {"modified_after": newest["date_modified_gmt"], "dates_are_gmt": "true"}
    assert shop.get("/products", params=since).json() == []
    shop.post("/products/batch", json={"update": [{"id": 9}, {"id": 8, "regular_price": "1.00"}]})
    assert {item["id"] for item in shop.get("/products", params=since).json()} == {8, 9}


def test_a_variation_writes_its_product_too(shop: httpx.Client) -> None:
    since = {"modified_after": "2026-01-01T00:00:00", "dates_are_gmt": "true"}
    shop.put("/products/10/variations/100000101", json={"regular_price": "3.00"}).raise_for_status()
    assert [item["id"] for item in shop.get("/products", params=since).json()] == [10]
    assert [item["id"] for item in shop.get("/variations", params=since).json()] == [100000101]
    assert product(shop, 10)["price"] == "3.00"


def test_an_order_moves_stock_and_its_date(shop: httpx.Client) -> None:
    before = product(shop, 3)
    line = {"product_id": 3, "quantity": 2}
    order = shop.post("/orders", json={"line_items": [line], "set_paid": True}).json()
    after = product(shop, 3)
    assert after["stock_quantity"] == before["stock_quantity"] - 2
    assert after["date_modified_gmt"] > before["date_modified_gmt"]
    shop.put(f"/orders/{order['id']}", json={"status": "completed"})
    assert product(shop, 3)["stock_quantity"] == before["stock_quantity"] - 2


def test_prices(shop: httpx.Client) -> None:
    for written, kept in (("12.50", "12.50"), ("1.234,56", "1234.56"), ("abc", ""), ("R$ 7,9", "7.9")):
        answer = shop.put("/products/3", json={"regular_price": written})
        assert (answer.json()["regular_price"], answer.json()["price"]) == (kept, kept)
    assert code(shop.put("/products/3", json={"regular_price": 1})) == (400, "rest_invalid_param")
    sale = shop.put("/products/3", json={"regular_price": "10.00", "sale_price": "8.00"}).json()
    assert (sale["price"], sale["on_sale"]) == ("8.00", True)
    cleared = shop.put("/products/3", json={"sale_price": ""}).json()
    assert (cleared["price"], cleared["on_sale"]) == ("10.00", False)


def test_stock(shop: httpx.Client) -> None:
    assert shop.put("/products/3", json={"stock_quantity": "6"}).json()["stock_quantity"] == 6
    assert code(shop.put("/products/3", json={"stock_quantity": "2.5"})) == (400, "rest_invalid_param")
    gone = shop.put("/products/3", json={"manage_stock": False, "stock_quantity": 4}).json()
    assert (gone["manage_stock"], gone["stock_quantity"]) == (False, None)
    back = shop.put(
        "/products/3", json={"manage_stock": True, "stock_quantity": 0, "backorders": "yes"}
    ).json()
    assert back["stock_status"] == "onbackorder"


def test_batch_items_are_trusted(shop: httpx.Client) -> None:
    items = [
        {"id": 3, "regular_price": 12.5},
        {"id": 4, "stock_quantity": 2.5},
        {"id": 5, "stock_quantity": "abc"},
        {"id": 6, "status": "xyz"},
    ]
    found = shop.post("/products/batch", json={"update": items}).json()["update"]
    assert [found[0]["price"], found[1]["stock_quantity"], found[2]["stock_quantity"]] == ["12.5", 2, 0]
    assert found[3]["status"] == "draft"
    assert code(shop.put("/products/6", json={"status": "xyz"})) == (400, "rest_invalid_param")


@pytest.mark.parametrize(
    "path", ["products", "orders", "customers", "products/10/variations", "products/categories"]
)
def test_a_batch_takes_a_hundred_items(shop: httpx.Client, path: str) -> None:
    over = {"create": [{}] * 50, "update": [{"id": 1}] * 50, "delete": [1]}
    refused = shop.post(f"/{path}/batch", json=over)
    assert code(refused) == (413, "woocommerce_rest_request_entity_too_large")
    missing = {"update": [{"id": 777, "status": "completed"}], "delete": [778]}
    answer = shop.post(f"/{path}/batch", json=missing)
    assert answer.status_code == 200
    assert answer.json()["update"][0]["id"] == 777
    assert answer.json()["update"][0]["error"]["data"]["status"] in {400, 404}
    assert answer.json()["delete"][0]["error"]["data"]["status"] == 404


def test_batch_of_variations_and_permanent_deletes(shop: httpx.Client) -> None:
    items = {
        "create": [{"regular_price": "5.00", "attributes": [{"id": 1, "option": "Verde"}]}],
        "update": [{"id": 100000100, "stock_quantity": 9}],
        "delete": [100000101],
    }
    found = shop.post("/products/10/variations/batch", json=items).json()
    made = found["create"][0]
    assert (made["parent_id"], made["name"], made["price"]) == (10, "Verde", "5.00")
    assert found["update"][0]["stock_quantity"] == 9
    assert product(shop, 10)["variations"] == [100000100, 100000102, made["id"]]
    assert shop.get("/products/10/variations/100000101").status_code == 404
    shop.post("/products/batch", json={"delete": [10]})
    assert shop.get("/products/10").status_code == 404
    assert shop.get("/variations", params={"sku": "SKU-0000010-0"}).json() == []


def test_duplicate_skus(shop: httpx.Client) -> None:
    made = shop.post("/products", json={"name": "Nova", "sku": "NOVA"}).json()
    answer = shop.post("/products", json={"name": "Outra", "sku": "nova"})
    assert code(answer) == (400, "product_invalid_sku")
    assert answer.json()["data"] == {"status": 400, "resource_id": made["id"], "unique_sku": "nova-1"}
    assert code(shop.put("/products/3", json={"sku": "SKU-0000010-0"})) == (400, "product_invalid_sku")
    assert shop.put("/products/3", json={"sku": "SKU-0000003"}).status_code == 200
    shop.delete(f"/products/{made['id']}")
    again = shop.post("/products", json={"name": "Outra", "sku": "nova"})
    assert code(again) == (400, "woocommerce_rest_product_not_created")
    shop.delete(f"/products/{made['id']}", params={"force": "true"})
    assert shop.post("/products", json={"name": "Outra", "sku": "nova"}).status_code == 201
    renamed = shop.put("/products/3", json={"sku": "OTHER"}).json()
    assert renamed["sku"] == "OTHER"
    assert shop.get("/products", params={"sku": "SKU-0000003"}).json() == []


def test_product_trash(shop: httpx.Client) -> None:
    assert shop.delete("/products/3").json()["status"] == "publish"
    assert product(shop, 3)["status"] == "trash"
    assert shop.get("/products", params={"include": "3"}).json() == []
    assert [item["id"] for item in shop.get("/products", params={"status": "trash"}).json()] == [3]
    assert code(shop.delete("/products/3")) == (410, "woocommerce_rest_already_trashed")
    assert shop.delete("/products/3", params={"force": "true"}).status_code == 200
    assert code(shop.get("/products/3")) == (404, "woocommerce_rest_product_invalid_id")


def test_names_become_entities(shop: httpx.Client) -> None:
    made = shop.post("/products", json={"name": "Pão & Café &amp; cia"}).json()
    assert made["name"] == "Pão &amp; Café &amp; cia"
    assert made["slug"] == "pao-cafe-cia"
    assert made["categories"][0]["name"] == "Uncategorized"


def test_a_past_creation_date_hides_a_product(shop: httpx.Client) -> None:
    body = {"name": "Antigo", "date_created": "2020-01-01T00:00:00"}
    made = shop.post("/products", json=body).json()
    assert made["date_modified_gmt"] == made["date_created_gmt"] == "2020-01-01T00:00:00"
    oldest = shop.get("/products", params={"orderby": "modified", "order": "asc", "per_page": 1}).json()
    assert oldest[0]["id"] == made["id"]


def test_order_lines(shop: httpx.Client) -> None:
    made = shop.post("/orders", json={"line_items": [{"product_id": 3, "quantity": 2}]}).json()
    path, line = f"/orders/{made['id']}", made["line_items"][0]["id"]
    added = shop.put(path, json={"line_items": [{"product_id": 4}]}).json()
    assert [item["product_id"] for item in added["line_items"]] == [3, 4]
    more = shop.put(path, json={"line_items": [{"id": line, "quantity": 3}]}).json()
    assert more["line_items"][0]["total"] == f"{3 * float(made['line_items'][0]['price']):.2f}"
    fewer = shop.put(path, json={"line_items": [{"id": line, "quantity": 0}]}).json()
    assert [item["product_id"] for item in fewer["line_items"]] == [4]
    assert fewer["total"] == fewer["line_items"][0]["total"]
    crash = shop.put(path, json={"line_items": [{"product_id": 3, "quantity": 0}]})
    assert code(crash) == (500, "internal_server_error")


def test_order_status_and_trash(shop: httpx.Client) -> None:
    path = "/orders/500000001"
    assert code(shop.put(path, json={"status": "faturado"})) == (400, "rest_invalid_param")
    found = shop.post("/orders/batch", json={"update": [{"id": 500000001, "status": "faturado"}]}).json()
    assert found["update"][0]["status"] == "pending"
    assert shop.delete(path).json()["status"] == "pending"
    assert shop.get(path).json()["status"] == "trash"
    assert 500000001 not in {item["id"] for item in shop.get("/orders", params={"per_page": 100}).json()}
    assert code(shop.delete(path)) == (410, "woocommerce_rest_already_trashed")
    shop.delete(path, params={"force": "true"})
    assert code(shop.get(path)) == (404, "woocommerce_rest_shop_order_invalid_id")


def test_customers(shop: httpx.Client) -> None:
    body = {"email": "Nova@cliente.exemplo.test", "first_name": "Nova", "billing": {"city": "Recife"}}
    made = shop.post("/customers", json=body).json()
    assert (made["username"], made["billing"]["city"]) == ("Nova", "Recife")
    again = shop.post("/customers", json={"email": "nova@cliente.exemplo.test"})
    assert code(again) == (400, "registration-error-email-exists")
    assert code(shop.post("/customers", json={})) == (400, "rest_missing_callback_param")
    assert code(shop.delete(f"/customers/{made['id']}")) == (501, "woocommerce_rest_trash_not_supported")
    assert shop.delete(f"/customers/{made['id']}", params={"force": "true"}).status_code == 200
    assert code(shop.get(f"/customers/{made['id']}")) == (404, "wc_user_invalid_id")


def test_categories(shop: httpx.Client) -> None:
    made = shop.post("/products/categories", json={"name": "Chás & Cafés", "parent": 16}).json()
    assert (made["name"], made["slug"], made["parent"]) == ("Chás &amp; Cafés", "chas-cafes", 16)
    twin = shop.post("/products/categories", json={"name": "chás & cafés", "parent": 16})
    assert code(twin) == (400, "term_exists")
    assert twin.json()["data"]["resource_id"] == made["id"]
    assert shop.post("/products/categories", json={"name": "Chás & Cafés"}).status_code == 201
    path = f"/products/categories/{made['id']}"
    shop.put("/products/3", json={"categories": [{"id": made["id"]}]})
    assert shop.get(path).json()["count"] == 1
    assert code(shop.delete(path)) == (501, "woocommerce_rest_trash_not_supported")
    shop.delete(path, params={"force": "true"})
    assert code(shop.get(path)) == (404, "woocommerce_rest_term_invalid")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
@pytest.mark.parametrize("path", ["/products/3", "/products/batch", "/orders/batch", "/customers"])
def test_odd_bodies_do_not_break_the_shop(shop: httpx.Client, path: str, body: bytes) -> None:
    answer = shop.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    "fields", [{"meta_data": None}, {"categories": 5}, {"dimensions": "x"}, {"images": [1]}]
)
def test_odd_fields_in_a_batch(shop: httpx.Client, fields: dict[str, Any]) -> None:
    answer = shop.post("/products/batch", json={"update": [{"id": 3, **fields}], "create": [fields]})
    assert answer.status_code == 200
    assert answer.json()["update"][0]["id"] == 3


@pytest.mark.parametrize("item", [None, 3, "x", []])
def test_items_that_are_no_objects_crash_the_request(shop: httpx.Client, item: Any) -> None:
    assert code(shop.post("/products/batch", json={"update": [item]})) == (500, "internal_server_error")


def test_a_database_keeps_the_changes_over_a_restart(tmp_path: Any) -> None:
    options: dict[str, Any] = {"products": 20, "database": tmp_path / "shop.sqlite"}
    with start(**options) as running, caller(running) as shop:
        made = shop.post("/products", json={"name": "Fica", "sku": "FICA"}).json()["id"]
        shop.put("/products/3", json={"regular_price": "77.00"})
        shop.delete("/products/4", params={"force": "true"})
    with start(**options) as running, caller(running) as shop:
        assert product(shop, made)["sku"] == "FICA"
        assert product(shop, 3)["price"] == "77.00"
        assert shop.get("/products/4").status_code == 404
        assert code(shop.post("/products", json={"sku": "fica"})) == (400, "product_invalid_sku")
        assert shop.post("/products", json={"name": "Outra"}).json()["id"] > made
