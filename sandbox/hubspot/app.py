"""The account over HTTP: tokens and scopes, limits, records, and the control surface."""

import json
import re
import secrets
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from sandbox.hubspot import samples
from sandbox.hubspot.crm import Answer, Crm, RefusedError
from sandbox.hubspot.meter import Meter
from sandbox.hubspot.store import TYPES, Object, Store
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read

JSON: Headers = [(b"content-type", b"application/json;charset=utf-8")]
_OBJECTS = re.compile(r"/crm/v3/objects/([a-z0-9_-]+)(/search|/batch/[a-z]+)?")
_PROPERTIES = re.compile(r"/crm/v3/properties/([a-z0-9_-]+)")
_ASSOCIATIONS = re.compile(r"/crm/v4/associations/([a-z0-9_-]+)/([a-z0-9_-]+)/batch/(read|associate/default)")
_SCOPES = {"0-3": "deals"}
DETAILS = {
    "portalId": 62515,
    "accountType": "DEVELOPER_TEST",
    "timeZone": "America/Sao_Paulo",
    "companyCurrency": "BRL",
    "additionalCurrencies": [],
    "utcOffset": "-03:00",
    "utcOffsetMilliseconds": -10800000,
    "uiDomain": "app.hubspot.com",
    "dataHostingLocation": "na1",
}


class App:
    def __init__(self, token: str, control: str) -> None:
        self._token, self._control = token, control
        self.begin()

    def begin(self, **counts: int) -> None:
        """An empty account, then filled."""
        self.store, self.meter = Store(), Meter()
        self.crm = Crm(self.store)
        self._switches: Object = {"denied": [], "associations": 500}
        self._log: list[Object] = []
        self._forgotten = 0
        self._faults: list[Object] = []
        samples.populate(self.store, **counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, raw = scope["path"], await read(receive)
        headers = dict(scope["headers"])
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        fault = self._fault(f"{scope['method']} {path}")
        reply = self._reply(scope, headers, raw, fault)
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, reply)

    def _reply(self, scope: Scope, headers: dict[bytes, bytes], raw: bytes, fault: str | None) -> Reply:
        path, method = scope["path"], scope["method"]
        kind = "search" if path.endswith("/search") else "call"
        kind = "associations" if path.startswith("/crm/v4/") else kind
        query = dict(parse_qsl(scope["query_string"].decode()))
        given = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        try:
            if not secrets.compare_digest(given, self._token):
                raise RefusedError(401, "INVALID_AUTHENTICATION", "Authentication credentials not found")
            asked = fault is not None and fault.startswith("429 ")
            policy = (fault or "").removeprefix("429 ") if asked else self.meter.take(kind)
            if policy:
                return self._throttled(policy)
            if fault in ("500", "502", "423"):
                raise RefusedError(int(fault), "INTERNAL_ERROR", "internal error")
            if fault == "html":
                return Reply(200, [(b"content-type", b"text/html")], b"<html>Manutencao</html>")
            body = json.loads(raw) if raw else None
            status, data = self._done(method, path, query, body)
            if fault == "part":
                status, data = 207, _partly(data)
        except RefusedError as error:
            body, status = (json.loads(raw) if raw else None), error.status
            data = _refusal(error)
        self._log.append(
            {"method": method, "path": path, "query": query, "body": body, "status": status, "data": data}
        )
        return Reply(
            status, [*JSON, *self.meter.headers(kind)], b"" if data is None else json.dumps(data).encode()
        )

    def _done(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if path == "/account-info/v3/details" and method == "GET":
            return 200, DETAILS
        if found := _ASSOCIATIONS.fullmatch(path):
            one, other, action = found.groups()
            self._allow(one, "read")
            if action == "read":
                return self.crm.associations(one, other, body, self._switches["associations"])
            return self.crm.associate(one, other, body)
        if (found := _PROPERTIES.fullmatch(path)) and found[1] in TYPES:
            return self._properties(method, found[1], body)
        found = _OBJECTS.fullmatch(path)
        if found is None or found[1] not in TYPES:
            raise RefusedError(404, "OBJECT_NOT_FOUND", "Unable to infer object type")
        return self._records(method, found[1], found[2] or "", query, body)

    def _records(self, method: str, type_: str, action: str, query: dict[str, str], body: Any) -> Answer:
        writes = action in ("/batch/update", "/batch/upsert", "/batch/archive")
        self._allow(type_, "write" if writes else "read")
        actions: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", ""): lambda: self.crm.page(type_, query),
            ("POST", "/search"): lambda: self.crm.search(type_, body),
            ("POST", "/batch/read"): lambda: self.crm.read(type_, body),
            ("POST", "/batch/update"): lambda: self.crm.update(type_, body),
            ("POST", "/batch/upsert"): lambda: self.crm.upsert(type_, body),
            ("POST", "/batch/archive"): lambda: self.crm.archive(type_, body),
        }
        if (method, action) not in actions:
            raise RefusedError(405, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
        return actions[method, action]()

    def _properties(self, method: str, type_: str, body: Any) -> Answer:
        if method == "GET":
            self._allow("schemas", "read")
            return 200, {"results": list(self.store.properties[type_].values())}
        self._allow("schemas", "write")
        if body["name"] in self.store.properties[type_]:
            raise RefusedError(409, "OBJECT_ALREADY_EXISTS", f"A property named {body['name']} exists")
        return 201, self.store.define(type_, body)

    def _allow(self, type_: str, action: str) -> None:
        if f"{_SCOPES.get(type_, type_)}.{action}" in self._switches["denied"]:
            raise RefusedError(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes")

    def _throttled(self, policy: str) -> Reply:
        said = f"You have reached your {policy.lower()} limit."
        body = {
            "status": "error",
            "message": said,
            "errorType": "RATE_LIMIT",
            "category": "RATE_LIMITS",
            "correlationId": str(uuid.uuid4()),
            "policyName": policy,
        }
        return Reply(429, list(JSON), json.dumps(body).encode())

    def _fault(self, call: str) -> str | None:
        """ "METHOD /path" holds `match`; the first `skip` of them pass."""
        for fault in self._faults:
            if fault["match"] not in call or fault.get("times", 1) <= 0:
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
            "add": lambda: [self.store.add(body["type"], one, body.get("at")).id for one in body["rows"]],
            "edit": lambda: self.store.change(
                self.store.records[body["type"]][body["id"]], body["properties"], body.get("at")
            ),
            "archive": lambda: self.store.archive(self.store.records[body["type"]][body["id"]]),
            "define": lambda: self.store.define(body["type"], body["property"]),
            "drop": lambda: self.store.properties[body["type"]].pop(body["name"]) and None,
            "truth": lambda: [self._truth(one) for one in self.store.living(body["type"])],
            "log": lambda: self._log[self._forgotten :],
            "history": lambda: self._log,
            "forget": lambda: setattr(self, "_forgotten", len(self._log)),
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "switch": lambda: self._switches.update(body),
            "lag": lambda: setattr(self.store, "lag", body["seconds"]),
            "deepest": lambda: setattr(self.crm, "deepest", body["results"]),
            "reversed": lambda: setattr(self.crm, "reversed", body["on"]),
            "whole": lambda: setattr(self.crm, "whole", body["on"]),
            "limits": lambda: setattr(self, "meter", Meter(**body)),
            "refused": lambda: self.meter.refused,
        }
        if action not in actions or body.get("type", "contacts") not in TYPES:
            return _json(404, {"error": "unknown action"})
        return _json(200, actions[action]())

    def _truth(self, record: Any) -> Object:
        links = {
            other: self.store.linked(record.type, record.id, other)
            for other in TYPES
            if self.store.linked(record.type, record.id, other)
        }
        return {"id": record.id, "links": links, **record.shown()}


def _partly(data: Object) -> Object:
    """The last record was not read, for reasons of HubSpot's own."""
    error = {"status": "error", "category": "INTERNAL_ERROR", "message": "timeout", "context": {}}
    return {
        **data,
        "results": data["results"][:-1],
        "numErrors": 1,
        "errors": [{**error, "errors": [], "links": {}}],
    }


def _refusal(error: RefusedError) -> Object:
    return {
        "status": "error",
        "message": str(error),
        "correlationId": str(uuid.uuid4()),
        "category": error.category,
    }


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
