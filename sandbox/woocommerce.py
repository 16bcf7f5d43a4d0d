"""A WooCommerce stand-in over HTTP: `python -m sandbox.woocommerce --port 0 --products 1000`.

Plain HTTP, so it takes OAuth 1.0a alone, as a real shop does. The first line on stdout is JSON with the
address, the keys and the token of the control surface under /__sandbox__/.
"""

import argparse
import asyncio
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from oauthlib.oauth1.rfc5849.signature import (
    base_string_uri,
    collect_parameters,
    normalize_parameters,
    sign_hmac_sha256_with_client,
    signature_base_string,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.shop import Record, Shop, encode

API = "/wp-json/wc/v3"
KINDS = {
    "products": "products",
    "products/categories": "categories",
    "customers": "customers",
    "orders": "orders",
}
INVALID_ID = {
    "products": "woocommerce_rest_product_invalid_id",
    "orders": "woocommerce_rest_shop_order_invalid_id",
    "customers": "woocommerce_rest_invalid_id",
    "categories": "woocommerce_rest_term_invalid",
}
CLOCK_TOLERANCE = 900


class _Client:
    def __init__(self, secret: str) -> None:
        self.client_secret = secret
        self.resource_owner_secret = ""


class Faults:
    """A script of troubles: each entry has `path` (a pattern), `kind` and `times`."""

    def __init__(self) -> None:
        self.script: list[dict[str, Any]] = []

    def next(self, path: str) -> dict[str, Any] | None:
        for fault in self.script:
            if fault["times"] > 0 and re.search(fault["path"], path):
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None


class Server:
    def __init__(self, shop: Shop, key: str, secret: str) -> None:
        self.shop = shop
        self.key = key
        self.secret = secret
        self.token = secrets.token_urlsafe(24)
        self.faults = Faults()
        self.log: deque[dict[str, Any]] = deque(maxlen=200_000)
        self.nonces: set[str] = set()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/__sandbox__/{action}", self.control, methods=["GET", "POST", "DELETE"]),
                Route(API, self.index),
                Route(f"{API}/{{path:path}}", self.api, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def index(self, _request: Request) -> Response:
        return JSONResponse({"namespace": "wc/v3", "routes": {}})

    async def api(self, request: Request) -> Response:
        path = request.path_params["path"]
        fault = self.faults.next(path)
        response = await self._faulty(request, path, fault) if fault else self._answer(request, path)
        self.log.append({"at": time.monotonic(), "path": path, "status": response.status_code})
        return response

    def _answer(self, request: Request, path: str) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        query = request.query_params
        if path in KINDS:
            return self._list(KINDS[path], query)
        if variations := re.fullmatch(r"products/(\d+)/variations", path):
            found = self.shop.variations(int(variations[1]))
            offset = int(query.get("offset", 0))
            return _page(found[offset : offset + int(query.get("per_page", 10))], len(found), query)
        kind, _, id_ = path.rpartition("/")
        if kind in KINDS and id_.isdecimal():
            record = self.shop.get(KINDS[kind], int(id_))
            if record is None:
                return _error(404, INVALID_ID[KINDS[kind]], "Invalid ID.")
            return Response(encode(record), media_type="application/json")
        return _error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _list(self, kind: str, query: Any) -> Response:
        limit = query.get("per_page", "10")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            words = "per_page must be between 1 (inclusive) and 100 (inclusive)"
            return _error(
                400, "rest_invalid_param", "Invalid parameter(s): per_page", params={"per_page": words}
            )
        if kind == "customers" and query.get("orderby") == "modified":
            return _error(400, "rest_invalid_param", "Invalid parameter(s): orderby")
        size = int(limit)
        offset = int(query.get("offset", (int(query.get("page", 1)) - 1) * size))
        after = query.get("modified_after") if kind in ("products", "orders") else None
        if after is None:
            ids, total = self.shop.page(kind, offset, size), self.shop.count(kind)
        else:
            try:
                datetime.fromisoformat(after)
            except ValueError:
                return _error(400, "rest_invalid_param", "Invalid parameter(s): modified_after")
            if "T" not in after:
                return _error(400, "rest_invalid_param", "Invalid parameter(s): modified_after")
            newer = [id_ for id_ in self.shop.ids(kind) if self._modified(kind, id_) > after]
            ids, total = newer[offset : offset + size], len(newer)
        if kind == "orders" and offset and not ids:
            total = 0
        return _page([r for id_ in ids if (r := self.shop.get(kind, id_))], total, query)

    def _modified(self, kind: str, id_: int) -> str:
        return str((self.shop.get(kind, id_) or {}).get("date_modified_gmt", ""))

    def _refusal(self, request: Request) -> Response | None:
        """Basic and query keys are refused on plain HTTP as if there were no credentials."""
        query = request.query_params
        if "oauth_signature" not in query or query.get("oauth_consumer_key") != self.key:
            return _error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        base = signature_base_string(
            request.method,
            base_string_uri(str(request.url.replace(query=""))),
            normalize_parameters(
                collect_parameters(uri_query=request.url.query, exclude_oauth_signature=True)
            ),
        )
        expected = sign_hmac_sha256_with_client(base, _Client(self.secret))
        if not secrets.compare_digest(expected, query["oauth_signature"]):
            words = "Invalid signature - provided signature does not match."
            return _error(401, "woocommerce_rest_authentication_error", words)
        if abs(time.time() - int(query["oauth_timestamp"])) > CLOCK_TOLERANCE:
            return _error(401, "woocommerce_rest_authentication_error", "Invalid timestamp.")
        if query["oauth_nonce"] in self.nonces:
            return _error(
                401, "woocommerce_rest_authentication_error", "Invalid nonce - nonce has already been used."
            )
        self.nonces.add(query["oauth_nonce"])
        return None

    async def _faulty(self, request: Request, path: str, fault: dict[str, Any]) -> Response:
        await asyncio.sleep(fault.get("delay", 0))
        match fault["kind"]:
            case "429":
                headers = {"Retry-After": str(fault.get("retry_after", 1))}
                return _error(429, "too_many_requests", "Too many requests.", headers=headers)
            case "500" | "503":
                return _error(int(fault["kind"]), "internal_server_error", "There was an error.")
            case "html":
                return Response("<html><body>Em manutenção</body></html>", media_type="text/html")
            case "broken_json":
                return Response(b'[{"id":1,', media_type="application/json")
            case "empty_page":
                whole = self._answer(request, path)
                return Response(
                    b"[]", headers={"X-WP-Total": whole.headers["x-wp-total"]}, media_type="application/json"
                )
            case "truncate":
                whole = self._answer(request, path)
                return _Truncated(bytes(whole.body))
            case _:
                return self._answer(request, path)

    async def control(self, request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get("x-sandbox-token", ""), self.token):
            return Response(status_code=403)
        body = json.loads(await request.body() or b"{}")
        actions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "requests": lambda _: list(self.log),
            "faults": self._set_faults,
            "change": lambda b: self.shop.change(b["kind"], b["id"], **b["fields"]),
            "create": lambda b: self.shop.create(b["kind"], **b["fields"]),
            "delete": lambda b: self.shop.delete(b["kind"], b["id"]),
            "clock": self._set_clock,
            "truth": lambda b: [self.shop.get(b["kind"], id_) for id_ in self.shop.ids(b["kind"])],
        }
        return Response(encode(actions[request.path_params["action"]](body)), media_type="application/json")

    def _set_faults(self, body: dict[str, Any]) -> None:
        self.faults.script = list(body.get("script", []))

    def _set_clock(self, body: dict[str, Any]) -> None:
        self.shop.clock_offset = timedelta(seconds=body["offset_seconds"])


class _Truncated(Response):
    """Announces the whole body and sends half of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, media_type="application/json")
        self.half = body[: len(body) // 2]

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.half, "more_body": True})
        raise ConnectionResetError


def _page(records: list[Record], total: int, query: Any) -> Response:
    fields = query.get("_fields")
    if fields:
        wanted = set(fields.split(","))
        records = [{key: value for key, value in record.items() if key in wanted} for record in records]
    size = int(query.get("per_page", 10))
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // size))}
    return Response(encode(records), headers=headers, media_type="application/json; charset=UTF-8")


def _error(status: int, code: str, message: str, *, headers: Any = None, **data: Any) -> Response:
    body = {"code": code, "message": message, "data": {"status": status, **data}}
    return JSONResponse(body, status_code=status, headers=headers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    for name, default in (("products", 300), ("categories", 20), ("customers", 50), ("orders", 80)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--variable-every", type=int, default=10)
    options = parser.parse_args()
    shop = Shop(
        products=options.products,
        categories=options.categories,
        customers=options.customers,
        orders=options.orders,
        variable_every=options.variable_every,
    )
    server = Server(shop, f"ck_{secrets.token_hex(20)}", f"cs_{secrets.token_hex(20)}")
    config = uvicorn.Config(
        server.app(), host="127.0.0.1", port=options.port, log_level="error", access_log=False
    )
    listener = config.bind_socket()
    start = {
        "url": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "consumer_key": server.key,
        "consumer_secret": server.secret,
        "token": server.token,
    }
    print(json.dumps(start), flush=True)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
