"""`cloudtosys conflict`, command by command, on a real database without Prefect."""

import uuid
from typing import Any

import msgspec
import pytest

from cli.main import main
from tests.cli.test_help import ENGLISH
from tests.cli.test_listings import installed, listed
from tests.cli.test_mapping import product, sql

__all__ = ["installed", "product", "sql"]

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def conflict(installed: None, product: uuid.UUID, sql: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name, price and visibility differ."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    sql("UPDATE erp.product SET price = 12.5")
    sql(
        "UPDATE sync.mapping SET internal_id = :product, state = 'conflict' WHERE external_id = '1'",
        product=product,
    )
    base = {"name": "Antes", "price": "10.00", "active": True}
    external = {"name": "Caneca loja", "price": "11.00", "active": False}
    made = sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, base, erp, external, fields)"
        " SELECT tenant_id, integration_id, id, CAST(:base AS json), '{}', CAST(:external AS json),"
        """ '["active", "name", "price"]' FROM sync.mapping WHERE external_id = '1' RETURNING id""",
        base=msgspec.json.encode({"erp": base, "external": base}).decode(),
        external=msgspec.json.encode(external).decode(),
    )
    return str(made[0][0])


@pytest.mark.parametrize("name", ["list", "show", "resolve", "resolve-all"])
def test_help_is_in_portuguese(name: str, capsys: Shown) -> None:
    assert main(["conflict", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Uso:" in shown
    assert not [word for word in ENGLISH if word in shown]


def test_both_sides_are_shown_and_what_would_be_written(conflict: str, sql: Any, capsys: Shown) -> None:
    rows = listed(capsys, "conflict", "list", "--integration", "Loja")
    assert [(row["id"], row["fields"]) for row in rows] == [(conflict, ["active", "name", "price"])]
    assert main(["conflict", "show", conflict]) == 0
    shown = capsys.readouterr().out
    assert "12.50" in shown
    assert "Grava em" not in shown
    words = ["--use", "external", "--field", "name=erp", "--value", "price=13.90"]
    row = {row["path"]: row for row in listed(capsys, "conflict", "show", conflict, *words)}
    assert {path: (one["final"], one["writes"]) for path, one in row.items()} == {
        "active": (False, ["ERP"]),
        "name": ("Caneca", ["externo"]),
        "price": ("13.90", ["ERP", "externo"]),
    }
    assert sql("SELECT state FROM sync.conflict") == [("open",)]


def test_a_conflict_is_resolved_field_by_field(conflict: str, sql: Any, capsys: Shown) -> None:
    assert main(["conflict", "resolve", conflict, "--field", "name=erp"]) == 1
    assert "Falta escolher: active, price" in capsys.readouterr().err
    words = ["--field", "name=externo", "--value", "active=true", "--value", "price=", "--reason", "tabela"]
    assert main(["conflict", "resolve", conflict, *words, "--yes"]) == 0
    said = capsys.readouterr().out
    assert "Conflito resolvido." in said
    assert "Execução não pedida" in said
    assert sql("SELECT name, active, price FROM erp.product") == [("Caneca loja", True, None)]
    assert sql("SELECT reason FROM sync.audit_log WHERE action = 'conflict.resolve'") == [("tabela",)]
    assert main(["conflict", "resolve", conflict, "--use", "erp", "--yes"]) == 1
    assert "já foi resolvido" in capsys.readouterr().err
    assert [row["id"] for row in listed(capsys, "conflict", "list", "--state", "resolved")] == [conflict]


def test_all_at_once_and_a_question_first(
    conflict: str, sql: Any, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    assert main(["conflict", "resolve-all", "Loja", "--use", "external"]) == 1
    assert sql("SELECT state FROM sync.conflict") == [("open",)]
    assert main(["conflict", "resolve-all", "Loja", "--use", "external", "--yes"]) == 0
    assert "1 conflitos resolvidos." in capsys.readouterr().out
    assert sql("SELECT name FROM erp.product") == [("Caneca loja",)]


def test_words_that_are_no_choice(conflict: str, capsys: Shown) -> None:
    assert main(["conflict", "resolve", conflict, "--use", "loja"]) == 2
    assert main(["conflict", "resolve", conflict, "--value", "active"]) == 2
    assert main(["conflict", "resolve", conflict, "--value", "active=talvez"]) == 2
    assert "não é um valor JSON" in capsys.readouterr().err
