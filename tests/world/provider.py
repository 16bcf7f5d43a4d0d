"""The world as providers: one for each way in which an external system can be written.

Loaded by `CLOUDTOSYS_PROVIDERS=tests.world.provider`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from core.entities import Entity, Matching
from core.errors import ConflictError, NotFoundError, RecordError, SyncError, TransientError
from core.paging import NextHeader
from core.records import Product, Record
from core.spec import (
    ErrorRule,
    Incremental,
    Mapper,
    Outgoing,
    Probe,
    Provider,
    RateLimit,
    Raw,
    Resource,
    Setting,
    Settings,
    Source,
    Writing,
    Written,
)
from tests.world import mapping

SIZE = 250
MOST_VALUES = 100
OF_A_RECORD = (RecordError, ConflictError, NotFoundError)
_ITEM_ERRORS: dict[int, type[SyncError]] = {
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: TransientError,
}

CHANGED = Incremental(
    param="updated_since",
    field="updated_at",
    parse=mapping.utc,
    format=mapping.moment,
    overlap=timedelta(seconds=2),
    full_every=timedelta(days=1),
    paging=NextHeader(size=SIZE, header="x-next", next="cursor", total_header="x-total"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """`keys`: idempotency keys are sent. `find`: the world is asked before a create. `careful`: updates are
    compare-and-set, one by one. `lossy`: the world keeps prices to ten cents and cuts names."""

    keys: bool = False
    find: bool = True
    size: int = 100
    careful: bool = False
    lossy: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the world's kinds: how it is read, and the canonical field that is its natural key."""

    path: str
    natural: str
    map: Mapper


KINDS = {
    Entity.CATEGORIES: Kind("categories", "slug", mapping.category_from),
    Entity.PRODUCTS: Kind("products", "sku", mapping.product_from),
    Entity.CUSTOMERS: Kind("customers", "document", mapping.customer_from),
    Entity.STOCK: Kind("stock", "sku", mapping.stock_from),
    Entity.ORDERS: Kind("orders", "number", mapping.order_from),
}


class Token(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Writer:
    """`core.spec.Write`, `Find` and `Read` of one kind."""

    def __init__(self, entity: Entity, style: Style) -> None:
        self._entity, self._kind, self._style = entity, KINDS[entity], style

    async def write(self, source: Source, items: Sequence[Outgoing]) -> Sequence[Written]:
        if self._style.size == 1:
            return [await self._alone(source, item) for item in items]
        creates = [item for item in items if item.external_id is None]
        body = {
            "create": [self._create(item) for item in creates],
            "update": [self._update(item) for item in items if item.external_id is not None],
        }
        repeatable = self._style.keys or not creates
        answer = await source.send("POST", f"{self._kind.path}/batch", body, repeatable=repeatable)
        made, changed = iter(answer.data["create"]), iter(answer.data["update"])
        return [_written(next(made if item.external_id is None else changed)) for item in items]

    async def find(
        self, source: Source, items: Sequence[Outgoing], matching: Matching
    ) -> Mapping[str, Sequence[Raw]]:
        found: dict[str, dict[str, Raw]] = {}
        for references in _portions([item.reference for item in items]):
            answer = await source.get(self._kind.path, {"reference": ",".join(references)})
            for raw in answer.data:
                found.setdefault(raw["reference"], {})[raw["id"]] = raw
        rest = [item for item in items if item.reference not in found] if matching is Matching.SKU else []
        for item, raws in zip(
            rest, await asyncio.gather(*[self._natural(source, one) for one in rest]), strict=True
        ):
            found[item.reference] = {raw["id"]: raw for raw in raws}
        return {reference: list(raws.values()) for reference, raws in found.items()}

    async def read(self, source: Source, external_ids: Sequence[str]) -> Mapping[str, Raw]:
        found: dict[str, Raw] = {}
        for ids in _portions(external_ids):
            answer = await source.get(self._kind.path, {"ids": ",".join(ids)})
            found |= {raw["id"]: raw for raw in answer.data}
        return found

    async def _natural(self, source: Source, item: Outgoing) -> Sequence[Raw]:
        value = getattr(item.record, self._kind.natural)
        if not value:
            return []
        answer = await source.get(self._kind.path, {self._natural_name: value})
        raws: Sequence[Raw] = answer.data
        return raws

    @property
    def _natural_name(self) -> str:
        fields = {**mapping.FIELDS[self._entity], **mapping.ONCE.get(self._entity, {})}
        return fields[self._kind.natural][0]

    async def _alone(self, source: Source, item: Outgoing) -> Written:
        path, keys = self._kind.path, self._style.keys
        try:
            if item.external_id is None:
                headers = {"Idempotency-Key": item.key} if keys else None
                body = self._create(item)
                body.pop("idempotency_key", None)
                answer = await source.send("POST", path, body, headers=headers, repeatable=keys)
            else:
                careful = self._style.careful and item.version is not None
                headers = {"If-Match": str(item.version)} if careful else None
                body = self._update(item)
                del body["id"]
                answer = await source.send(
                    "PATCH", f"{path}/{item.external_id}", body, headers=headers, repeatable=not careful
                )
        except OF_A_RECORD as error:
            return Written(error=error)
        except TransientError as error:
            if error.status != 412:
                raise
            return Written(error=error)
        return Written(answer.data)

    def _create(self, item: Outgoing) -> Raw:
        fields = item.fields | mapping.ONCE.get(self._entity, {}).keys()
        key = {"idempotency_key": item.key} if self._style.keys else {}
        return {**self._body(item.record, fields), "reference": item.reference, **key}

    def _update(self, item: Outgoing) -> Raw:
        return {**self._body(item.record, item.fields), "id": item.external_id}

    def _body(self, record: Record, fields: frozenset[str]) -> Raw:
        if self._style.lossy and isinstance(record, Product):
            record = _rounded(record)
        return mapping.body(self._entity, record, fields)


def _rounded(record: Product) -> Product:
    price = record.price
    if price is not None:
        price = price.quantize(Decimal("0.1"), ROUND_DOWN)
    return msgspec.structs.replace(record, price=price, name=record.name[:12])


def _portions(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + MOST_VALUES] for start in range(0, len(values), MOST_VALUES)]


def _written(one: Raw) -> Written:
    if "item" in one:
        return Written(one["item"])
    status, error = one["status"], one["error"]
    kind = _ITEM_ERRORS.get(status)
    if kind is None:
        failed: SyncError = RecordError(
            f"O mundo recusou o registro ({error['code']}).",
            field=error.get("field", ""),
            provider_code=error["code"],
        )
    else:
        failed = kind(f"O mundo recusou o registro ({error['code']}).", status=status)
    return Written(error=failed)


def _resource(entity: Entity, style: Style) -> Resource:
    kind, writer = KINDS[entity], Writer(entity, style)
    return Resource(
        path=kind.path,
        paging=NextHeader(size=SIZE, header="x-next", next="after", total_header="x-total"),
        incremental=CHANGED,
        map=kind.map,
        read=writer.read,
        revision=lambda raw: str(raw["version"]),
        writing=Writing(
            fields=frozenset(mapping.FIELDS[entity]),
            write=writer.write,
            find=writer.find if style.find else None,
            size=style.size,
            repeatable_creates=style.keys,
        ),
    )


def rate(settings: Settings) -> RateLimit:
    requests = int(settings.get("requests") or 0)
    return RateLimit(
        requests=requests or None,
        seconds=float(settings.get("seconds") or 1),
        concurrency=int(settings.get("concurrency") or 4),
    )


def declare(key: str, style: Style) -> Provider:
    return Provider(
        key=key,
        name="Mundo",
        category="ecommerce",
        docs="https://mundo.exemplo.test/",
        settings=(
            Setting(name="base_url", label="Endereço", kind="url"),
            Setting(name="token", label="Token", kind="secret"),
            Setting(name="requests", label="Requisições", kind="integer", required=False),
            Setting(name="seconds", label="em segundos", required=False),
            Setting(name="concurrency", label="Chamadas ao mesmo tempo", kind="integer", required=False),
        ),
        base_url=lambda settings: settings["base_url"],
        auth=lambda settings: Token(settings["token"]),
        probe=Probe(path="products", params={"limit": "1"}),
        rate=rate,
        rate_key=lambda settings: f"world:{urlsplit(settings['base_url']).netloc}",
        errors=(
            ErrorRule(status=412, error=TransientError),
            ErrorRule(status=422, error=RecordError),
        ),
        resources={entity: _resource(entity, style) for entity in KINDS},
    )


STYLES = {
    "world": Style(),
    "world-keys": Style(keys=True, find=False),
    "world-both": Style(keys=True),
    "world-ten": Style(size=10),
    "world-blind": Style(find=False, size=10),
    "world-single": Style(size=1),
    "world-single-keys": Style(size=1, keys=True, find=False),
    "world-careful": Style(size=1, careful=True),
    "world-lossy": Style(lossy=True),
}
PROVIDERS: tuple[Provider, ...] = tuple([declare(key, style) for key, style in STYLES.items()])
