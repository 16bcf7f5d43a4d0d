"""`cloudtosys mapping`, command by command, on a real database."""

import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from cli.main import main
from tests.cli.test_help import ENGLISH
from tests.cli.test_listings import installed, listed
from tests.conftest import Database, Tenant

__all__ = ["installed"]

Shown = pytest.CaptureFixture[str]
COMMANDS = (
    *("list", "show", "create", "delete", "note", "resync", "orphans"),
    *("discover", "proposals", "apply", "pick", "dismiss"),
)


@pytest.fixture
def sql(database: Database, tenant: Tenant) -> Any:
    def run(statement: str, **values: Any) -> Any:
        with create_engine(database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(statement), {"tenant": tenant.id} | values)
            return result.all() if result.returns_rows else None

    return run


@pytest.fixture
def product(sql: Any) -> uuid.UUID:
    insert = "INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, 'A', 'Caneca') RETURNING id"
    return uuid.UUID(str(sql(insert)[0][0]))


def said(capsys: Shown, *words: str) -> str:
    assert main(["mapping", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_in_portuguese(name: str, capsys: Shown) -> None:
    shown = said(capsys, name, "--help")
    assert "Uso:" in shown
    assert not [word for word in ENGLISH if word in shown]


@pytest.mark.usefixtures("installed")
def test_a_mapping_is_made_shown_noted_and_broken(product: uuid.UUID, sql: Any, capsys: Shown) -> None:
    words = ("Loja", "produtos", "--internal-id", str(product), "--external-id", "77")
    made = said(capsys, "create", *words, "--reason", "sem SKU na loja")
    id_ = made.split()[2]
    assert "A sentinela o executa" in made
    request = sql("SELECT kind, direction, selection, state FROM sync.run_request")
    assert request == [("reprocess", "import", {"ids": ["77"]}, "waiting")]
    assert "Notas gravadas" in said(capsys, "note", id_, "conferido")
    assert main(["mapping", "create", *words]) == 1
    refused = capsys.readouterr().err
    assert id_ in refused
    assert "Solução: Confira o existente" in refused
    shown = said(capsys, "show", id_)
    assert "Notas: conferido" in shown
    assert "Última sincronização: —" in shown
    assert "sem SKU na loja" in shown
    row = msgspec.json.decode(said(capsys, "show", id_, "--json"))
    assert [item["action"] for item in row["history"]] == ["mapping.note", "mapping.create"]
    found = listed(capsys, "mapping", "list", "--search", "77")
    assert [row["id"] for row in found] == [id_]
    gone = said(capsys, "delete", id_, "--yes")
    assert "77" in gone
    assert sql("SELECT count(*) FROM sync.mapping WHERE external_id = '77'") == [(0,)]
    assert main(["mapping", "show", id_]) == 1


@pytest.mark.usefixtures("installed")
def test_one_record_is_asked_for_again_either_way(sql: Any, capsys: Shown) -> None:
    id_, internal = sql("SELECT id, internal_id::text FROM sync.mapping WHERE external_id = '2'")[0]
    asked = said(capsys, "resync", str(id_), "--reason", "preço antigo")
    assert "Ressincronização pedida" in asked
    assert main(["mapping", "resync", str(id_), "--direction", "exportar"]) == 1
    assert "só permite importar" in capsys.readouterr().err
    sql("UPDATE sync.pair SET direction = 'both'")
    assert main(["mapping", "resync", str(id_)]) == 1
    assert "Escolha a direção" in capsys.readouterr().err
    said(capsys, "resync", str(id_), "--direction", "exportar")
    rows = sql("SELECT kind, direction, selection FROM sync.run_request ORDER BY created_at")
    assert [tuple(row) for row in rows] == [
        ("resync", "import", {"ids": ["2"]}),
        ("resync", "export", {"ids": [internal]}),
    ]
    reasons = sql("SELECT reason FROM sync.audit_log WHERE action = 'mapping.resync' ORDER BY at")
    assert [row[0] for row in reasons] == ["preço antigo", None]
    for state, word in (("orphan", "órfão"), ("conflict", "conflito")):
        sql("UPDATE sync.mapping SET state = :state", state=state)
        assert main(["mapping", "resync", str(id_), "--direction", "importar"]) == 1
        assert word in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_a_question_comes_before_a_link_is_broken(
    sql: Any, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = str(sql("SELECT id FROM sync.mapping LIMIT 1")[0][0])
    monkeypatch.setattr("builtins.input", lambda question: "n" if "permanecem" in question else "s")
    assert main(["mapping", "delete", id_]) == 1
    assert sql("SELECT count(*) FROM sync.mapping WHERE id = :id", id=id_) == [(1,)]


@pytest.mark.usefixtures("installed")
def test_what_a_scan_missed_is_listed_and_decided(sql: Any, capsys: Shown) -> None:
    sql("UPDATE sync.mapping SET missing_at = now() WHERE external_id <> '5'")
    rows = listed(capsys, "mapping", "orphans", "Loja", "produtos")
    assert {row["external_id"] for row in rows} == {"1", "2", "3", "4"}
    assert "Não visto desde" in said(capsys, "orphans", "Loja", "produtos")
    one = next(row["id"] for row in rows if row["external_id"] == "1")
    assert "1 mapeamentos liberados" in said(
        capsys, "orphans", "Loja", "produtos", "--release", "--mapping", one
    )
    assert "3 órfãos" in said(capsys, "orphans", "Loja", "produtos", "--confirm", "--reason", "fora de linha")
    states = dict(tuple(row) for row in sql("SELECT external_id, state FROM sync.mapping"))
    assert {id_ for id_, state in states.items() if state == "active"} == {"1", "5"}
    assert sql("SELECT DISTINCT reason FROM sync.audit_log WHERE action = 'mapping.orphan'") == [
        ("fora de linha",)
    ]
    assert main(["mapping", "orphans", "Loja", "produtos", "--release", "--confirm"]) == 1


@pytest.mark.usefixtures("installed")
def test_proposals_are_shown_applied_picked_and_dismissed(
    product: uuid.UUID, sql: Any, capsys: Shown
) -> None:
    assert main(["mapping", "proposals", "Loja", "produtos"]) == 1
    assert "Ainda não houve descoberta" in capsys.readouterr().err
    other = sql("INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, 'B', 'Pires') RETURNING id")
    sql(
        "WITH d AS (INSERT INTO sync.discovery (tenant_id, integration_id, entity, state, counts,"
        " requested_by) SELECT tenant_id, id, 'products', 'proposed',"
        """ '{"sku": 1, "ambiguous": 2, "unmatched": 1, "linked": 5}', 'ana' FROM sync.integration"""
        " RETURNING id, tenant_id) INSERT INTO sync.proposal (tenant_id, discovery_id, external_id, label,"
        " rule, internal_id, candidates, state) SELECT d.tenant_id, d.id, v.* FROM d, (VALUES"
        " ('71', 'A', 'sku', CAST(:a AS uuid), ARRAY[CAST(:a AS uuid)], 'matched'),"
        " ('72', 'B', 'sku', NULL, ARRAY[CAST(:a AS uuid), CAST(:b AS uuid)], 'ambiguous'),"
        " ('73', 'B', 'gtin', NULL, ARRAY[CAST(:b AS uuid)], 'ambiguous'),"
        " ('74', 'C', '', NULL, CAST('{}' AS uuid[]), 'unmatched')) v",
        a=product,
        b=other[0][0],
    )
    shown = said(capsys, "proposals", "Loja", "produtos")
    assert "1 por SKU, 2 ambíguos, 1 sem par, 5 já vinculados." in shown
    assert "A · Caneca" in shown
    rows = listed(capsys, "mapping", "proposals", "Loja", "produtos", "--state", "ambiguous")
    assert [row["external_id"] for row in rows] == ["72", "73"]
    assert [item["label"] for item in rows[0]["candidates"]] == ["A · Caneca", "B · Pires"]
    page = listed(
        capsys, "mapping", "proposals", "Loja", "produtos", "--after", rows[0]["id"], "--limit", "1"
    )
    assert [row["external_id"] for row in page] == ["73"]
    assert "1 vínculos criados" in said(capsys, "apply", "Loja", "produtos")
    assert "Vínculo criado" in said(capsys, "pick", rows[1]["id"], str(other[0][0]))
    assert "1 descartadas" in said(capsys, "dismiss", rows[0]["id"])
    states = dict(tuple(row) for row in sql("SELECT external_id, state FROM sync.proposal"))
    assert states == {"71": "applied", "72": "dismissed", "73": "applied", "74": "unmatched"}
    assert main(["mapping", "proposals", "Loja", "clientes"]) == 1


@pytest.mark.usefixtures("installed")
def test_a_discovery_that_prefect_cannot_take_is_on_record(
    sql: Any, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert main(["mapping", "discover", "Loja", "produtos"]) == 1
    assert "Prefect" in capsys.readouterr().err
    assert sql("SELECT state, requested_by FROM sync.discovery") == [("failed", "cli")]
    assert main(["mapping", "discover", "Loja", "clientes"]) == 1
    assert "não tem par de clientes" in capsys.readouterr().err
    assert main(["mapping", "apply", "Loja", "produtos"]) == 1
    assert "não chegou ao fim" in capsys.readouterr().err
