"""Calls to the GraphQL endpoint. A status of 200 says nothing: errors stand in `errors`, and those of one
mutation in its `userErrors`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import (
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
)
from core.http import refused_item
from core.redaction import Redactor
from core.source import REFUSED
from core.spec import Answer, ErrorRule, Source

PATH = "graphql.json"
_STATUSES: dict[int, type[SyncError]] = {
    402: AuthorizationError,  # the shop has not paid
    423: ConfigurationError,  # the shop is locked
}
_CODES: dict[type[SyncError], tuple[str, ...]] = {
    AuthorizationError: ("ACCESS_DENIED",),
    TransientError: (
        *("INTERNAL_SERVER_ERROR", "TIMEOUT", "CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_CONCURRENT_REQUEST"),
        "OPERATION_IN_PROGRESS",
    ),
    ConflictError: ("TAKEN", "HANDLE_NOT_UNIQUE", "DUPLICATED_VALUE"),
    NotFoundError: ("NOT_FOUND", "PRODUCT_DOES_NOT_EXIST"),
}
ERRORS = (
    *(ErrorRule(status=status, error=kind) for status, kind in _STATUSES.items()),
    *(ErrorRule(status=REFUSED, code=code, error=kind) for kind, codes in _CODES.items() for code in codes),
)


async def ask(source: Source, document: str, *, repeatable: bool = True, **variables: Any) -> Any:
    """`data` of the answer. Queries and absolute writes are `repeatable`."""
    body = {"query": document, "variables": variables}
    answer = await source.send("POST", PATH, body, repeatable=repeatable)
    data = answer.data.get("data") if isinstance(answer.data, dict) else None
    if not isinstance(data, dict):
        raise ContractError("A resposta do Shopify não tem os dados pedidos.")
    return data


async def change(source: Source, document: str, *, repeatable: bool = True, **variables: Any) -> Any:
    """The payload of a document's only mutation. Raises the class of its first user error."""
    data = await ask(source, document, repeatable=repeatable, **variables)
    payload = next(iter(data.values()))
    check(payload)
    return payload


def check(payload: Any) -> None:
    if found := user_errors(payload):
        raise refused(found[0])


def user_errors(payload: Any) -> list[dict[str, Any]]:
    """Some mutations have a name of their own for them."""
    if not isinstance(payload, dict):
        raise ContractError("O Shopify não disse o que fez.")
    return [error for name, part in payload.items() if name.lower().endswith("usererrors") for error in part]


def refused(error: Mapping[str, Any]) -> SyncError:
    """What one user error means for its record."""
    field = ".".join(str(part) for part in error.get("field") or ())
    found = refused_item(error, REFUSED, ERRORS, host="Shopify", redactor=Redactor())
    if isinstance(found, RecordError):
        found.field = field
        found.message = f"O Shopify recusou o registro: {found.provider_message or found.provider_code}."
    return found


def refusal(answer: Answer) -> SyncError | None:
    errors = answer.data.get("errors") if isinstance(answer.data, dict) else None
    if not errors:
        return None
    found = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    codes = [(error.get("extensions") or {}).get("code") for error in found]
    if "THROTTLED" in codes:
        until = datetime.now(UTC) + timedelta(seconds=max(pause(answer), 0.5))
        return RateLimited("O limite de pontos do Shopify foi atingido.", retry_at=until)
    said = {"code": codes[0] or "", "message": found[0].get("message")} if found else {}
    error = refused_item(said, REFUSED, ERRORS, host="Shopify", redactor=Redactor())
    if not isinstance(error, RecordError):
        return error
    return ContractError(
        f"O Shopify recusou a consulta ({error.provider_code or 'sem código'}).",
        status=REFUSED,
        provider_code=error.provider_code,
        provider_message=error.provider_message,
    )


def pause(answer: Answer) -> float:
    """Seconds until the bucket holds as many points as this call asked for: the next one is like it."""
    extensions = answer.data.get("extensions") if isinstance(answer.data, dict) else None
    cost = (extensions or {}).get("cost") or {}
    bucket = cost.get("throttleStatus")
    if not bucket:
        return 0.0
    lacking = float(cost.get("requestedQueryCost") or 0) - float(bucket["currentlyAvailable"])
    return max(0.0, lacking / max(float(bucket["restoreRate"]), 1.0))


def gid(kind: str, id_: str) -> str:
    return id_ if id_.startswith("gid://") else f"gid://shopify/{kind}/{id_}"


def tail(gid_: str) -> str:
    """The number in a global id; some have a query behind it."""
    return gid_.rpartition("/")[2].partition("?")[0]


def kind_of(gid_: str) -> str:
    """The kind in a global id."""
    return gid_.removeprefix("gid://shopify/").partition("/")[0]
