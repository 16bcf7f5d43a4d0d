"""The API as an application of its own, mounted by the console: its own errors and its own OpenAPI."""

from typing import Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer

from web.api import (
    audit,
    conflicts,
    discoveries,
    failures,
    integrations,
    logs,
    mappings,
    pairs,
    problems,
    providers,
    requests,
    tickets,
)
from web.api.gate import Guarded
from web.api.problems import Problem
from web.pages import page
from web.wiring import Wiring

PREFIX = "/api/v1"
VERSION = "1.0"
DESCRIPTION = (
    "Tudo o que o console de Integrações faz, para programas. Cada pedido leva uma chave de um tenant, criada"
    " em Acesso · Chaves de API: `Authorization: Bearer cts_…`. `GET` pede a permissão `ler`; o resto,"
    " `escrever`."
    " Corpos são JSON de até 1 MiB, e campos que não existem são recusados. Um `POST` com `Idempotency-Key`"
    " repetido em até 7 dias recebe a mesma resposta e não é feito de novo. Erros seguem a RFC 9457."
)
ROUTERS = (
    integrations.router,
    pairs.router,
    mappings.router,
    discoveries.router,
    conflicts.router,
    logs.router,
    failures.router,
    requests.router,
    tickets.router,
    providers.router,
    audit.router,
)
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Um valor novo para cada pedido, repetido só para repetir o mesmo pedido.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}


def create(wiring: Wiring) -> FastAPI:
    api = FastAPI(
        title="CloudToSys Integrações",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        dependencies=[Security(HTTPBearer(auto_error=False, description="Chave de API: `cts_…`."))],
        responses=problems.RESPONSES,
        generate_unique_id_function=_operation,
    )
    api.state.wiring = wiring
    problems.install(api)
    for router in ROUTERS:
        api.include_router(router)
    api.add_route("/docs", docs)
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]
    return api


def docs(request: Request) -> Response:
    """The OpenAPI to read, without JavaScript or anything from elsewhere."""
    return page(request, "api_docs.html", api=request.app.openapi(), prefix=PREFIX)


def _openapi(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        found = get_openapi(
            title=api.title,
            version=api.version,
            description=api.description,
            routes=api.routes,
            servers=[{"url": PREFIX}],
        )
        found["components"]["schemas"]["Problem"] = Problem.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        found["components"]["schemas"] |= found["components"]["schemas"]["Problem"].pop("$defs")
        for context in iter_route_contexts(api.routes):
            if isinstance(context.original_route, Guarded):
                _complete(context.original_route, found["paths"][context.path_format])
        api.openapi_schema = found
    return api.openapi_schema


def _complete(route: Guarded, found: dict[str, Any]) -> None:
    """What the routes' gate does, which FastAPI does not know."""
    for method in route.methods or ():
        operation = found[method.lower()]
        operation["responses"].pop("422", None)  # problems, under `default`
        operation["description"] = " ".join(
            filter(None, (operation.get("description"), f"Permissão: `{_scope(route)}`."))
        )
        if method == "POST" and not route.only_reads:
            operation.setdefault("parameters", []).append(IDEMPOTENCY)


def _scope(route: Guarded) -> str:
    return "ler" if route.only_reads else "escrever"


def _operation(route: APIRoute) -> str:
    """`failures_reprocess`"""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"
