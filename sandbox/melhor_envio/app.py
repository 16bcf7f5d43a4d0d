"""The Melhor Envio over HTTP: tokens, its limit, the calls, and the control surface."""

import json
import re
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.melhor_envio.labels import Account, RefusedError
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read

JSON: Headers = [(b"content-type", b"application/json")]
MONTH = 2_592_000
PER_PAGE = 10
API = "/api/v2/me"
SCOPES = (
    "users-read companies-read cart-read cart-write shipping-calculate shipping-checkout shipping-generate"
    " shipping-print shipping-preview shipping-cancel shipping-tracking orders-read transactions-read"
)


class App:
    def __init__(
        self, url: str, client_id: str, client_secret: str, token: str, refresh: str, control: str
    ) -> None:
        self._url, self._client, self._control = url, (client_id, client_secret), control
        self._personal, self._consent = token, refresh
        self.begin()

    def begin(self, labels: int = 0) -> None:
        """An account with this many labels on their way, and as many calls left as a minute allows."""
        self.account = Account()
        self._tokens, self._refresh = {self._personal}, {self._consent}
        self._codes: dict[str, str] = {}
        self._log: list[Any] = []
        self._faults: list[Any] = []
        self._limit, self._calls = 250, deque[float]()
        for number in range(labels):
            self._sample(number)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw, headers, path = await read(receive), dict(scope["headers"]), scope["path"]
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        refused = self._refused(path, headers)
        if refused is not None:
            await answer(send, refused)
            return
        fault = self._fault(f"{scope['method']} {path}")
        if fault in ("500", "429"):
            await answer(send, _json(int(fault), {"message": "Server Error"}))
            return
        reply = self._done(scope, path, raw)
        self._log.append({"call": f"{scope['method']} {path}", "status": reply.status})
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, reply)

    def _refused(self, path: str, headers: dict[bytes, bytes]) -> Reply | None:
        if not re.search(r"\(\S+@\S+\)", headers.get(b"user-agent", b"").decode()):
            return _json(403, {"message": "User-Agent sem e-mail de contato."})
        if path == "/oauth/token":
            return None
        if headers.get(b"authorization", b"").decode().removeprefix("Bearer ") not in self._tokens:
            return _json(401, {"message": "Unauthenticated."})
        now = time.monotonic()
        while self._calls and self._calls[0] < now - 60:
            self._calls.popleft()
        if len(self._calls) >= self._limit:
            return _json(429, {"message": "Too Many Attempts."})
        self._calls.append(now)
        return None

    def _done(self, scope: Scope, path: str, raw: bytes) -> Reply:
        query = dict(parse_qsl(scope["query_string"].decode()))
        try:
            if path == "/oauth/token":
                return _json(200, self._grant(raw))
            return self._call(scope["method"], path.removeprefix(API), query, json.loads(raw or b"{}"))
        except RefusedError as error:
            return _json(error.status, error.body)

    def _grant(self, raw: bytes) -> Any:
        """Codes and refresh tokens work once. JSON, as documented, or a form, as Laravel takes it."""
        form = json.loads(raw) if raw.startswith(b"{") else dict(parse_qsl(raw.decode()))
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            raise RefusedError(401, {"error": "invalid_client"})
        refreshed = form.get("grant_type") == "refresh_token" and form.get("refresh_token") in self._refresh
        code, back = str(form.get("code")), form.get("redirect_uri")
        granted = form.get("grant_type") == "authorization_code" and self._codes.pop(code, "") == back
        if not (refreshed or granted):
            raise RefusedError(401, {"error": "invalid_grant", "error_description": "Token has been revoked"})
        self._refresh = {secrets.token_hex(20)}
        token = secrets.token_hex(20)
        self._tokens.add(token)
        return {
            "token_type": "Bearer",
            "expires_in": MONTH,
            "access_token": token,
            "refresh_token": next(iter(self._refresh)),
        }

    def _call(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        account = self.account
        one = re.fullmatch(r"/(orders|cart)/([0-9a-f-]{36})", path)
        if one:
            return self._one(method, one[1], one[2])
        calls: dict[str, Callable[[], Any]] = {
            "GET /balance": lambda: {"balance": f"{account.balance:.2f}", "reserved": 0, "debts": None},
            "GET /orders": lambda: self._page(query),
            "GET /orders/search": lambda: account.search(query.get("q", "")),
            "POST /shipment/calculate": lambda: account.calculate(body),
            "POST /shipment/checkout": lambda: account.checkout(body["orders"]),
            "POST /shipment/generate": lambda: account.generate(body["orders"]),
            "POST /shipment/print": lambda: {"url": f"{self._url}/imprimir/{'-'.join(body['orders'])}"},
            "POST /shipment/cancel": lambda: account.cancel(body["order"]),
        }
        name = f"{method} {path}"
        if name == "POST /cart":
            return _json(201, account.add(body))
        if name not in calls:
            raise RefusedError(404, {"message": "Not Found"})
        return _json(200, calls[name]())

    def _one(self, method: str, kind: str, id_: str) -> Reply:
        """What is in the cart is no order yet."""
        label = self.account.labels.get(id_)
        if label is None or (label["status"] == "pending") != (kind == "cart"):
            raise RefusedError(404, {"message": "Not Found"})
        if method == "DELETE":
            self.account.remove(id_)
            return Reply(204, [], b"")
        return _json(200, label)

    def _page(self, query: dict[str, str]) -> Any:
        """Newest first."""
        status, page = query.get("status"), int(query.get("page", "1"))
        found = [one for one in self.account.labels.values() if status in (None, one["status"])][::-1]
        last = max(1, -(-len(found) // PER_PAGE))
        items = found[(page - 1) * PER_PAGE : page * PER_PAGE]
        return {"current_page": page, "data": items, "last_page": last, "per_page": PER_PAGE}

    def _fault(self, call: str) -> str | None:
        for fault in self._faults:
            if fault["match"] in call and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return str(fault["kind"])
        return None

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if not secrets.compare_digest(headers.get(b"x-sandbox-token", b"").decode(), self._control):
            return _json(403, {"error": "X-Sandbox-Token"})
        body = json.loads(raw or b"{}")
        actions: dict[str, Callable[[], Any]] = {
            "begin": lambda: self.begin(**body),
            "move": lambda: self.account.move(body.pop("id"), **body),
            "edit": lambda: self.account.labels[body["id"]].update(body["fields"]),
            "wallet": lambda: setattr(self.account, "balance", body["balance"]),
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "labels": lambda: list(self.account.labels.values()),
            "log": lambda: self._log,
            "purchases": lambda: self.account.purchases,
            "limit": lambda: setattr(self, "_limit", body["calls"]),
            "consent": lambda: self._agree(body["url"]),
            "expire": lambda: setattr(self, "_tokens", {self._personal}),
        }
        return _json(200, actions[action]()) if action in actions else _json(404, {"error": action})

    def _agree(self, url: str) -> str:
        """Where the browser is sent back to when its person agrees. A `+` is no space in the scopes."""
        asked = dict(part.partition("=")[::2] for part in urlsplit(url).query.split("&"))
        wanted = unquote(asked["scope"])
        if asked["response_type"] != "code" or asked["client_id"] != self._client[0] or wanted != SCOPES:
            return f"{unquote(asked['redirect_uri'])}?error=invalid_scope&state={asked['state']}"
        code, back = secrets.token_hex(20), unquote(asked["redirect_uri"])
        self._codes[code] = back
        return f"{back}?code={code}&state={asked['state']}"

    def _sample(self, number: int) -> None:
        person = {
            "name": f"Cliente {number}",
            "address": "Rua das Flores",
            "city": "São Paulo",
            "postal_code": "01001000",
            "state_abbr": "SP",
        }
        tags = [{"tag": f"PED-{number}", "url": None}, {"tag": str(uuid.uuid4()), "url": None}]
        label = self.account.add(
            {
                "service": 1 + number % 2,
                "from": person,
                "to": person,
                "products": [],
                "volumes": [{"height": 4, "width": 12, "length": 17, "weight": 0.3}],
                "options": {"non_commercial": True, "tags": tags},
            }
        )
        if number % 5:
            self.account.move(label["id"], "released", paid_at=True)
            self.account.generate([label["id"]])


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
