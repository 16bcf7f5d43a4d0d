"""The routes: one call in, one reply out, and all of it committed."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPMethod
from secrets import compare_digest
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from sandbox.wire import Headers, Reply
from sandbox.world.disk import Change, Disk, encode
from sandbox.world.grants import GrantError, Grants
from sandbox.world.kinds import KINDS
from sandbox.world.lists import listed
from sandbox.world.refused import RefusedError
from sandbox.world.writes import Writes

LARGEST = 1 << 20
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json; charset=utf-8")
TOKEN_PATH = "/oauth/token"  # noqa: S105
Routed = TypeVar("Routed", bound=Callable[..., tuple[Reply, int]])
_ID = re.compile(r"[0-9]{1,12}")
_BASIC = re.compile(r"Basic (\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    raw: bytes

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Outcome:
    """`items`: how many objects the answer speaks of."""

    reply: Reply
    items: int
    changes: list[Change]


class Api:
    def __init__(self, disk: Disk, grants: Grants, token: str) -> None:
        self.disk, self._grants, self._writes = disk, grants, Writes(disk)
        self._token = token.encode()
        self._collection: dict[str, Callable[[Call, str], tuple[Reply, int]]] = {
            "GET": self._list,
            "POST": self._create,
        }
        self._single: dict[str, Callable[[Call, str, int], tuple[Reply, int]]] = {
            "GET": self._read,
            "PATCH": self._update,
            "DELETE": self._delete,
        }

    def answer(self, call: Call) -> Outcome:
        try:
            reply, items = self._answer(call)
        except RefusedError as error:
            reply, items = refusal(error), 0
        changes, self.disk.changes = self.disk.changes, []
        if changes:
            self.disk.commit()
        return Outcome(reply, items, changes)

    def _answer(self, call: Call) -> tuple[Reply, int]:
        if len(call.raw) > LARGEST:
            raise RefusedError(413, "too_large")
        if call.path == TOKEN_PATH:
            return self._grant(call), 0
        self._authorize(call)
        kind, _, rest = call.path[1:].partition("/")
        if kind not in KINDS:
            raise RefusedError(404, "not_found")
        if kind in self.disk.switches.forbidden:
            raise RefusedError(403, "forbidden")
        if not rest:
            return _method(self._collection, call.method)(call, kind)
        if rest == "batch":
            return _method({"POST": self._batch}, call.method)(call, kind)
        if not _ID.fullmatch(rest):
            raise RefusedError(404, "not_found")
        return _method(self._single, call.method)(call, kind, int(rest))

    def _authorize(self, call: Call) -> None:
        scheme, _, shown = (call.header(b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            if self.disk.switches.oauth:
                if self._grants.live(shown):
                    return
            elif compare_digest(shown.encode(), self._token):
                return
        raise RefusedError(401, "unauthorized")

    def _list(self, call: Call, kind: str) -> tuple[Reply, int]:
        found = listed(self.disk, kind, call.query)
        headers = [JSON, (b"x-total", str(found.total).encode())]
        if found.next is not None:
            headers.append((b"x-next", found.next.encode()))
        return Reply(200, headers, f"[{','.join(found.bodies)}]".encode()), len(found.bodies)

    def _read(self, _: Call, kind: str, id_: int) -> tuple[Reply, int]:
        return _json(200, self._writes.current(kind, id_)), 1

    def _create(self, call: Call, kind: str) -> tuple[Reply, int]:
        made = self._writes.create(kind, _parsed(call.raw), call.header(b"idempotency-key"))
        reply = _json(201, made.item)
        if made.replayed:
            reply.headers.append((b"idempotent-replayed", b"true"))
        return reply, 1

    def _update(self, call: Call, kind: str, id_: int) -> tuple[Reply, int]:
        asked = (call.header(b"if-match") or "").strip('"')
        # An unknown sort of version fits none.
        version = (int(asked) if _ID.fullmatch(asked) else -1) if asked else None
        return _json(200, self._writes.update(kind, id_, _parsed(call.raw), version)), 1

    def _delete(self, _: Call, kind: str, id_: int) -> tuple[Reply, int]:
        return _json(200, self._writes.delete(kind, id_)), 1

    def _batch(self, call: Call, kind: str) -> tuple[Reply, int]:
        settled = self._writes.batch(kind, _parsed(call.raw))
        return _json(200, settled), len(settled["create"]) + len(settled["update"])

    def _grant(self, call: Call) -> Reply:
        if call.method != HTTPMethod.POST:
            raise RefusedError(405, "method_not_allowed", allow="POST")
        form = dict(parse_qsl(call.raw.decode("utf-8", "replace")))
        basic = _BASIC.fullmatch(call.header(b"authorization") or "")
        if basic:
            form |= _credentials(basic[1])
        try:
            return _json(200, self._grants.refresh(form))
        except GrantError as error:
            return _json(error.status, {"error": error.error})


def refusal(error: RefusedError, *headers: tuple[bytes, bytes]) -> Reply:
    if "allow" in error.body:
        headers += ((b"allow", str(error.body["allow"]).encode()),)
    return Reply(error.status, [JSON, *headers], encode(error.body))


def _json(status: int, value: Any) -> Reply:
    headers: Headers = [JSON]
    return Reply(status, headers, encode(value))


def _method(known: Mapping[str, Routed], method: str) -> Routed:
    if method not in known:
        raise RefusedError(405, "method_not_allowed", allow=", ".join(known))
    return known[method]


def _parsed(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RefusedError(400, "bad_json") from None


def _credentials(basic: str) -> dict[str, str]:
    try:
        name, _, secret = base64.b64decode(basic).decode("latin-1").partition(":")
    except ValueError:
        return {"client_id": "", "client_secret": ""}
    return {"client_id": name, "client_secret": secret}
