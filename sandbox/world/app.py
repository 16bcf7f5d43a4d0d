"""The world over HTTP: the meter first, then the switches, then the faults, then the routes."""

import asyncio
import time

from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, connected, cut, read, trickle
from sandbox.world.api import TOKEN_PATH, Api, Call, Outcome, refusal
from sandbox.world.control import Control
from sandbox.world.disk import FLUSH_SECONDS
from sandbox.world.faults import LISTS, Fault, Script, bend
from sandbox.world.journal import Journal
from sandbox.world.kinds import KINDS
from sandbox.world.meter import Meter
from sandbox.world.refused import RefusedError

HTML: Headers = [(b"content-type", b"text/html; charset=utf-8")]
MAINTENANCE = "<!DOCTYPE html><html><body><h1>Em manutenção</h1></body></html>".encode()
CONTROL = "/__sandbox__/"


class App:
    def __init__(self, api: Api, control: Control, script: Script, meter: Meter, journal: Journal) -> None:
        self._api, self._control, self._disk = api, control, api.disk
        self._script, self._meter, self._journal = script, meter, journal
        # The last list of each kind, for the fault that repeats it.
        self._lists: dict[str, Outcome] = {}
        self._resumed = asyncio.Event()
        self._flush: asyncio.TimerHandle | None = None
        control.switched = self._switched
        self._switched()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method, query = scope["path"], scope["method"], scope["query_string"].decode("latin-1")
        raw = b"" if method == "GET" else await read(receive)
        headers = dict(scope["headers"])
        if path.startswith(CONTROL):
            secret = headers.get(b"x-sandbox-token", b"").decode("latin-1")
            await answer(send, self._control.answer(method, path.removeprefix(CONTROL), query, secret, raw))
            return
        arrived = time.monotonic()
        call = Call(method, path, query, headers, raw)
        refused = self._refused(call, arrived)
        if refused is not None:
            self._note(arrived, call, refused.status, None, None)
            await answer(send, refused)
            return
        await self._resumed.wait()
        if not connected(scope):
            self._note(arrived, call, 0, None, None)
            return
        fault = self._script.next(method, path, query)
        if fault is None:
            outcome = self._api.answer(call)
            self._remember(call, outcome)
            self._note(arrived, call, outcome.reply.status, outcome, None)
            await answer(send, outcome.reply)
        else:
            await self._struck(fault, scope, call, arrived, send)

    def _refused(self, call: Call, arrived: float) -> Reply | None:
        """What the system answers before it looks at the call."""
        wait = None if call.path == TOKEN_PATH else self._meter.arrive(arrived)
        if wait is not None:
            return refusal(RefusedError(429, "too_many_requests"), (b"retry-after", str(wait).encode()))
        if self._disk.switches.unavailable == "error":
            return refusal(RefusedError(503, "unavailable"), (b"retry-after", b"1"))
        return None

    async def _struck(self, fault: Fault, scope: Scope, call: Call, arrived: float, send: Send) -> None:
        if fault.kind == "timeout":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "reset" or (fault.kind == "timeout" and not connected(scope)):
            self._note(arrived, call, 0, None, fault)
            await cut(scope, rude=True)
            return
        early = _early(fault)
        if early is not None:
            self._note(arrived, call, early.status, None, fault)
            await answer(send, early)
            return
        outcome = self._done(fault, call)
        if fault.kind in LISTS:
            outcome = bend(fault, outcome, self._lists.get(call.path))
        self._remember(call, outcome)
        reply = _late(fault, outcome.reply)
        self._note(arrived, call, reply.status if reply else 0, outcome, fault)
        if fault.kind == "timeout_after_commit":
            await asyncio.sleep(fault.seconds)
        if reply is None:
            await cut(scope, rude=False)
        elif fault.kind == "slow":
            await trickle(send, reply, fault.seconds)
        elif connected(scope):
            await answer(send, reply)

    def _done(self, fault: Fault, call: Call) -> Outcome:
        kind = call.path[1:].partition("/")[0]
        if fault.kind != "stale" or kind not in KINDS:
            return self._api.answer(call)
        with self._disk.behind(kind, fault.behind):
            return self._api.answer(call)

    def _remember(self, call: Call, outcome: Outcome) -> None:
        if outcome.reply.status == 200 and call.method == "GET" and call.path.count("/") == 1:
            self._lists[call.path] = outcome

    def _note(
        self, arrived: float, call: Call, status: int, outcome: Outcome | None, fault: Fault | None
    ) -> None:
        done, items = (outcome.reply.status, outcome.items) if outcome else (None, 0)
        changes, kind = outcome.changes if outcome else [], fault.kind if fault else None
        self._journal.note(arrived, (call.method, call.path, call.query), status, done, items, changes, kind)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flushed)

    def _flushed(self) -> None:
        self._flush = None
        self._disk.commit()

    def _switched(self) -> None:
        if self._disk.switches.unavailable == "pause":
            self._resumed.clear()
        else:
            self._resumed.set()


def _early(fault: Fault) -> Reply | None:
    """Answers that come before anything is done."""
    if fault.kind == "html":
        return Reply(200, list(HTML), MAINTENANCE)
    if fault.kind == "500":
        return refusal(RefusedError(500, "internal"))
    if fault.kind == "429":
        wait = (b"retry-after", str(fault.retry_after).encode())
        return refusal(RefusedError(429, "too_many_requests"), wait)
    return None


def _late(fault: Fault, reply: Reply) -> Reply | None:
    """What becomes of an answer after everything is done; None where none is sent."""
    if fault.kind == "lost_answer":
        return None
    if fault.kind == "500_after_commit":
        return refusal(RefusedError(500, "internal"))
    if fault.kind == "broken_json":
        return Reply(reply.status, reply.headers, reply.body[: max(1, len(reply.body) * 2 // 3)])
    return reply
