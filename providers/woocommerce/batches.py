"""Batch calls: an answer for each record, and what its refusal means."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from core.errors import (
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    ContractError,
    NotFoundError,
    NotSent,
    RecordError,
    SyncError,
    UnknownOutcome,
)
from core.http import refused_item
from core.redaction import Redactor
from core.spec import Answer, ErrorRule, Raw, Source, Written

SIZE = 100
PICTURES = 10
"""New pictures in one call: the shop loads each, and makes its smaller forms, before it answers."""

ERRORS = (
    *(
        ErrorRule(status=400, code=code, error=ConflictError)
        for code in (
            "product_invalid_sku",
            "product_invalid_global_unique_id",
            "woocommerce_rest_product_not_created",
            "woocommerce_rest_customer_invalid_email",
            "registration-error-email-exists",
            "term_exists",
            "duplicate_term_slug",
        )
    ),
    # Unknown ids: 400 in a batch, 404 elsewhere.
    *(
        ErrorRule(status=400, code=code, error=NotFoundError)
        for code in (
            "woocommerce_rest_product_invalid_id",
            "woocommerce_rest_product_variation_invalid_id",
            "woocommerce_rest_shop_order_invalid_id",
            "woocommerce_rest_invalid_id",
            "woocommerce_rest_term_invalid",
        )
    ),
    ErrorRule(status=400, code="woocommerce_product_image_upload_error", error=RecordError, field="images"),
    ErrorRule(status=400, code="registration-error-invalid-email", error=RecordError, field="email"),
    ErrorRule(status=400, code="missing_parent", error=RecordError, field="parent"),
)


async def write_batch(source: Source, path: str, bodies: Sequence[Raw]) -> list[Written]:
    """Write `bodies`, those with an id as updates, and give the answers in their order.

    What fails as a whole before anything was written is raised, as `Source.send` raises it. Later it is the
    answer of what was in that call; the rest is not sent any more.
    """
    written: list[Written] = []
    failure: SyncError | None = None
    for call in _calls(bodies):
        if failure is not None:
            written += [Written(error=NotSent(failure.message, status=failure.status))] * len(call)
            continue
        try:
            written += await _call(source, path, call)
        except SyncError as error:
            if not written:
                raise
            failure = error
            written += [Written(error=error)] * len(call)
    return written


def gone() -> NotFoundError:
    return NotFoundError("O registro não existe mais na loja, ou está na lixeira.", status=404)


def _calls(bodies: Sequence[Raw]) -> Iterator[Sequence[Raw]]:
    start, pictures = 0, 0
    for place, body in enumerate(bodies):
        new = sum("src" in image for image in body.get("images", ()))
        if place > start and (place - start == SIZE or pictures + new > PICTURES):
            yield bodies[start:place]
            start, pictures = place, 0
        pictures += new
    if bodies:
        yield bodies[start:]


async def _call(source: Source, path: str, bodies: Sequence[Raw]) -> list[Written]:
    asked = {
        "create": [body for body in bodies if "id" not in body],
        "update": [body for body in bodies if "id" in body],
    }
    asked = {name: items for name, items in asked.items() if items}
    answer = await _sent(source, f"{path}/batch", asked)
    rows = {name: _rows(answer, name, asked) for name in asked}
    return [_written(source, next(rows["update" if "id" in body else "create"])) for body in bodies]


async def _sent(source: Source, path: str, asked: dict[str, list[Raw]]) -> Answer:
    try:
        return await source.send("POST", path, asked, repeatable="create" not in asked)
    except AuthenticationError as error:
        # A key that may only read is refused with the same answer as a wrong one.
        await source.get("orders", {"per_page": "1", "_fields": "id"})
        raise AuthorizationError(
            "A chave da loja só tem permissão de Leitura.",
            status=error.status,
            provider_code=error.provider_code,
            provider_message=error.provider_message,
        ) from None


def _rows(answer: Answer, name: str, asked: dict[str, list[Raw]]) -> Iterator[Raw]:
    rows = answer.data.get(name) if isinstance(answer.data, dict) else None
    if not isinstance(rows, list) or len(rows) != len(asked[name]) or not all(map(_told, rows)):
        kind = UnknownOutcome if "create" in asked else ContractError
        raise kind("A loja não disse o que fez com cada registro do lote.")
    return iter(rows)


def _told(row: Any) -> bool:
    return isinstance(row, dict) and bool(row.get("id") or row.get("error"))


def _written(source: Source, row: Raw) -> Written:
    refusal = row.get("error")
    if refusal is not None:
        return Written(error=_refused(source, refusal))
    return Written(error=gone()) if row.get("status") == "trash" else Written(row)


def _refused(source: Source, refusal: Any) -> SyncError:
    data = refusal.get("data") if isinstance(refusal, dict) else None
    # A refund that fails has a bare 500 here.
    status = data.get("status") if isinstance(data, dict) else data
    settings = source.settings
    return refused_item(
        refusal,
        status if isinstance(status, int) else 400,
        ERRORS,
        host=urlsplit(settings["base_url"]).hostname or "",
        redactor=Redactor((settings["consumer_key"], settings["consumer_secret"])),
    )
