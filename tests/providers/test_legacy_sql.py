"""Tables of old ERPs into the ERP, from a real PostgreSQL and a real MariaDB (skipped without one)."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from core.entities import Entity, RunStatus
from core.errors import AddressRefused, AuthenticationError, ConfigurationError
from core.probe import checked
from db import embedded
from providers.legacy import preview, tables
from providers.legacy.columns import required
from providers.legacy.layout import PORTION
from providers.registry import get
from tests.providers.legacy import Office, gtin, office

__all__ = ["office"]

Settings = dict[str, str]
ROWS = 12_003
PRIVATE = "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS"
STATEMENTS = (
    "CREATE TABLE produto (codprod char(10) NOT NULL PRIMARY KEY, descricao varchar(80), preco_venda"
    " decimal(12,4), cod_barras varchar(14), situacao char(1), dt_alteracao timestamp NULL)",
    "CREATE TABLE saldos (empresa int NOT NULL, codprod char(10) NOT NULL, saldo decimal(12,3),"
    " PRIMARY KEY (empresa, codprod))",
    "CREATE TABLE cliente (codigo int PRIMARY KEY, razao_social varchar(80), cgc numeric(14), uf char(2))",
    "CREATE TABLE sem_chave (codigo varchar(10), descricao varchar(20))",
    "INSERT INTO cliente VALUES (1, 'Ação Ltda', 191, 'SP'), (2, 'Sem documento', 0, 'RJ')",
    "INSERT INTO saldos VALUES (1, 'P0000001', 3.5), (2, 'P0000002', 4)",
)


def product(n: int) -> tuple[str, str, str, str, str]:
    return f"P{n:07d}", f"Peça {n}", f"{n % 90 + 10}.5000", gtin(n), "A" if n % 10 else "I"


@pytest.fixture(scope="session")
def postgresql(cluster: embedded.Server) -> Iterator[Settings]:
    name = f"legado_{uuid.uuid4().hex[:8]}"
    admin = create_engine(cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    old = create_engine(cluster.admin_url(name), poolclass=NullPool)
    with old.begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement))
        insert = "INSERT INTO produto VALUES (:a, :b, CAST(:c AS numeric), :d, :e, now())"
        rows = [dict(zip("abcde", product(n), strict=True)) for n in range(ROWS)]
        connection.execute(text(insert), rows)
    yield {
        "engine": "postgresql",
        "host": str(cluster.socket_folder),
        "database": name,
        "username": "postgres",
        "password": "nenhuma",
    }
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Settings]:
    server = shutil.which("mariadbd") or shutil.which("mysqld")
    if server is None or shutil.which("mariadb-install-db") is None:
        pytest.skip(
            "MariaDB não está instalado: a leitura de MySQL/MariaDB não foi testada (mariadb-server)."
        )
    folder = Path(tempfile.mkdtemp(prefix="cloudtosys-mariadb-"))
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    shutil.chown(folder, user)
    data, pipe = folder / "data", folder / "s"
    options = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
    install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listening = [f"--socket={pipe}", f"--port={port}", "--bind-address=127.0.0.1", "--sql-mode="]
    process = subprocess.Popen(
        [server, *options, *listening], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with closing(_connect(str(pipe))) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE legado CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER leitor@'%' IDENTIFIED BY 'segredo'")
            cursor.execute("GRANT ALL ON legado.* TO leitor@'%'")
            cursor.execute("USE legado")
            for statement in STATEMENTS:
                cursor.execute(statement)
            rows = [product(n) for n in range(ROWS)]
            cursor.executemany("INSERT INTO produto VALUES (%s, %s, %s, %s, %s, '0000-00-00')", rows)
            cursor.execute("UPDATE produto SET descricao = 'AÃ§Ã£o' WHERE codprod = 'P0000003'")
            connection.commit()
        yield {
            "engine": "mysql",
            "host": "127.0.0.1",
            "port": str(port),
            "database": "legado",
            "username": "leitor",
            "password": "segredo",
        }
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _connect(pipe: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    deadline = time.monotonic() + 60
    while True:
        try:
            return pymysql.connect(unix_socket=pipe, user="root")
        except pymysql.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(params=["postgresql", "mariadb"])
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings: Settings = request.getfixturevalue(request.param)
    monkeypatch.setenv(PRIVATE, settings["host"])
    return dict(settings)


def look(settings: Settings, entity: Entity, table: str = "", key: tuple[str, ...] = ()) -> preview.Preview:
    found = preview.of_table(settings, entity, table, key, {}, frozenset({settings["host"]}))
    required(entity, found.columns)
    return found


async def prepared(office: Office, settings: Settings, entity: Entity, table: str = "") -> uuid.UUID:
    stored = {name: value for name, value in settings.items() if name != "password"}
    integration = await office.connect("legacy-sql", stored, settings["password"])
    return await office.keep(integration, entity, look(settings, entity, table), None)


async def test_a_table_is_found_mapped_read_in_pages_and_resumed(office: Office, old: Settings) -> None:
    id_ = await prepared(office, old, Entity.PRODUCTS)
    found = await office.read(id_)
    assert (found.options["table"], found.options["key"]) == ("produto", ["codprod"])
    fields = {column["title"]: column["field"] for column in found.columns}
    assert fields["codprod"] == "sku"
    assert fields["preco_venda"] == "price"
    await office.migrate(id_, batches=3)
    assert office.query("SELECT count(*) FROM erp.product") == [(3 * PORTION,)]
    rest = await office.migrate(id_)
    assert rest.status is RunStatus.SUCCESS
    assert rest.job is not None
    assert rest.job.counts.created == ROWS - 3 * PORTION
    assert office.query("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(ROWS, ROWS)]
    one = office.query("SELECT sku, name, price::float, gtin, active FROM erp.product WHERE sku = 'P0000011'")
    assert one == [("P0000011", "Peça 11", 21.5, gtin(11), True)]
    again = await office.migrate(id_)
    assert again.job is not None
    assert (again.job.counts.skipped, again.job.counts.success) == (ROWS, 0)


async def test_documents_lose_no_zeros_and_rows_without_key_are_refused(
    office: Office, old: Settings
) -> None:
    id_ = await prepared(office, old, Entity.CUSTOMERS)
    await office.migrate(id_)
    assert office.query("SELECT name, document FROM erp.customer") == [("Ação Ltda", "00000000191")]
    [(number, cells, reason)] = await office.rejected(id_)
    assert (number, cells[1]) == (2, "Sem documento")
    assert "coluna cgc" in reason


async def test_keys_of_two_columns(office: Office, old: Settings) -> None:
    await office.migrate(await prepared(office, old, Entity.STOCK))
    rejected = office.query("SELECT reason FROM sync.migration_rejection")
    assert rejected == [("O produto deste estoque não tem vínculo no ERP.",)] * 2


def test_what_the_session_may_not_do(old: Settings) -> None:
    with (
        tables.connected(old, frozenset({old["host"]})) as connection,
        pytest.raises(DBAPIError, match=r"(?i)read.?only"),
    ):
        connection.exec_driver_sql("DELETE FROM produto")


async def test_connection_tests_tell_what_there_is_and_what_is_wrong(old: Settings) -> None:
    provider = get("legacy-sql")
    found = await checked(provider, old)
    assert (found.ok, "produtos: produto" in found.message) == (True, True)
    refused = await checked(provider, old | {"database": "outro"})
    assert not refused.ok
    assert "não existe" in refused.message


def test_a_table_without_key_asks_for_one(old: Settings) -> None:
    with pytest.raises(ConfigurationError, match="--key"):
        look(old, Entity.PRODUCTS, "sem_chave")
    assert look(old, Entity.PRODUCTS, "sem_chave", ("codigo",)).options["key"] == ["codigo"]
    with pytest.raises(ConfigurationError, match="Não há tabela"):
        look(old, Entity.PRODUCTS, "nenhuma")


def test_texts_that_were_encoded_twice_are_mended(mariadb: Settings) -> None:
    found = look(mariadb, Entity.PRODUCTS)
    assert found.sample[3][1] == "Ação"
    assert found.sample[4][1] == "Peça 4"


def test_a_wrong_password_is_told(mariadb: Settings) -> None:
    with pytest.raises(AuthenticationError):
        look(mariadb | {"password": "errado"}, Entity.PRODUCTS)


def test_private_servers_are_reached_only_where_they_are_listed() -> None:
    settings = {
        "engine": "mysql",
        "host": "127.0.0.1",
        "database": "x",
        "username": "x",
        "password": "x",
    }
    with pytest.raises(AddressRefused, match=PRIVATE):
        preview.of_table(settings, Entity.PRODUCTS, "", (), {}, frozenset())


@pytest.mark.parametrize("engine", ["sqlserver", "oracle", "firebird"])
def test_a_driver_that_is_missing_is_named(engine: str) -> None:
    kind = tables.ENGINES[engine]
    try:
        __import__(kind.module)
    except ImportError:
        settings = {"engine": engine, "host": "h", "database": "x", "username": "x", "password": "x"}
        with pytest.raises(ConfigurationError, match=kind.package):
            look(settings, Entity.PRODUCTS)
    else:
        pytest.skip(f"O driver de {kind.label} está instalado.")
