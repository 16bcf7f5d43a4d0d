"""What the API says when something cannot be done: RFC 9457, in Portuguese, with an id for support.

https://www.rfc-editor.org/rfc/rfc9457
"""

import logging
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from core.errors import Advice, ConfigurationError, DatabaseUnavailable, SyncError, TransientError
from web.refusals import status_of

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:cloudtosys:problema:"
RETRY_SECONDS = 30
_log = logging.getLogger("cloudtosys.api")


class KeyNeeded(ConfigurationError):
    advice = Advice(
        "Chave necessária",
        "O pedido não traz uma chave de API, ou ela venceu, foi revogada ou está incompleta.",
        "Crie uma chave em Acesso · Chaves de API e envie-a como `Authorization: Bearer cts_…`.",
    )


class ScopeMissing(ConfigurationError):
    advice = Advice(
        "Chave sem permissão",
        "A chave pode ler, mas não escrever.",
        "Crie uma chave que possa ler e escrever.",
    )


class NotJson(ConfigurationError):
    advice = Advice(
        "Corpo não é JSON",
        "O corpo do pedido só é aceito como JSON.",
        "Envie o corpo em JSON com `Content-Type: application/json`.",
    )


class LengthNeeded(ConfigurationError):
    advice = Advice(
        "Tamanho não informado",
        "O corpo veio sem Content-Length.",
        "Envie o corpo inteiro de uma vez, com seu tamanho.",
    )


class TooLarge(ConfigurationError):
    advice = Advice(
        "Corpo grande demais",
        "O corpo do pedido passa de 1 MiB.",
        "Divida o pedido em vários.",
    )


class TooMany(ConfigurationError):
    advice = Advice(
        "Pedidos demais",
        "A chave passou do limite de pedidos por minuto.",
        "Espere o que diz Retry-After e repita.",
    )


class KeyReused(ConfigurationError):
    advice = Advice(
        "Idempotency-Key repetida",
        "A mesma Idempotency-Key já foi usada com outro pedido.",
        "Use uma chave nova para cada pedido; repita a mesma só para repetir o mesmo pedido.",
    )


class UnderWay(ConfigurationError):
    advice = Advice(
        "Pedido em andamento",
        "Um pedido com a mesma Idempotency-Key ainda não foi respondido, ou a resposta se perdeu.",
        "Espere e repita. Se persistir, confira na lista se o efeito aconteceu antes de usar outra chave.",
    )


STATUSES: dict[type[SyncError], int] = {
    KeyNeeded: 401,
    ScopeMissing: 403,
    UnderWay: 409,
    LengthNeeded: 411,
    TooLarge: 413,
    NotJson: 415,
    KeyReused: 422,
    TooMany: 429,
    DatabaseUnavailable: 503,
    TransientError: 503,
}
_HTTP = {
    400: ("Pedido inválido", "O pedido não foi entendido.", "Confira o formato em /api/v1/docs."),
    404: ("Não encontrado", "O endereço não existe.", "Confira-o em /api/v1/docs."),
    405: ("Método não aceito", "Este endereço não aceita este método.", "Confira-o em /api/v1/docs."),
}


class FieldProblem(BaseModel):
    campo: str
    problema: str


class Problem(BaseModel):
    """Body of every answer that is no success (`application/problem+json`)."""

    type: str = Field(description="Classe do erro, estável.")
    title: str
    status: int
    detail: str
    causa: str
    solucao: str
    error_id: str = Field(description="Informe-o ao suporte.")
    campos: list[FieldProblem] | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Erro (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(SyncError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _failed)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SyncError)  # noqa: S101 - the handler's own class
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), status_of(error))
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_SECONDS)}}
    headers[429] = {"Retry-After": "60"}
    name, advice = type(error).__name__, error.advice
    said = (error.message, advice.cause, advice.remedy)
    return _answer(status, name, advice.title, *said, headers=headers.get(status))


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    title, cause, remedy = _HTTP.get(error.status_code, _HTTP[400])
    headers = dict(error.headers) if error.headers else None
    return _answer(error.status_code, "Http", title, cause, cause, remedy, headers=headers)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(one["loc"][0] == "path" for one in found):  # an id that is none is of nothing
        return _answer(404, "Http", *_HTTP[404][:1], "Não há nada com este id.", *_HTTP[404][1:])
    fields = [
        {"campo": ".".join(map(str, one["loc"][1:])) or str(one["loc"][0]), "problema": _said(one)}
        for one in found
    ]
    cause = "Um campo falta, sobra ou tem um valor que não é aceito."
    title, remedy = "Pedido inválido", "Corrija os campos indicados; o formato está em /api/v1/docs."
    names = ", ".join(sorted({field["campo"] for field in fields}))
    return _answer(422, "Invalid", title, f"Confira: {names}.", cause, remedy, fields=fields)


def _failed(_: Request, error: Exception) -> JSONResponse:
    """The traceback goes to the process's own log, under the same id."""
    advice = SyncError.advice
    return _answer(500, type(error).__name__, advice.title, advice.cause, advice.cause, advice.remedy)


def _answer(
    status: int,
    name: str,
    title: str,
    detail: str,
    cause: str,
    remedy: str,
    *,
    fields: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    error_id = str(uuid4())
    if status >= 500:
        _log.error("api error_id=%s status=%d class=%s", error_id, status, name)
    body: dict[str, Any] = {
        "type": TYPE + name,
        "title": title,
        "status": status,
        "detail": detail,
        "causa": cause,
        "solucao": remedy,
        "error_id": error_id,
    }
    if fields:
        body["campos"] = fields
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


_MESSAGES = {
    "missing": "é obrigatório",
    "extra_forbidden": "não existe",
    "enum": "não é uma das opções",
    "literal_error": "não é uma das opções",
    "json_invalid": "não é JSON",
    "string_too_long": "é longo demais",
    "string_too_short": "é curto demais",
    "uuid_parsing": "não é um UUID",
    "bool_parsing": "deve ser true ou false",
    "int_parsing": "deve ser um número inteiro",
}


def _said(error: dict[str, Any]) -> str:
    """Never with the value that was given."""
    return _MESSAGES.get(error["type"], "tem um valor que não é aceito")
