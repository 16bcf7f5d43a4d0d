"""Who gets in: every way to show keys, on plain HTTP and on TLS."""

import time
from typing import Any

import httpx
import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_AUTH_HEADER, Client

from sandbox.process import Store
from tests.sandbox.conftest import Signed, caller, nobody

CANNOT_VIEW = (401, "woocommerce_rest_cannot_view")
REFUSED = (401, "woocommerce_rest_authentication_error")


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    body = answer.json()
    return answer.status_code, body.get("code") if isinstance(body, dict) else None


def with_keys(store: Store, key: str, secret: str) -> dict[str, str]:
    return {"consumer_key": key, "consumer_secret": secret}


@pytest.mark.parametrize("listener", ["plain", "secure"])
@pytest.mark.parametrize("method", [SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256])
@pytest.mark.parametrize("place", ["query", "header"])
def test_oauth_works_anywhere(request: pytest.FixtureRequest, listener: str, method: str, place: str) -> None:
    store = request.getfixturevalue(listener)
    options: dict[str, Any] = {"signature_method": method}
    if place == "header":
        options["signature_type"] = SIGNATURE_TYPE_AUTH_HEADER
    with caller(store, Signed(store, **options)) as client:
        answer = client.get(
            "/products", params={"per_page": "2", "search": "Araucária & pires 24", "sku": ""}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("listener", "good"), [("plain", CANNOT_VIEW), ("secure", (200, None))], ids=["plain", "tls"]
)
def test_basic_and_query_keys_work_on_tls_alone(
    request: pytest.FixtureRequest, listener: str, good: tuple[int, str | None]
) -> None:
    store: Store = request.getfixturevalue(listener)
    key, secret = store.consumer_key, store.consumer_secret
    with nobody(store) as client:
        assert outcome(client.get("/orders", params=with_keys(store, key, secret))) == good
        assert outcome(client.get("/orders", auth=(key, secret))) == good
        forwarded = {"X-Forwarded-Proto": "https"}
        assert outcome(client.get("/orders", auth=(key, secret), headers=forwarded)) == good
        wrong = CANNOT_VIEW if listener == "plain" else REFUSED
        assert outcome(client.get("/orders", auth=(key, "cs_other"))) == wrong
        assert outcome(client.get("/orders", auth=("ck_other", secret))) == CANNOT_VIEW
        assert outcome(client.get("/orders")) == CANNOT_VIEW
        assert outcome(client.get("/orders", headers={"Authorization": "Basic !"})) == CANNOT_VIEW


def signed(store: Store, address: str, **options: Any) -> str:
    client = Client(
        options.pop("client_key", store.consumer_key),
        client_secret=store.consumer_secret,
        signature_method=SIGNATURE_HMAC_SHA256,
        signature_type="QUERY",
        **options,
    )
    url: str = client.sign(f"{store.url}/wp-json/wc/v3{address}")[0]
    return url


def test_oauth_is_refused_where_it_should_be(plain: Store) -> None:
    now = int(time.time())
    with nobody(plain) as client:
        url = signed(plain, "/products?per_page=1&_fields=id")
        assert client.get(url).status_code == 200
        assert outcome(client.get(url)) == REFUSED, "a nonce works once"
        assert outcome(client.get(url.replace("per_page=1", "per_page=2"))) == REFUSED
        assert outcome(client.post(signed(plain, "/products"), json={})) == REFUSED, "signed for GET"
        for seconds, status in ((-890, 200), (890, 200), (-910, 401), (910, 401)):
            url = signed(plain, "/products?per_page=1", timestamp=str(now + seconds))
            assert client.get(url).status_code == status, seconds
        assert outcome(client.get(signed(plain, "/products", client_key="ck_other"))) == CANNOT_VIEW
        partial = signed(plain, "/products").replace("oauth_nonce", "oauth_other")
        assert outcome(client.get(partial)) == (401, "woocommerce_rest_authentication_missing_parameter")


def test_brackets_break_the_signature(plain: Store) -> None:
    with nobody(plain) as client:
        assert client.get(signed(plain, "/products?include=1,2")).status_code == 200
        assert outcome(client.get(signed(plain, "/products?include%5B%5D=1&include%5B%5D=2"))) == REFUSED


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/products/1", "woocommerce_rest_cannot_view"),
        ("POST", "/products", "woocommerce_rest_cannot_create"),
        ("PUT", "/products/1", "woocommerce_rest_cannot_edit"),
        ("DELETE", "/orders/500000001", "woocommerce_rest_cannot_delete"),
        ("POST", "/products/batch", "woocommerce_rest_cannot_batch"),
        ("GET", "/system_status", "woocommerce_rest_cannot_view"),
    ],
)
def test_strangers_learn_nothing(secure: Store, method: str, path: str, code: str) -> None:
    with nobody(secure) as client:
        answer = client.request(method, path)
        assert outcome(answer) == (401, code)
        assert "allow" not in answer.headers
        assert "www-authenticate" not in answer.headers


def test_parameters_are_looked_at_before_permission(secure: Store) -> None:
    with nobody(secure) as client:
        assert outcome(client.get("/products", params={"per_page": "101"})) == (400, "rest_invalid_param")
        assert outcome(client.get("/nothing")) == (404, "rest_no_route")
        assert client.get("").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/products"), ("PUT", "/products/1"), ("DELETE", "/orders/1")]
)
def test_a_reading_key_does_not_write(reader: Store, method: str, path: str) -> None:
    with caller(reader) as client:
        assert client.get("/products/1").status_code == 200
        answer = client.request(method, path)
        assert outcome(answer) == REFUSED
        assert answer.json()["message"] == "The API key provided does not have write permissions."


def test_the_log_has_no_credentials(secure: Store, plain: Store) -> None:
    with nobody(secure) as client:
        client.get(
            "/products",
            params={**with_keys(secure, secure.consumer_key, secure.consumer_secret), "page": "2"},
        )
    with nobody(plain) as client:
        client.get(signed(plain, "/products?page=3"))
    for store in (secure, plain):
        text = str(store.requests())
        assert store.consumer_key not in text
        assert store.consumer_secret not in text
        assert "oauth_" not in text
    assert secure.requests()[-1]["query"] == "page=2"
    assert plain.requests()[-1]["query"] == "page=3"
