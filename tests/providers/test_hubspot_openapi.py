"""HubSpot's own OpenAPI: every request sent, every answer of the stand-in and every fixture is held against
it, where it is present."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

SPECS = Path(__file__).parents[3] / "shared" / "specs" / "hubspot"
FIXTURES = Path(__file__).parent / "fixtures" / "hubspot"
ABSENT = "shared/specs/hubspot is not here"
NAMES = (
    *("account-info-v3", "crm-contacts-v3", "crm-products-v3", "crm-orders-v3", "crm-deals-v3"),
    *("crm-line-items-v3", "crm-properties-v3", "crm-associations-v4"),
)
OBJECT = "SimplePublicObject"
pytestmark = pytest.mark.skipif(not SPECS.exists(), reason=ABSENT)


def misfits(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with calls as the stand-in logs them: method, path, query, body, status, data."""
    return list(dict.fromkeys(text for call in calls for text in _wrong(call)))


def _wrong(call: Mapping[str, Any]) -> list[str]:
    method, path = call["method"].lower(), call["path"]
    found = next((one for one in _operations() if one[0] == method and one[1].fullmatch(path)), None)
    if found is None:
        return [f"{method} {path} is not in the OpenAPI"]
    _, _, name, operation = found
    known = {one["name"]: one["schema"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    wrong = [f"{path}: no parameter {key}" for key in call["query"].keys() - known.keys()]
    if call["status"] < 300:
        wrong += [f"{path} sent {text}" for text in _body(name, operation.get("requestBody"), call["body"])]
    status = str(call["status"])
    answer = operation["responses"].get(status) or operation["responses"]["default"]
    if status != "204":
        wrong += [f"{path} {status} gave {text}" for text in _answer(name, answer, call["data"])]
    return wrong


def _body(name: str, wanted: Any, body: Any) -> list[str]:
    if wanted is None:
        return [] if body is None else ["a body that nobody asked for"]
    schema = wanted["content"]["application/json"]["schema"]["$ref"]
    return _errors(_sent(name, schema), body)


def _answer(name: str, wanted: Any, data: Any) -> list[str]:
    if "$ref" in wanted:
        wanted = _document(name)["components"]["responses"][wanted["$ref"].rpartition("/")[2]]
    content = next(iter(wanted["content"].values()))
    return _errors(_given(name, content["schema"]["$ref"]), data)


def _errors(validator: Any, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


@cache
def _document(name: str) -> Any:
    return json.loads((SPECS / f"{name}.json").read_text())


@cache
def _operations() -> list[tuple[str, re.Pattern[str], str, Any]]:
    return [
        (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), name, operation)
        for name in NAMES
        for path, operations in _document(name)["paths"].items()
        for method, operation in operations.items()
    ]


@cache
def _sent(name: str, ref: str) -> Any:
    """OpenAPI lets unknown fields pass; one that we send is a mistake."""
    components = deepcopy(_document(name)["components"])
    for schema in components["schemas"].values():
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
    return Draft4Validator({"$ref": ref, "components": components})


@cache
def _given(name: str, ref: str) -> Any:
    """A property that is asked for and has no value is null, which the OpenAPI does not say."""
    components = deepcopy(_document(name)["components"])
    for schema in components["schemas"].values():
        values = schema.get("properties", {}).get("properties", {}).get("additionalProperties")
        if values:
            values["type"] = ["string", "null"]
    return Draft4Validator({"$ref": ref, "components": components})


@pytest.mark.parametrize(
    ("entity", "name"),
    [("customers", "crm-contacts-v3"), ("products", "crm-products-v3"), ("orders", "crm-orders-v3")],
)
def test_fixtures_are_objects_of_hubspot(entity: str, name: str) -> None:
    records = json.loads((FIXTURES / f"{entity}.json").read_text())["records"]
    parts = [("crm-line-items-v3", line) for record in records for line in record.pop("items", ())]
    parts += [("crm-contacts-v3", one) for record in records if (one := record.pop("contact", None))]
    for record in records:
        record.pop("wanted", None)
    for of, one in [*((name, record) for record in records), *parts]:
        assert _errors(_given(of, f"#/components/schemas/{OBJECT}"), one) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"path": "/crm/v3/objects/contatos/search"}, "is not in the OpenAPI"),
        ({"body": {"inputs": [{"id": 1, "properties": {}}]}}, "1 is not of type 'string'"),
        ({"body": {"inputs": [{"id": "1", "properties": {"price": 9.9}}]}}, "9.9 is not of type 'string'"),
        ({"body": {"inputs": [{"id": "1", "properties": {}, "idade": "1"}]}}, "'idade' was unexpected"),
        ({"query": {"limite": "1"}}, "no parameter limite"),
        ({"data": {"results": []}}, "'completedAt' is a required property"),
    ],
)
def test_what_does_not_fit_is_found(change: dict[str, Any], complaint: str) -> None:
    moments = dict.fromkeys(("startedAt", "completedAt"), "2026-03-02T12:31:06.471Z")
    call = {
        "method": "POST",
        "path": "/crm/v3/objects/products/batch/update",
        "query": {},
        "body": {"inputs": [{"id": "1", "properties": {"name": "x"}}]},
        "status": 200,
        "data": {"status": "COMPLETE", "results": [], **moments},
    }
    assert misfits([call]) == []
    assert complaint in " ".join(misfits([{**call, **change}]))
