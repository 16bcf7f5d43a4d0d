"""Every listing as a table, as JSON and page by page; what a command says where there is nothing to use."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from cli import state
from cli.installation import attach
from cli.main import main
from core.entities import Cadence, Direction, Entity
from db import admin
from db.session import engine
from db.vault import Vault, generate_key
from tests.conftest import Database, Tenant

LISTINGS = (
    "providers",
    "tenant list",
    "integration list",
    "pair list",
    "logs",
    "mapping list",
)
LOG = text(
    "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status, initiated_by,"
    " started_at, ended_at) SELECT tenant_id, integration_id, id, entity, 'import', 'success', 'manual',"
    " now() - make_interval(mins => n / 2), now() FROM sync.pair, generate_series(1, 5) n"
)
MAPPING = text(
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
    " SELECT tenant_id, integration_id, entity, n::text, gen_random_uuid() FROM sync.pair,"
    " generate_series(1, 5) n"
)

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def installed(database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shop with one pair, five runs of which some began at the same moment, and five mappings."""
    key = generate_key()
    monkeypatch.setenv("CLOUDTOSYS_DATA", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)

    async def connect() -> None:
        opened = engine(database.url)
        draft = admin.Draft(
            tenant_id=tenant.id,
            provider="woocommerce",
            name="Loja",
            base_url="https://loja.exemplo",
            settings={},
            secrets={"consumer_key": f"ck_{'0' * 40}", "consumer_secret": f"cs_{'0' * 40}"},
            direction=Direction.IMPORT,
            pairs={Entity.PRODUCTS: Cadence.MANUAL},
        )
        await admin.create_integration(opened, Vault([key]), draft)
        await opened.dispose()

    asyncio.run(connect())
    with create_engine(database.admin_url, poolclass=NullPool).begin() as connection:
        connection.execute(LOG)
        connection.execute(MAPPING)


def listed(capsys: Shown, *words: str) -> list[dict[str, Any]]:
    assert main([*words, "--json"]) == 0
    found: list[dict[str, Any]] = msgspec.json.decode(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("listing", LISTINGS)
def test_every_listing_is_a_table_and_json(listing: str, capsys: Shown) -> None:
    rows = listed(capsys, *listing.split())
    assert rows
    assert "cs_0" not in str(rows)
    assert main(listing.split()) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("listing", "option", "last"), [("logs", "--before", 0), ("mapping list", "--after", -1)]
)
def test_pages_follow_each_other_without_a_gap(listing: str, option: str, last: int, capsys: Shown) -> None:
    everything = {row["id"] for row in listed(capsys, *listing.split())}
    seen: list[str] = []
    place: list[str] = []
    while page := listed(capsys, *listing.split(), "--limit", "2", *place):
        seen += [row["id"] for row in page]
        place = [option, page[last]["id"]]
    assert len(seen) == 5
    assert set(seen) == everything


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "Nada está em execução"),
        ({"DATABASE_URL": "postgresql://cloudtosys@127.0.0.1:{port}/x"}, "O banco de dados não respondeu"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL deve começar"),
    ],
)
def test_without_an_installation_a_command_says_why(
    environment: dict[str, str], words: str, capsys: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused(monkeypatch, tmp_path, environment)
    assert main(["logs"]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Causa:" in said
    assert "Solução:" in said
    assert "integração" not in said


@pytest.mark.parametrize("command", ["up", "db upgrade"])
def test_a_database_that_is_down_stops_the_start_and_leaves_nothing(
    command: str, capsys: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    down = "postgresql://owner@127.0.0.1:{port}/x"
    refused(
        monkeypatch,
        tmp_path,
        {"DATABASE_URL": down, "DATABASE_ADMIN_URL": down, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
    )
    assert main(command.split()) == 1
    said = capsys.readouterr().err
    assert "O banco de dados não respondeu" in said
    assert "DATABASE_URL" in said
    assert not (tmp_path / "keys").exists()
    assert not list(tmp_path.rglob("state.json"))


@pytest.mark.parametrize("embedded", [False, True])
def test_on_a_postgresql_of_ones_own_commands_find_the_prefect_that_runs_here(
    embedded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setenv("CLOUDTOSYS_DATA", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://cloudtosys@db.exemplo/x")
    here = {"PREFECT_API_URL": "http://127.0.0.1:5701/api"}
    if embedded:
        here["DATABASE_URL"] = "postgresql://cloudtosys@/cloudtosys?host=/here"
    with state.sole(tmp_path):
        state.write(tmp_path, state.State(pid=os.getpid(), command="up", started_at="", environment=here))
        attach()
    assert os.environ.get("PREFECT_API_URL") == (None if embedded else here["PREFECT_API_URL"])


def test_a_data_folder_that_cannot_be_used_is_named(
    capsys: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLOUDTOSYS_DATA", str(tmp_path / "file" / "data"))
    assert main(["up"]) == 1
    said = capsys.readouterr().err
    assert "CLOUDTOSYS_DATA" in said
    assert str(tmp_path / "file" / "data") in said


def refused(monkeypatch: pytest.MonkeyPatch, folder: Path, environment: dict[str, str]) -> None:
    """An empty data folder, and an address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("DATABASE_URL", "DATABASE_ADMIN_URL", "CLOUDTOSYS_KEYS", "CLOUDTOSYS_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDTOSYS_DATA", str(folder))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(port=port))
