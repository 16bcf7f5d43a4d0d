"""The shop over HTTP: tokens, GraphQL with its bucket of points, files, and the control surface."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from sandbox.shopify import graph, samples
from sandbox.shopify.graph import Document, Object, RefusedError
from sandbox.shopify.mutations import Mutations
from sandbox.shopify.queries import Queries
from sandbox.shopify.store import KINDS, Store
from sandbox.shopify.subscriptions import Subscriptions
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read

JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
DAY = 86_399
MOST_POINTS = 1000
FILES = "/bulk/"


class Bucket:
    """Points: what one document may cost is taken before, what it did not cost is given back."""

    def __init__(self, size: float = 2000.0, restore: float = 100.0) -> None:
        self.size, self.restore = size, restore
        self.available, self._at = size, time.monotonic()
        self.throttled = 0

    def take(self, points: float) -> bool:
        now = time.monotonic()
        self.available = min(self.size, self.available + (now - self._at) * self.restore)
        self._at = now
        if points > self.available:
            self.throttled += 1
            return False
        self.available -= points
        return True

    def report(self, requested: float, actual: float | None) -> Object:
        status = {
            "maximumAvailable": self.size,
            "currentlyAvailable": int(self.available),
            "restoreRate": self.restore,
        }
        return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}


class App:
    def __init__(self, url: str, client_id: str, client_secret: str, token: str, control: str) -> None:
        self._url, self._client = url, (client_id, client_secret)
        self._fixed, self._control = token, control
        self.begin()

    def begin(self, locations: int = 1, **counts: int) -> None:
        """An empty shop that knows nobody, then filled."""
        self.store, self.bucket = Store(locations), Bucket()
        self.queries = Queries(self.store)
        self.mutations = Mutations(self.store, self.queries)
        self._tokens: dict[str, float] = {self._fixed: float("inf")}
        self._log: list[Object] = []
        self._forgotten = 0
        self._faults: list[Object] = []
        self._files: dict[str, bytes] = {}
        self._switches: Object = {"polls": 0, "busy": False, "sale": None}
        samples.populate(self.store, **counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        raw, headers = await read(receive), dict(scope["headers"])
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
        elif path == "/admin/oauth/access_token" and method == "POST":
            await answer(send, self._grant(raw))
        elif path.startswith(FILES):
            await answer(send, self._file(path, headers))
        elif path.startswith("/admin/api/") and path.endswith("/graphql.json") and method == "POST":
            await self._graphql(scope, send, headers, raw)
        else:
            await answer(send, _json(404, {"errors": "Not Found"}))

    async def _graphql(self, scope: Scope, send: Send, headers: dict[bytes, bytes], raw: bytes) -> None:
        given = headers.get(b"x-shopify-access-token", b"").decode()
        if self._tokens.get(given, 0) < time.time():
            text = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            await answer(send, _json(401, {"errors": text}))
            return
        body = json.loads(raw)
        fault = self._fault(body["query"])
        if fault in ("500", "429", "html"):
            await answer(send, _broken(fault))
            return
        found = self._done(body, fault)
        self._log.append({"query": body["query"], "variables": body.get("variables") or {}, "fault": fault})
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, found)

    def _done(self, body: Object, fault: str | None) -> Reply:
        try:
            document = graph.read(body["query"], body.get("variables"))
            requested = graph.cost(document)
            if requested > MOST_POINTS:
                raise RefusedError(
                    f"Query cost is {requested}, over the maximum of 1000", "MAX_COST_EXCEEDED"
                )
        except RefusedError as error:
            return _json(200, {"errors": [_error(error)]})
        if fault == "throttled" or not self.bucket.take(requested):
            said = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            cost = self.bucket.report(requested, None)
            return _json(200, {"errors": [said], "extensions": {"cost": cost}})
        if fault == "internal":
            code = {"code": "INTERNAL_SERVER_ERROR"}
            return _json(200, {"errors": [{"message": "Internal error", "extensions": code}]})
        if self._switches["sale"] and "inventorySetQuantities(" in body["query"]:
            # Somebody buys between the caller's reading and writing.
            samples.stock(self.store, **self._switches["sale"])
            self._switches["sale"] = None
        try:
            data = self._run(document)
        except RefusedError as error:
            return _json(200, {"errors": [_error(error)]})
        actual = min(requested, document.made + (graph.MUTATION_COST if document.is_mutation else 0))
        self.bucket.available += requested - actual
        cost = self.bucket.report(requested, actual)
        return _json(200, {"data": data, "extensions": {"cost": cost}})

    def _run(self, document: Document) -> Object:
        hooks = Subscriptions(self.store)
        if not document.is_mutation:
            return graph.run(document, self._polled(self.queries.roots()) | hooks.queries())
        self.mutations.document = document
        others = {"bulkOperationRunQuery": self._bulk} | hooks.mutations()
        return graph.run(document, self.mutations.roots() | others)

    def _polled(self, roots: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
        """A bulk operation ends after so many looks at it."""

        def look(id: str) -> Object | None:  # noqa: A002 - the schema's name
            found = self.queries.bulk.get(id)
            if found is not None and found["status"] in ("CREATED", "RUNNING"):
                found["looks"] += 1
                found["status"] = "COMPLETED" if found["looks"] > self._switches["polls"] else "RUNNING"
            return found and {**found, "url": found["url"] if found["status"] == "COMPLETED" else None}

        return roots | {"bulkOperation": look}

    def _bulk(self, query: str, groupObjects: Any = "false") -> Object:  # noqa: N803 - the schema's name
        if self._switches["busy"]:
            errors = [{"code": "OPERATION_IN_PROGRESS", "field": None, "message": "A bulk query is running"}]
            return {"bulkOperation": None, "userErrors": errors}
        data = graph.run(graph.read(query, None), self.queries.roots(), whole=True)
        roots = next(iter(data.values()))
        lines = [line for root in roots for line in _lines(root)]
        id_ = self.store.gid("BulkOperation")
        name = secrets.token_hex(16)
        self._files[name] = "".join(lines).encode()
        operation = {
            "id": id_,
            "status": "CREATED",
            "errorCode": None,
            "rootObjectCount": str(len(roots)),
            "url": f"{self._url}{FILES}{name}?X-Goog-Signature={secrets.token_hex(8)}" if lines else None,
            "looks": 0,
        }
        self.queries.bulk[id_] = operation
        return {"bulkOperation": operation, "userErrors": []}

    def _file(self, path: str, headers: dict[bytes, bytes]) -> Reply:
        data = self._files.get(path.removeprefix(FILES))
        if data is None or b"x-shopify-access-token" in headers:
            # The file store is another company's: a token must not reach it.
            return Reply(403 if data else 404, [], b"")
        start, _, end = headers.get(b"range", b"bytes=0-").decode().removeprefix("bytes=").partition("-")
        if int(start) >= len(data):
            return Reply(416, [], b"")
        return Reply(
            206, [(b"content-type", b"application/jsonl")], data[int(start) : int(end or len(data)) + 1]
        )

    def _grant(self, raw: bytes) -> Reply:
        form = dict(parse_qsl(raw.decode()))
        if form.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return _json(400, {"error": "application_cannot_be_found"})
        token = f"shpat_{secrets.token_hex(16)}"
        self._tokens[token] = time.time() + DAY
        return _json(200, {"access_token": token, "scope": ",".join(self.queries.scopes), "expires_in": DAY})

    def _fault(self, query: str) -> str | None:
        for fault in self._faults:
            if fault["match"] not in query or fault.get("times", 1) <= 0:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            return str(fault["kind"])
        return None

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if not secrets.compare_digest(headers.get(b"x-sandbox-token", b"").decode(), self._control):
            return _json(403, {"error": "X-Sandbox-Token"})
        body: Object = json.loads(raw or b"{}")
        actions: dict[str, Callable[[], Any]] = {
            "begin": lambda: self.begin(**body),
            "populate": lambda: samples.populate(self.store, **body),
            "edit": lambda: self._edit(**body),
            "delete": lambda: self.store.kinds[body["kind"]].pop(body["id"]) and None,
            "stock": lambda: samples.stock(self.store, **body),
            "truth": lambda: [_shown(one) for one in self.store.kinds[body["kind"]].values()],
            "log": lambda: self._log[self._forgotten :],
            "history": lambda: self._log,
            "forget": lambda: setattr(self, "_forgotten", len(self._log)),
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "switch": lambda: self._switches.update(body),
            "scopes": lambda: self.queries.scopes.__setitem__(slice(None), body["scopes"]),
            "bucket": lambda: setattr(self, "bucket", Bucket(**body)),
            "meter": lambda: {"throttled": self.bucket.throttled, "tokens": len(self._tokens) - 1},
            "expire": self._expire,
        }
        if action not in actions or body.get("kind", "Product") not in KINDS:
            return _json(404, {"error": "unknown action"})
        return _json(200, actions[action]())

    def _edit(self, kind: str, id: str, fields: Object) -> None:  # noqa: A002
        record = self.store.kinds[kind][id]
        record |= fields
        self.store.touch(record)

    def _expire(self) -> None:
        """Tokens that were given out work no more."""
        self._tokens = {self._fixed: float("inf")}


def _lines(root: Object) -> Iterator[str]:
    """One object a line, its children behind it."""
    children = {name: value for name, value in root.items() if isinstance(value, list) and _nested(value)}
    yield json.dumps({name: value for name, value in root.items() if name not in children}) + "\n"
    for values in children.values():
        for one in values:
            yield json.dumps({**one, "__parentId": root["id"]}) + "\n"


def _nested(values: list[Any]) -> bool:
    return not values or (isinstance(values[0], dict) and ("id" in values[0] or "key" in values[0]))


def _shown(record: Object) -> Object:
    free = (
        {".".join(place): value for place, value in record["metafields"].items()}
        if "metafields" in record
        else {}
    )
    return {**record, "metafields": free}


def _error(error: RefusedError) -> Object:
    return {"message": str(error), **({"extensions": {"code": error.code}} if error.code else {})}


def _broken(kind: str) -> Reply:
    if kind == "html":
        return Reply(200, [(b"content-type", b"text/html")], b"<html>Manuten\xc3\xa7\xc3\xa3o</html>")
    wait: Headers = [(b"retry-after", b"1.0")] if kind == "429" else []
    found = _json(int(kind), {"errors": "Internal Server Error" if kind == "500" else "Exceeded"})
    return Reply(found.status, [*found.headers, *wait], found.body)


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
