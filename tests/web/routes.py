"""Every route of the app with the values that it takes, so that a new one is met by itself."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.routing import BaseRoute, Mount

AFTER = {
    "integracoes": "integration",
    "integrations": "integration",
    "pares": "pair",
    "pairs": "pair",
    "mapeamentos": "mapping",
    "mappings": "mapping",
    "descobertas": "discovery",
    "discoveries": "discovery",
    "propostas": "proposal",
    "proposals": "proposal",
    "conflitos": "conflict",
    "conflicts": "conflict",
    "logs": "log",
    "falhas": "issue",
    "failures": "issue",
    "pedidos": "request",
    "canais": "channel",
    "avisos": "notice",
    "auditoria": "audit",
    "audit": "audit",
    "chamados": "ticket",
    "nova": "provider",
    "webhooks": "provider",
    "requests": "request",
    "tickets": "ticket",
    "migracoes": "migration",
    "pessoas": "person",
    "chaves": "key",
    "providers": "provider",
    "registros": "integration",
}
"""What a path's id is of, by the word before it; a route that is new is taught here."""
NAMED = {
    "integration": "integration",
    "integration_id": "integration",
    "integracao": "integration",
    "pair": "pair",
    "pair_id": "pair",
    "par": "pair",
    "log": "log",
    "log_id": "log",
    "internal_id": "product",
    "interno": "product",
    "candidato": "spare",
    "entity": "entity",
    "entidade": "entity",
    "mapping": "mapping",
    "tenant": "tenant",
    "pedido": "request",
    "falha": "issue",
    "external_id": "external",
    "teste": "notice",
}
"""The same of fields and parameters, by their names."""
WORDS = {"entity": "products", "provider": "woocommerce"}
ROWS = {kind: f"<{kind}>" for kind in {*AFTER.values(), *NAMED.values()} - WORDS.keys()}


@dataclass(frozen=True, slots=True)
class Met:
    """`path` as it is declared, prefixes and all. `dependant` is None for what is no route of FastAPI."""

    method: str
    path: str
    dependant: Any

    @property
    def in_api(self) -> bool:
        return self.path.startswith("/api/")

    def filled(self, ids: Mapping[str, str]) -> str:
        """Raises `AssertionError` for a part that nobody has said the meaning of."""
        found, before = [], ""
        for part in self.path.split("/"):
            if part.startswith("{"):
                name = part.strip("{}")
                kind = AFTER.get(before) or NAMED.get(name)
                if kind is None:
                    raise AssertionError(f"tests/web/routes.py: say what {name} of {self.path} is of")
                found.append(_value(kind, ids))
                before = ""
            else:
                found.append(part)
                before = part
        return "/".join(found)

    @property
    def of_a_row(self) -> bool:
        """Whether its path has the id of something that a tenant has."""
        return any(name in self.filled(ROWS) for name in ROWS.values())

    def query(self, ids: Mapping[str, str]) -> dict[str, str]:
        """Ids that it takes in its address."""
        return {
            field.alias: _value(self._kind(field.alias), ids)
            for field in self._fields("query_params")
            if _holds_id(field.field_info.annotation)
        }

    def body(self, ids: Mapping[str, str]) -> dict[str, Any] | None:
        """Fields of a form, or of the one JSON object; None where nothing is taken."""
        fields = self._fields("body_params")
        if not fields:
            return None
        if len(fields) == 1 and _is_model(annotation := fields[0].field_info.annotation):
            return self._model(annotation, ids)
        return {field.alias: self._any(field.alias, field.field_info.annotation, ids) for field in fields}

    def _model(self, model: type[BaseModel], ids: Mapping[str, str]) -> dict[str, Any]:
        found = {
            name: self._any(name, field.annotation, ids)
            for name, field in model.model_fields.items()
            if field.is_required() or _holds_id(field.annotation)
        }
        return {"ids": found["ids"]} if model.__name__ == "Reprocess" else found

    def _any(self, name: str, annotation: Any, ids: Mapping[str, str]) -> Any:
        kind, arguments = get_origin(annotation), get_args(annotation)
        if kind is Annotated:
            return self._any(name, arguments[0], ids)
        if kind in (Union, UnionType):
            return self._any(name, next(one for one in arguments if one is not NoneType), ids)
        if kind is list:
            return [self._any(name, arguments[0], ids)]
        if kind is dict:
            return {"name": "erp" if name == "sides" else "x"}
        if kind is Literal:
            return arguments[0].value if isinstance(arguments[0], Enum) else arguments[0]
        if annotation is UUID:
            return _value(self._kind(name), ids)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return next(iter(annotation)).value
        if name == "candidato":
            return ids["spare"]
        return {bool: True, int: 1, float: 1.0}.get(annotation, _text(name))

    def _kind(self, name: str) -> str:
        """Places in a list and selections are of what the path is about."""
        about = next((AFTER[word] for word in reversed(self.path.split("/")) if word in AFTER), "")
        kind = NAMED.get(name) or about
        if not kind:
            raise AssertionError(f"tests/web/routes.py: say what {name} of {self.method} {self.path} is of")
        return "proposal" if name == "ids" and kind == "discovery" else kind

    def _fields(self, of: str) -> list[Any]:
        return list(_declared(self.dependant, of)) if self.dependant else []


def routes(app: FastAPI) -> list[Met]:
    """All of them, also those of applications that are mounted."""
    return list(_walk(app.routes, ""))


def _walk(found: list[BaseRoute], prefix: str) -> Iterator[Met]:
    for context in iter_route_contexts(found):
        if isinstance(context.route, Mount):
            yield from _walk(context.route.routes, prefix + context.route.path)
            continue
        for method in sorted((context.methods or set()) - {"HEAD"}):
            yield Met(method, prefix + re.sub(r":\w+", "", context.path or ""), _dependant(context))


def _declared(dependant: Any, of: str) -> Iterator[Any]:
    """Parameters of a route and of what it depends on."""
    yield from getattr(dependant, of)
    for inner in dependant.dependencies:
        yield from _declared(inner, of)


def _dependant(context: Any) -> Any:
    return getattr(context, "dependant", None)


def _value(kind: str, ids: Mapping[str, str]) -> str:
    return WORDS[kind] if kind in WORDS else ids[kind]


def _text(name: str) -> str:
    return {
        "since": "2026-01-01T00:00:00Z",
        "provider": "woocommerce",
        "email": "x@exemplo.example",
        "permissao": "ver",
        "external_id": "1",
        "acao": "descartar",
        "volta": "/",
    }.get(name, "x")


def _holds_id(annotation: Any) -> bool:
    return annotation is UUID or any(_holds_id(one) for one in get_args(annotation))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
