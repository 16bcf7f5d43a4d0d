"""The bank over HTTPS: tokens, limits a minute, statement, charges, and the control surface."""

import json
import re
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from sandbox.banco_inter.charges import Charges
from sandbox.banco_inter.refused import RefusedError, invalid
from sandbox.banco_inter.statement import Statement, today
from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, cut, read
from sandbox.world.meter import Meter

JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
HOUR = 3600
LIMITS = {"token": 5, "saldo": 10, "extrato": 10, "cobrancas": 120, "editar": 10}
"""Calls a minute, in production."""
SCOPES = ("extrato.read", "boleto-cobranca.read", "boleto-cobranca.write")
TOKEN = "/oauth/v2/token"  # noqa: S105 - a path
CHARGES = "/cobranca/v3/cobrancas"
ONE = re.compile(rf"{CHARGES}/([0-9a-f-]{{36}})(/cancelar)?")

Object = dict[str, Any]
Call = Callable[[], Any]


class App:
    def __init__(self, client_id: str, client_secret: str, control: str, account: str) -> None:
        self._client, self._control, self._account = (client_id, client_secret), control, account
        self.begin()

    def begin(self, transactions: int = 0, charges: int = 0, metered: bool = False) -> None:
        """Without `metered` there are no limits."""
        self.statement = Statement()
        self.charges = Charges(self.statement)
        self._meters = {name: Meter(most, 60.0) for name, most in LIMITS.items()} if metered else {}
        self._tokens: dict[str, tuple[float, str]] = {}
        self._scopes = SCOPES
        self._faults: list[Object] = []
        self._log: list[Object] = []
        for n in range(transactions):
            spent = {"tipoOperacao": "D", "tipoTransacao": "TARIFA"} if n % 3 == 2 else {}
            self.statement.add(dataTransacao=(today() - timedelta(days=2 * n)).isoformat(), **spent)
        for n in range(charges):
            issued = (today() - timedelta(days=n)).isoformat()
            self.charges.add(dataEmissao=issued, valorNominal=f"{100 + n}.90")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        raw, headers = await read(receive), dict(scope["headers"])
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        query = dict(parse_qsl(scope["query_string"].decode()))
        fault = self._fault(method, path)
        if fault in ("429", "500"):
            await answer(send, _json(int(fault), {"title": "Erro", "detail": "Tente mais tarde."}))
            return
        try:
            status, found = self._serve(method, path, query, headers, raw)
        except RefusedError as error:
            status, found = error.status, error.body()
        sent = raw.decode() if path == TOKEN else json.loads(raw or b"null")
        call = {"method": method, "path": path, "query": query, "body": sent}
        self._log.append({**call, "status": status, "data": found})
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, Reply(status, [], b"") if found is None else _json(status, found))

    def _serve(
        self, method: str, path: str, query: dict[str, str], headers: dict[bytes, bytes], raw: bytes
    ) -> tuple[int, Any]:
        if (method, path) == ("POST", TOKEN):
            self._count("token")
            return 200, self._grant(raw)
        limit, scope, status, call = self._route(method, path, query, raw)
        self._authorize(headers, scope)
        self._count(limit)
        return status, call()

    def _route(self, method: str, path: str, query: dict[str, str], raw: bytes) -> tuple[str, str, int, Call]:
        charges, read_, write = self.charges, "boleto-cobranca.read", "boleto-cobranca.write"
        body: Object = json.loads(raw or b"{}")
        plain: dict[tuple[str, str], tuple[str, str, int, Call]] = {
            ("GET", "/banking/v2/saldo"): ("saldo", "extrato.read", 200, self._balance),
            ("GET", "/banking/v2/extrato/completo"): (
                *("extrato", "extrato.read", 200),
                lambda: self.statement.list(query),
            ),
            ("GET", CHARGES): ("cobrancas", read_, 200, lambda: charges.list(query)),
            ("POST", CHARGES): ("cobrancas", write, 200, lambda: charges.issue(body)),
        }
        if (found := plain.get((method, path))) is not None:
            return found
        if method == "GET" and path.startswith(f"{CHARGES}/edicao/"):
            return "editar", read_, 200, lambda: charges.edition(path.rpartition("/")[2])
        match = ONE.fullmatch(path)
        code, cancel = match.groups() if match else ("", None)
        if code and cancel and method == "POST":
            return "cobrancas", write, 202, lambda: charges.cancel(code, body)
        if code and not cancel and method == "GET":
            return "cobrancas", read_, 200, lambda: charges.detail(code)
        if code and not cancel and method == "PATCH":
            return "editar", write, 200, lambda: charges.edit(code, body)
        raise RefusedError(404, "Não encontrado")

    def _authorize(self, headers: dict[bytes, bytes], scope: str) -> None:
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        ends, granted = self._tokens.get(token, (0.0, ""))
        if ends < time.time():
            raise RefusedError(401, "Não autorizado", "Token ausente, inválido ou expirado.")
        account = headers.get(b"x-conta-corrente", b"").decode()
        if account and not re.fullmatch(r"[1-9][0-9]*", account):
            raise invalid(**{"x-conta-corrente": "só dígitos, sem zeros à esquerda"})
        if scope not in granted.split() or account not in ("", self._account):
            raise RefusedError(403, "Acesso negado", "A aplicação não tem este escopo ou esta conta.")

    def _count(self, limit: str) -> None:
        meter = self._meters.get(limit)
        if meter is not None and meter.arrive(time.monotonic()) is not None:
            raise RefusedError(429, "Limite excedido", "Aguarde um minuto.")

    def _grant(self, raw: bytes) -> Object:
        form = dict(parse_qsl(raw.decode()))
        wanted = form.get("scope", "").split()
        if form.get("grant_type") != "client_credentials" or not wanted:
            raise RefusedError(400, "Requisição inválida", "grant_type e scope são obrigatórios.")
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            raise RefusedError(401, "Não autorizado", "Client id ou client secret inválido.")
        if not set(wanted) <= set(self._scopes):
            raise RefusedError(400, "Requisição inválida", "A aplicação não tem um dos escopos.")
        token = secrets.token_hex(16)
        self._tokens[token] = (time.time() + HOUR, " ".join(wanted))
        scope = " ".join(wanted)
        return {"access_token": token, "token_type": "Bearer", "expires_in": HOUR, "scope": scope}

    def _balance(self) -> Object:
        names = ("disponivel", "bloqueadoCheque", "bloqueadoJudicialmente", "bloqueadoAdministrativo")
        return {**dict.fromkeys(names, 0.0), "limite": 0.0}

    def _fault(self, method: str, path: str) -> str | None:
        for fault in self._faults:
            if fault["match"] in f"{method} {path}" and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return str(fault["kind"])
        return None

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if not secrets.compare_digest(headers.get(b"x-sandbox-token", b"").decode(), self._control):
            return _json(403, {"error": "X-Sandbox-Token"})
        body: Object = json.loads(raw or b"{}")
        actions: dict[str, Call] = {
            "begin": lambda: self.begin(**body),
            "transaction": lambda: self.statement.add(**body),
            "charge": lambda: self.charges.add(**body),
            "pay": lambda: self.charges.pay(**body),
            "change": lambda: self.charges.all[body.pop("code")].update(body),
            "truth": lambda: list(self.charges.all.values()),
            "log": lambda: self._log,
            "forget": self._log.clear,
            "faults": lambda: self._faults.__setitem__(slice(None), body["script"]),
            "switch": lambda: self.charges.switches.update(body),
            "scopes": lambda: setattr(self, "_scopes", tuple(body["scopes"])),
            "expire": self._tokens.clear,
            "tokens": lambda: len(self._tokens),
        }
        if action not in actions:
            return _json(404, {"error": "unknown action"})
        return _json(200, actions[action]())


def _json(status: int, body: Any) -> Reply:
    return Reply(status, list(JSON), json.dumps(body).encode())
