"""The account over HTTP: headers, limits by the second, and the control surface."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.americanas import samples
from sandbox.americanas.orders import LABELS, Orders, RefusedError
from sandbox.americanas.products import Products, listing
from sandbox.americanas.queue import Clock, Meter, Queue
from sandbox.americanas.samples import Object
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read

JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
NINE, ONE = 9, 1


class App:
    def __init__(self, url: str, credentials: dict[str, str], control: str) -> None:
        self._url, self._control = url, control
        self._expected = {name.encode(): value for name, value in credentials.items()}
        self.begin()

    def begin(
        self,
        products: int = 0,
        orders: int = 0,
        categories: int = 0,
        classic: int = 0,
        metered: int = 1,
    ) -> None:
        self._classic, self._metered = bool(classic), bool(metered)
        self._clock, self._meter = Clock(), Meter()
        self.queue = Queue(self._clock.now)
        self.orders, self.products = Orders(self.queue), Products(classic=self._classic)
        self._categories = [samples.category(number) for number in range(1, categories + 1)]
        self._log: list[Object] = []
        self._faults: list[Object] = []
        for number in range(1, products + 1):
            self.products.put(number)
        for number in range(1, orders + 1):
            # Codes of before and after 2025 stand side by side.
            tail = f"20103606322{number:04}" if number % 2 else f"15179405{number:05}-01"
            self.orders.put(f"Lojas Americanas-{tail}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw, headers = await read(receive), dict(scope["headers"])
        # The raw path: codes of orders hold a blank, which has to come encoded.
        path, method = scope["raw_path"].decode().partition("?")[0], scope["method"]
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        fault = self._fault(f"{method} {unquote(path)}")
        if fault == "lost-before":
            await cut(scope, rude=False)
            return
        if fault is not None and fault.isdecimal():
            await answer(send, _json(int(fault), {"error": "Internal Server Error"}))
            return
        params = dict(parse_qsl(scope["query_string"].decode()))
        reply = self._answer(method, path, params, headers, raw)
        self._log.append(
            {"call": f"{method} {path}", "status": reply.status, "body": raw.decode(errors="replace")}
        )
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, reply)

    def _answer(
        self, method: str, path: str, params: dict[str, str], headers: dict[bytes, bytes], raw: bytes
    ) -> Reply:
        if any(headers.get(name, b"").decode() != value for name, value in self._expected.items()):
            return _json(401, {"error": "Não autorizado"})
        if b"json" not in headers.get(b"accept", b""):
            return _json(406, {"error": "Not Acceptable"})
        kind = headers.get(b"content-type", b"")
        form = kind.startswith(b"multipart/form-data")
        if not form and not kind.startswith(b"application/json"):
            return _json(415, {"error": "Unsupported Media Type"})
        if method in ("POST", "PUT", "PATCH") and not raw:
            return _json(400, {"error": "Body é obrigatório"})
        parts = [unquote(part) for part in path.strip("/").split("/")]
        limit = ONE if parts[0] in ("orders", "stores") and method == "GET" else NINE
        if self._metered and not self._meter.take(f"{method} {parts[0]}", limit):
            return _json(429, {"error": "Too Many Requests"})
        try:
            found = self._route(method, parts, params, raw if form else json.loads(raw or b"{}"))
        except RefusedError as error:
            return _json(error.status, {"error": error.message})
        if found is None:
            return Reply(204, [], b"")
        return _json(201 if method == "POST" else 200, found)

    def _route(self, method: str, parts: list[str], params: dict[str, str], body: Any) -> Any:
        match method, *parts:
            case "GET", "queues", "orders":
                code = self.queue.take()
                return self.orders.kept[code] if code else None
            case "DELETE", "queues", "orders", code:
                if not self.queue.delete(code):
                    raise RefusedError(404, "Pedido não está na fila")
                self.orders.kept[code]["sync_status"] = "SYNCED"
                return None
            case "GET", "orders":
                every, size = list(self.orders.kept.values()), int(params.get("per_page", 30))
                start = (int(params.get("page", 1)) - 1) * size
                return {"total": len(every), "orders": every[start : start + size]}
            case "GET", "orders", code:
                return self.orders.get(code)
            case "POST", "orders", code, action:
                self.orders.act(code, action, body)
                return {}
            case "GET", "statuses":
                return [{"code": c, "label": label, "type": kind} for c, (label, kind) in LABELS.items()]
            case "GET", "brands" if not self._classic:
                brands = [
                    {"brandData": {"id": str(n), "code": name.upper(), "name": name}}
                    for n, name in enumerate(samples.BRANDS, 1)
                ]
                return listing(brands, params, 10)
            case "GET", "omnik", "categories" if not self._classic:
                return listing(self._categories, params, 10)
            case _:
                return self._product(method, parts, params, body)

    def _product(self, method: str, parts: list[str], params: dict[str, str], body: Any) -> Any:
        match method, *parts:
            case "GET", "products":
                return self.products.page(self._url, params)
            case "POST", "products":
                self.products.create(body["product"])
                return {}
            case "GET", "products", sku:
                return self.products.get(sku)
            case "PUT", "products", sku:
                return self.products.update(sku, body["product"])
            case "POST", "products", sku, "variations":
                self.products.add(sku, body["variation"])
                return {}
            case "GET", "variations", sku:
                return self.products.variation(sku)
            case "PUT", "variations", sku:
                return self.products.change(sku, body["variation"])
        raise RefusedError(404, "Not Found")

    def _fault(self, call: str) -> str | None:
        for fault in self._faults:
            if fault["match"] in call and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return str(fault["kind"])
        return None

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if not secrets.compare_digest(headers.get(b"x-sandbox-token", b"").decode(), self._control):
            return _json(403, {"error": "X-Sandbox-Token"})
        body: Object = json.loads(raw or b"{}")
        actions: dict[str, Callable[[], Any]] = {
            "begin": lambda: self.begin(**body),
            "order": lambda: self.orders.put(**body),
            "edit": lambda: self.orders.edit(**body),
            "orders": lambda: self.orders.kept,
            "products": lambda: self.products.kept,
            "queue": lambda: {"left": self.queue.left(), "given": self.queue.given},
            "lease": lambda: setattr(self.queue, "lease", body["seconds"]),
            "pass": lambda: self._clock.let_pass(**body),
            "paging": lambda: setattr(self.products, "cursor", body["cursor"]),
            "log": lambda: self._log,
            "forget": self._log.clear,
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "meter": lambda: {"refused": self._meter.refused},
        }
        return _json(200, actions[action]()) if action in actions else _json(404, {"error": "unknown"})


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
