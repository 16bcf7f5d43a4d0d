"""The endpoints of records: lists, search, and batches that answer for each record (207)."""

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.hubspot.store import Object, Record, Store, in_milliseconds, iso, modified

MOST_LISTED = 100
MOST_IN_A_BATCH = 100
MOST_IN_A_SEARCH = 200
Answer = tuple[int, Any]
Wrong = tuple[str, str, str]
"""Category, message and property."""


class RefusedError(Exception):
    """The whole call; `category` as HubSpot names it."""

    def __init__(self, status: int, category: str, message: str) -> None:
        super().__init__(message)
        self.status, self.category = status, category


class Crm:
    """`deepest` is how far a search goes; `whole`: a batch with one bad record is refused altogether, as
    some endpoints still do; `reversed`: a search sorts the other way."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.deepest = 10_000
        self.whole = self.reversed = False

    def page(self, type_: str, query: dict[str, str]) -> Answer:
        limit, after = int(query.get("limit", 10)), int(query.get("after", 0))
        if limit > MOST_LISTED:
            raise RefusedError(400, "VALIDATION_ERROR", f"limit is over {MOST_LISTED}")
        names = query["properties"].split(",") if query.get("properties") else []
        every = sorted((one for one in self.store.living(type_) if int(one.id) > after), key=_number)
        found: Object = {"results": [shown(one, names) for one in every[:limit]]}
        return 200, found | ({"paging": _next(every[limit - 1].id)} if len(every) > limit else {})

    def search(self, type_: str, body: Object) -> Answer:
        limit, after = body["limit"], int(body["after"] or 0)
        if limit > MOST_IN_A_SEARCH or after + limit > self.deepest:
            raise RefusedError(400, "VALIDATION_ERROR", f"The search goes no further than {self.deepest}")
        now = time.time()
        indexed = [
            (one, found) for one in self.store.living(type_) if (found := one.indexed(now)) is not None
        ]
        hits = [
            (one, found)
            for one, found in indexed
            if any(
                all(self._fits(type_, found, rule) for rule in group["filters"])
                for group in body["filterGroups"]
            )
        ]
        if len(body["sorts"]) > 1:
            raise RefusedError(400, "VALIDATION_ERROR", "Only one sorting rule can be applied")
        for name in body["sorts"]:
            hits.sort(key=lambda hit: _ordered(hit[1].get(name, "")), reverse=self.reversed)
        part = hits[after : after + limit]
        answer: Object = {
            "total": len(hits),
            "results": [shown(one, body["properties"], values) for one, values in part],
        }
        more = after + limit < len(hits)
        return 200, answer | ({"paging": _next(str(after + limit))} if more else {})

    def _fits(self, type_: str, values: dict[str, str], rule: Object) -> bool:
        name, operator = rule["propertyName"], rule["operator"]
        if name not in self.store.properties[type_]:
            raise RefusedError(400, "VALIDATION_ERROR", f"There was a problem with the property {name}")
        value = values.get(name, "")
        if operator == "IN":
            return value != "" and value.lower() in rule["values"]
        if value == "":
            return False
        one, other = _ordered(value), _ordered(rule["value"])
        return {"GTE": one >= other, "GT": one > other, "LT": one < other, "EQ": one == other}[operator]

    def read(self, type_: str, body: Object) -> Answer:
        inputs, by = _inputs(body), body.get("idProperty")
        if by and not self.store.properties[type_].get(by, {}).get("hasUniqueValue"):
            raise RefusedError(400, "VALIDATION_ERROR", f"{by} is not a unique property")
        found, missing = [], []
        for one in inputs:
            record = self.store.get(type_, one["id"], by)
            if record is None:
                missing.append(one["id"])
            else:
                found.append(shown(record, body["properties"]))
        errors = [_error("OBJECT_NOT_FOUND", "Could not get some objects", ids=missing)] if missing else []
        return _batch(found, errors)

    def update(self, type_: str, body: Object) -> Answer:
        def target(row: Object) -> Record | Wrong | None:
            missing = "OBJECT_NOT_FOUND", f"{row['id']} does not exist", ""
            return self.store.get(type_, row["id"], row.get("idProperty")) or missing

        return self._each(type_, body, target)

    def upsert(self, type_: str, body: Object) -> Answer:
        def target(row: Object) -> Record | Wrong | None:
            by = row["idProperty"]
            if not self.store.properties[type_].get(by, {}).get("hasUniqueValue"):
                return "VALIDATION_ERROR", f"{by} is not a unique property", by
            return self.store.get(type_, row["id"], by)

        return self._each(type_, body, target)

    def archive(self, type_: str, body: Object) -> Answer:
        for one in _inputs(body):
            record = self.store.get(type_, one["id"])
            if record is not None:
                self.store.archive(record)
        return 204, None

    def _each(self, type_: str, body: Object, target: Callable[[Object], Record | Wrong | None]) -> Answer:
        done, errors = list[Object](), list[Object]()
        rows = _inputs(body)
        if self.whole and (
            wrong := next(filter(None, (self._wrong(type_, row, target) for row in rows)), None)
        ):
            raise RefusedError(409 if wrong[0] == "CONFLICT" else 400, wrong[0], wrong[1])
        for row in rows:
            if wrong := self._wrong(type_, row, target):
                category, message, name = wrong
                context = {"objectWriteTraceId": [row["objectWriteTraceId"]]}
                errors.append(
                    _error(category, message, **context, **({"propertyName": [name]} if name else {}))
                )
                continue
            done.append(self._put(type_, row, target(row)))
        # Results keep no order that a caller could count on.
        return _batch(list(reversed(done)), errors)

    def _wrong(
        self, type_: str, row: Object, target: Callable[[Object], Record | Wrong | None]
    ) -> Wrong | None:
        found = target(row)
        return found if isinstance(found, tuple) else self.store.wrong(type_, row["properties"], found)

    def _put(self, type_: str, row: Object, record: Record | Wrong | None) -> Object:
        properties = row["properties"] | ({row["idProperty"]: row["id"]} if "idProperty" in row else {})
        if isinstance(record, Record):
            self.store.change(record, properties)
            new = {"new": False}
        else:
            record, new = self.store.add(type_, properties), {"new": True}
        trace = {"objectWriteTraceId": row["objectWriteTraceId"]} if "objectWriteTraceId" in row else {}
        return shown(record, list(properties)) | trace | (new if "idProperty" in row else {})

    def associations(self, from_type: str, to_type: str, body: Object, size: int) -> Answer:
        found, alone = list[Object](), list[str]()
        for one in _inputs(body, most=1000):
            ids = self.store.linked(from_type, one["id"], to_type)
            start = int(one.get("after") or 0)
            if not ids:
                alone.append(one["id"])
                continue
            types = [{"category": "HUBSPOT_DEFINED", "typeId": 1}]
            row: Object = {
                "from": {"id": one["id"]},
                "to": [{"toObjectId": id_, "associationTypes": types} for id_ in ids[start : start + size]],
            }
            if len(ids) > start + size:
                row["paging"] = _next(str(start + size))
            found.append(row)
        text = "No associations found"
        return _batch(found, [_error("OBJECT_NOT_FOUND", text, fromObjectId=[id_]) for id_ in alone])

    def associate(self, from_type: str, to_type: str, body: Object) -> Answer:
        done, errors = list[Object](), list[Object]()
        for one in _inputs(body, most=2000):
            ids = one["from"]["id"], one["to"]["id"]
            ends = self.store.get(from_type, ids[0]), self.store.get(to_type, ids[1])
            if None in ends:
                errors.append(_error("OBJECT_NOT_FOUND", "One of the objects does not exist", ids=list(ids)))
                continue
            self.store.link(from_type, ids[0], to_type, ids[1])
            spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
            done.append({"from": {"id": ids[0]}, "to": {"id": ids[1]}, "associationSpec": spec})
        return 200, _batch(done, errors)[1]


def shown(record: Record, names: Iterable[str], values: dict[str, str] | None = None) -> Object:
    """What is asked for and empty is null; names that do not exist are passed over."""
    values = record.shown() if values is None else values
    always = ("hs_object_id", "createdate", modified(record.type))
    return {
        "id": record.id,
        "properties": {name: values.get(name) for name in (*names, *always)},
        "createdAt": iso(record.created),
        "updatedAt": values[modified(record.type)],
        "archived": record.archived,
    }


def _inputs(body: Object, most: int = MOST_IN_A_BATCH) -> list[Object]:
    inputs: list[Object] = body["inputs"]
    if len(inputs) > most:
        raise RefusedError(400, "VALIDATION_ERROR", f"The maximum number of inputs is {most}")
    return inputs


def _batch(done: list[Any], errors: list[Object]) -> Answer:
    now = iso(int(time.time() * 1000))
    found = {"status": "COMPLETE", "results": done, "startedAt": now, "completedAt": now}
    return (207, found | {"numErrors": len(errors), "errors": errors}) if errors else (200, found)


def _error(category: str, message: str, **context: list[str]) -> Object:
    id_ = str(uuid.uuid4())
    return {
        "status": "error",
        "id": id_,
        "category": category,
        "message": message,
        "context": context,
        "errors": [],
        "links": {},
    }


def _next(after: str) -> Object:
    return {"next": {"after": after, "link": f"?after={after}"}}


def _number(record: Record) -> int:
    return int(record.id)


def _ordered(value: str) -> tuple[float, str]:
    """Numbers and moments by their value, texts by their letters."""
    try:
        return float(in_milliseconds(value)), ""
    except ValueError:
        return float("inf"), value.lower()
