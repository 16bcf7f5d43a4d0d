"""The bank's OpenAPI, as far as it is public: requests, the stand-in's answers, fixtures and limits are held
against it, where it is present."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from jsonschema import Draft4Validator

from core.entities import Entity, Matching
from core.records import Address, Receivable
from core.spec import Outgoing, Span
from providers.banco_inter import BANCO_INTER
from providers.banco_inter.mapping import midnight
from providers.banco_inter.reading import RECEIVABLES, STATEMENT, read_charges, today
from providers.banco_inter.writing import WRITING, find
from sandbox.banco_inter.app import LIMITS
from sandbox.banco_inter.process import start
from tests.providers import contract
from tests.providers.stands import Stand
from tests.providers.test_banco_inter import records, settings

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "banco-inter" / "banco-inter-reduced.openapi.json"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="shared/specs/banco-inter is not here")
COUNTED = {
    "token": ("post", "/oauth/v2/token"),
    "saldo": ("get", "/banking/v2/saldo"),
    "extrato": ("get", "/banking/v2/extrato/completo"),
    "cobrancas": ("post", "/cobranca/v3/cobrancas"),
    "editar": ("patch", "/cobranca/v3/cobrancas/{codigoSolicitacao}"),
}


@cache
def document() -> Any:
    return json.loads(SPEC.read_text())


def errors(schema: Any, value: Any, *, closed: bool = False) -> list[str]:
    """`closed`: a field that the schema does not name is a mistake, as in what is sent."""
    components = json.loads(json.dumps(document()["components"]))
    for one in components["schemas"].values():
        if closed and "properties" in one:
            one["additionalProperties"] = False
    found = Draft4Validator({"allOf": [schema], "components": components}).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def operation(method: str, path: str) -> Any:
    for pattern, operations in document()["paths"].items():
        exact = "{" not in pattern or "/edicao/" not in path or "/edicao/" in pattern
        if exact and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method in operations:
            return operations[method]
    raise AssertionError(f"{method} {path} is not in the OpenAPI")


def misfits(call: Mapping[str, Any]) -> list[str]:
    path, method = call["path"], call["method"].lower()
    wanted = operation(method, path)
    known = {one["name"]: one for one in wanted.get("parameters", ()) if one["in"] == "query"}
    wrong = [f"{path}: no parameter {name}" for name in call["query"].keys() - known.keys()]
    for name, one in known.items():
        value = call["query"].get(name)
        if value is None:
            wrong += [f"{path}: {name} is required"] if one["required"] else []
            continue
        typed = int(value) if one["schema"]["type"] == "integer" else value
        wrong += [f"{path}: {name}: {text}" for text in errors(one["schema"], typed)]
    if "requestBody" in wanted:
        ((kind, content),) = wanted["requestBody"]["content"].items()
        form = kind != "application/json"
        body = {name: values[0] for name, values in parse_qs(call["body"]).items()} if form else call["body"]
        wrong += [f"{path} sent {text}" for text in errors(content["schema"], body, closed=True)]
    answer = wanted["responses"][str(call["status"])]
    if "content" in answer:
        schema = answer["content"]["application/json"]["schema"]
        wrong += [f"{path} gave {text}" for text in errors(schema, call["data"])]
    return wrong


async def test_every_call_and_answer_is_as_documented() -> None:
    address = Address(kind="billing", street="R", number="1", city="C", state="PE", postal_code="50000000")
    record = Receivable(
        external_id="",
        document_number="DUP-1",
        amount=Decimal("2.50"),
        due_on=today(),
        payer_name="Ana",
        payer_document="52998224725",
        payer_email="ana@exemplo.test",
        payer_address=address,
        description="Pedido 1",
    )
    made = Outgoing(record=record, fields=WRITING.fields, reference="r", key="k")
    with start(transactions=3, charges=2) as bank:
        stand = Stand(settings(bank), ca_file=bank.ca_file)
        async with contract.connected(BANCO_INTER, stand) as (http, source):
            assert (await http.get(BANCO_INTER.probing({}).path)).status_code == 200
            for listed in (STATEMENT, RECEIVABLES):
                step = await listed.fetch(source, Span(midnight(today())), None)
                while step.next is not None:
                    step = await listed.fetch(source, Span(midnight(today())), step.next)
            (written,) = await WRITING.write(source, [made])
            assert written.raw is not None
            code = written.raw["cobranca"]["codigoSolicitacao"]
            assert list((await find(source, [made], Matching.SKU))["r"]) != []
            changes: dict[str, Any]
            for changes in ({"amount": record.amount * 2}, {"status": "cancelled"}):
                changed = replace(made, record=msgspec.structs.replace(record, **changes), external_id=code)
                (answer,) = await WRITING.write(source, [changed])
                assert answer.error is None, answer.error
            assert set(await read_charges(source, [code])) == {code}
        calls = bank.steer("log")
    assert len({(call["method"], call["path"]) for call in calls}) == 9
    assert [text for call in calls for text in misfits(call)] == []


@pytest.mark.parametrize(
    ("entity", "name"),
    [(Entity.BANK_TRANSACTIONS, "TransacaoEnriquecida"), (Entity.RECEIVABLES, "CobrancaItem")],
)
def test_fixtures_are_what_the_bank_sends(entity: Entity, name: str) -> None:
    ref = {"$ref": f"#/components/schemas/{name}"}
    for record in records(entity):
        given = {key: value for key, value in record.items() if value is not None}
        assert errors(ref, given) == []


def test_limits_are_the_documented_ones() -> None:
    documented = {
        name: document()["paths"][path][method]["x-rate-limit-per-minute"]
        for name, (method, path) in COUNTED.items()
    }
    assert documented == LIMITS
    own = BANCO_INTER.resources[Entity.BANK_TRANSACTIONS].rate
    assert own is not None
    assert [rate.requests for rate in (own({}), BANCO_INTER.rate({}))] == [10, 120]
    assert BANCO_INTER.rate({"environment": "sandbox"}).requests == 10
