"""The capability matrix: as a table, as JSON, and as the page that the declarations give."""

from pathlib import Path

import msgspec
import pytest

from cli.main import main
from cli.providers import page
from core.entities import Direction
from providers.registry import PROVIDERS

PAGE = Path(__file__).parents[2] / "docs" / "sistemas.md"


def test_the_page_is_what_the_declarations_say() -> None:
    said = "docs/sistemas.md está velha: cloudtosys providers --markdown > docs/sistemas.md"
    assert PAGE.read_text() == "\n".join(page()) + "\n", said


def test_the_matrix_has_a_row_for_each_entity(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "--matrix", "--json"]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out)
    found = {(row["key"], row["entity"]): row for row in rows}
    assert found.keys() == {(p.key, entity.value) for p in PROVIDERS for entity in p.resources}
    assert found["woocommerce", "orders"]["reading"] == "alterações"
    assert found["woocommerce", "products"]["directions"] == [way.value for way in Direction]
    assert found["shopify", "orders"]["webhook"]
    assert not found["sefaz", "invoices"]["webhook"]
    assert found["sefaz", "invoices"]["reading"] == "fila"


def test_the_matrix_is_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "--matrix"]) == 0
    shown = capsys.readouterr().out
    assert "Webhook" in shown
    assert "bidirecional" in shown
