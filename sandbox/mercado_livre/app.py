"""The account over HTTP: tokens, routes, limits, faults, and the control surface."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.mercado_livre import samples
from sandbox.mercado_livre.grants import Grants
from sandbox.mercado_livre.items import Items
from sandbox.mercado_livre.orders import Orders
from sandbox.mercado_livre.store import SELLER, Object, RefusedError, Store
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read

JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
SWITCHES = {
    "scroll_seconds": 300.0,
    "short_scan": False,
    "unsorted": False,
    "codes": {},
    "bare_list": False,
    "sale": False,
    "sale_after_reads": 0,
}
Query = Mapping[str, str]
Sent = Mapping[str, str]


class App:
    def __init__(self, client_id: str, client_secret: str, control: str) -> None:
        self._client, self._control = (client_id, client_secret), control
        self.begin()

    def begin(
        self, *, tags: list[str] | None = None, stores: int = 0, site: str = "MLB", **counts: int
    ) -> None:
        """An empty account that nobody is connected to, then filled."""
        self._grants, self._store = Grants(*self._client), Store()
        self._store.tags += tags or []
        self._store.stores = [
            {"id": str(100 + n), "network_node_id": f"BRP{n}", "description": f"Depósito {n}"}
            for n in range(1, stores + 1)
        ]
        self._switches: Object = {**SWITCHES, "codes": {}}
        self._items, self._orders = Items(self._store, self._switches), Orders(self._store, self._switches)
        self._site, self._log, self._faults, self._left = site, list[Object](), list[Object](), None
        self._throttled = 0
        samples.populate(self._store, self._items, counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        raw, headers = await read(receive), {k.decode(): v.decode() for k, v in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        fault = self._fault(f"{method} {path}")
        if fault in ("500", "429", "html"):
            await answer(send, _broken(fault))
            return
        found = self._answer(method, path, query, headers, raw)
        if fault == "206":
            found = _part(found)
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, found)

    def _answer(self, method: str, path: str, query: Query, headers: Sent, raw: bytes) -> Reply:
        try:
            if path == "/oauth/token" and method == "POST":
                return _json(200, self._grants.grant(dict(parse_qsl(raw.decode()))))
            # A token in the query is not taken any more.
            if not self._grants.live(headers.get("authorization", "").removeprefix("Bearer ")):
                raise RefusedError(401, "unauthorized", "invalid access token")
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    self._throttled += 1
                    self._left = None
                    raise RefusedError(429, "local_rate_limited", "Too many requests")
            self._log.append({"method": method, "path": path, "query": dict(query), "body": _read(raw)})
            return self._routed(method, path, query, headers, raw)
        except RefusedError as error:
            return _json(error.status, error.body)

    def _routed(self, method: str, path: str, query: Query, headers: Sent, raw: bytes) -> Reply:
        items, orders = self._items, self._orders
        body = _read(raw)
        kind = headers.get("content-type", "")
        routes: dict[str, Callable[..., Any]] = {
            r"GET /users/me": self._me,
            rf"GET /users/{SELLER}/items/search": lambda: items.search(query),
            rf"GET /users/{SELLER}/stores/search": lambda: {"results": self._store.stores},
            r"GET /items": lambda: items.multiget(query),
            r"POST /items": lambda: items.create(body),
            r"GET /items/(MLB\d+)": items.get,
            r"PUT /items/(MLB\d+)": lambda id_: items.update(id_, body),
            r"POST /items/(MLB\d+)/description": lambda id_: items.describe(id_, body),
            r"POST /items/(MLB\d+)/variations": lambda id_: items.add_variation(id_, body),
            r"PUT /items/(MLB\d+)/variations/(\d+)": lambda id_, n: items.update_variation(id_, n, body),
            r"PUT /user-products/(MLBU\d+)/stock/type/(\w+)": lambda id_, where: items.set_stock(
                id_, where, body, headers.get("x-version")
            ),
            r"GET /sites/MLB/domain_discovery/search": lambda: self._predicted(query),
            r"GET /orders/search": lambda: orders.search(query),
            r"GET /orders/(\d+)": orders.get,
            r"GET /orders/billing-info/(\w+)/(\w+)": orders.bill,
            r"GET /shipments/(\d+)": lambda id_: orders.shipment(id_, headers.get("x-format-new") == "true"),
            r"GET /shipments/(\d+)/invoice_data/": orders.invoice,
            r"POST /shipments/(\d+)/invoice_data/": lambda id_: orders.add_invoice(id_, raw, kind),
            r"PUT /shipment_invoice/(\d+)/": lambda id_: orders.replace_invoice(id_, raw, kind),
            r"GET /missed_feeds": lambda: self._missed(query),
        }
        stock = re.fullmatch(r"GET /user-products/(MLBU\d+)/stock", f"{method} {path}")
        if stock:
            found, version = items.read_stock(stock[1])
            reply = _json(200, found)
            return Reply(200, [*reply.headers, (b"x-version", str(version).encode())], reply.body)
        for pattern, route in routes.items():
            if match := re.fullmatch(pattern, f"{method} {path}"):
                return _json(201 if method == "POST" else 200, route(*match.groups()))
        raise RefusedError(404, "not_found", "resource not found")

    def _me(self) -> Object:
        return {"id": SELLER, "nickname": "LOJATESTE", "site_id": self._site, "tags": self._store.tags}

    def _predicted(self, query: Query) -> list[Object]:
        known = "caneca" in query["q"].lower() or "camiseta" in query["q"].lower()
        found = {"domain_id": "MLB-MUGS", "domain_name": "Canecas", "category_id": "MLB31447"}
        return [found] if known else []

    def _missed(self, query: Query) -> Object:
        if query.get("topic") == "items" and "site_id" not in query:
            raise RefusedError(400, "bad_request", "site_id is required")
        found = [one for one in self._store.notifications if one["topic"] == query.get("topic", one["topic"])]
        first = int(query.get("offset", 0))
        return {"messages": found[first : first + int(query.get("limit", 10))]}

    def _fault(self, call: str) -> str | None:
        for fault in self._faults:
            if not re.search(fault["match"], call) or fault.get("times", 1) <= 0:
                continue
            fault["times"] = fault.get("times", 1) - 1
            return str(fault["kind"])
        return None

    def _steer(self, action: str, headers: Sent, raw: bytes) -> Reply:
        if not secrets.compare_digest(headers.get("x-sandbox-token", ""), self._control):
            return _json(403, {"error": "X-Sandbox-Token"})
        body: Object = json.loads(raw or b"{}")
        actions: dict[str, Callable[[], Any]] = {
            "begin": lambda: self.begin(**body),
            "consent": lambda: self._grants.code(**body) if body else self._grants.issue(),
            "expire": self._grants.expire,
            "revoke": self._grants.revoke,
            "add": lambda: self._items.add({**samples.item(self._store, body["number"]), **body["fields"]}),
            "edit": lambda: self._edit(**body),
            "set": lambda: getattr(self._store, body["kind"])[body["id"]].update(body["fields"]),
            "notifications": lambda: self._store.notifications,
            "sell": lambda: self._items.sell(body["id"]),
            "truth": lambda: getattr(self._store, body["kind"]),
            "log": lambda: self._log,
            "forget": self._log.clear,
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "switch": lambda: self._switches.update(body),
            "limit": lambda: setattr(self, "_left", body["calls"]),
            "meter": lambda: {"refreshed": self._grants.refreshed, "throttled": self._throttled},
        }
        if action not in actions:
            return _json(404, {"error": "unknown action"})
        return _json(200, actions[action]())

    def _edit(self, kind: str, id: str, fields: Object) -> None:  # noqa: A002
        record = getattr(self._store, kind)[id]
        record |= fields
        topic = {"orders": "orders_v2"}.get(kind, kind)
        self._store.touch(topic, f"/{kind}/{id}", record)


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def _part(whole: Reply) -> Reply:
    """What the buyer's service knows did not arrive in time."""
    body = json.loads(whole.body)
    body.pop("buyer", None)
    return Reply(206, whole.headers, json.dumps(body).encode())


def _broken(kind: str) -> Reply:
    if kind == "html":
        return Reply(200, [(b"content-type", b"text/html")], b"<html>Manuten\xc3\xa7\xc3\xa3o</html>")
    error = "local_rate_limited" if kind == "429" else "internal_error"
    return _json(int(kind), {"message": error, "error": error, "status": int(kind), "cause": []})


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
