"""Tables of an old ERP's database, over SQLAlchemy: found, proposed, read in keyset pages.

Politely: one connection, a read-only session, short statements, no transaction left open. The place is the
last key, compared by the database alone: its collation decides the order.
"""

import importlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError

from core.address import Guard
from core.entities import Entity
from core.errors import AddressRefused, AuthenticationError, ConfigurationError, TransientError
from core.spec import Settings
from providers.legacy.cells import plain
from providers.legacy.sheets import Cells, Numbered

PAGE = 5_000
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
SAMPLE = 200
STREAMED = {"stream_results": True}
"""A cursor on the server, where the driver would hold everything otherwise."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How a kind of database is reached. `module` is the driver, `package` what installs it."""

    label: str
    driver: str
    module: str
    package: str
    port: int
    read_only: tuple[str, ...] = ()
    query: Mapping[str, str] | None = None
    connect: Mapping[str, Any] | None = None


ENGINES = {
    "postgresql": Engine(
        *("PostgreSQL", "postgresql+psycopg", "psycopg", "psycopg", 5432),
        read_only=(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
        ),
        connect={"connect_timeout": CONNECT_SECONDS},
    ),
    "mysql": Engine(
        *("MySQL / MariaDB", "mysql+pymysql", "pymysql", "pymysql", 3306),
        read_only=("SET SESSION TRANSACTION READ ONLY",),
        query={"charset": "utf8mb4"},
        connect={"connect_timeout": CONNECT_SECONDS, "read_timeout": STATEMENT_SECONDS},
    ),
    "sqlserver": Engine(
        *("SQL Server", "mssql+pyodbc", "pyodbc", "pyodbc", 1433),
        query={
            "driver": "ODBC Driver 18 for SQL Server",
            "ApplicationIntent": "ReadOnly",
            "Encrypt": "yes",
            "TrustServerCertificate": "yes",
        },
        connect={"timeout": CONNECT_SECONDS},
    ),
    "oracle": Engine(
        *("Oracle", "oracle+oracledb", "oracledb", "oracledb", 1521),
        connect={"tcp_connect_timeout": CONNECT_SECONDS},
    ),
    "firebird": Engine(
        *("Firebird", "firebird+firebird", "firebird.driver", "sqlalchemy-firebird", 3050),
        query={"charset": "WIN1252"},
    ),
}
"""What forbids writing in a session where the server can be told; the user is to be read-only as well."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table and the columns of its key, in order; `columns` are read in this order."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    schema: str = ""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> "Table":
        return cls(
            options["table"], tuple(options["key"]), tuple(options["columns"]), options.get("schema", "")
        )

    @property
    def options(self) -> dict[str, Any]:
        return {
            "table": self.name,
            "key": list(self.key),
            "columns": list(self.columns),
            "schema": self.schema,
        }


class TableRows:
    """`Rows` of a table. The place is the count of rows and the last key, as JSON."""

    def __init__(self, settings: Settings, table: Table, private: frozenset[str]) -> None:
        self._settings = settings
        self._table = table
        self._private = private

    def before(self, place: str) -> Iterator[Numbered]:
        return iter(())

    def after(self, place: str) -> Iterator[tuple[str, Numbered]]:
        """Raises as `connected` does."""
        number, last = msgspec.json.decode(place) if place else (0, None)
        table, page = self._table, PAGE
        with connected(self._settings, self._private) as connection:
            while True:
                rows = _read(connection, _page(table, last))
                for row in rows:
                    number += 1
                    cells = list(map(cell, row[: len(table.columns)]))
                    last = [_key(value) for value in row[len(table.columns) :]]
                    yield msgspec.json.encode([number, last]).decode(), (number, cells)
                if len(rows) < page:
                    return


def found_tables(settings: Settings, private: frozenset[str]) -> list[str]:
    """Names of the tables and views. Raises as `connected` does."""
    with connected(settings, private) as connection:
        inspector = sa.inspect(connection)
        schema = settings.get("schema") or None
        return sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)])


def proposed_table(entity: Entity, names: Sequence[str]) -> str | None:
    """The table that an entity most likely is in, by its name."""
    words = _TABLES[entity]
    best = max(names, key=lambda name: _score(name, words), default=None)
    return best if best is not None and _score(best, words) else None


def describe(
    settings: Settings, name: str, private: frozenset[str], key: Sequence[str] = ()
) -> tuple[Table, list[Cells]]:
    """The table with its key, and the first rows. Raises `ConfigurationError` where it has no key."""
    schema = settings.get("schema") or ""
    with connected(settings, private) as connection:
        inspector = sa.inspect(connection)
        try:
            columns = [str(column["name"]) for column in inspector.get_columns(name, schema or None)]
            primary = inspector.get_pk_constraint(name, schema or None)["constrained_columns"]
        except NoSuchTableError:
            raise ConfigurationError(f"Não há tabela {name!r} no banco de origem.") from None
        chosen = tuple(key or primary)
        if not chosen or not set(chosen) <= set(columns):
            raise ConfigurationError(
                f"A tabela {name} não tem chave primária: indique colunas únicas e nunca vazias "
                "(no terminal, --key)."
            )
        table = Table(name, chosen, tuple(columns), schema)
        rows = _read(connection, _page(table, None, SAMPLE))
        return table, [list(map(cell, row[: len(columns)])) for row in rows]


async def check(settings: Settings) -> str:
    """Testar Conexão. Raises the classes of `core.errors`."""
    import asyncio  # noqa: PLC0415
    import os  # noqa: PLC0415

    hosts = os.environ.get("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "")
    private = frozenset(host.strip().lower() for host in hosts.split(",") if host.strip())
    names = await asyncio.to_thread(found_tables, settings, private)
    likely = [
        f"{entity.label}: {name}" for entity in _TABLES if (name := proposed_table(entity, names)) is not None
    ]
    said = f" Prováveis: {'; '.join(likely)}." if likely else ""
    return f"Conexão válida: {len(names)} tabelas e visões.{said}"


@contextmanager
def connected(settings: Settings, private: frozenset[str]) -> Iterator[sa.Connection]:
    """A read-only connection. Raises `ConfigurationError` (also for a driver that is not installed),
    `AddressRefused`, `AuthenticationError`, `TransientError`."""
    kind = ENGINES[settings["engine"]]
    _check_driver(kind)
    port = int(settings.get("port") or kind.port)
    name, query = _database(settings, kind)
    address = _checked_host(settings["host"], port, private)
    if kind.module == "psycopg" and address != settings["host"]:
        # The server may want the name as well (SNI).
        query["hostaddr"], address = address, settings["host"]
    url = sa.URL.create(kind.driver, settings["username"], settings["password"], address, port, name, query)
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, connect_args=dict(kind.connect or {}), hide_parameters=True
    )
    try:
        with engine.connect() as connection:
            for statement in kind.read_only:
                connection.exec_driver_sql(statement)
            connection.commit()
            yield connection
    except DBAPIError as error:
        raise _explained(error) from None
    except SQLAlchemyError as error:
        raise ConfigurationError(f"O banco de origem não pôde ser lido ({type(error).__name__}).") from None


def _read(connection: sa.Connection, statement: sa.Select[Any]) -> Sequence[Any]:
    """The rows, and no transaction left open."""
    rows = connection.execute(statement, execution_options=STREAMED).all()
    connection.rollback()
    return rows


def _database(settings: Settings, kind: Engine) -> tuple[str | None, dict[str, str]]:
    query = dict(kind.query or {})
    charset = settings.get("charset")
    if kind.module == "oracledb":
        if not _SERVICE.fullmatch(settings["database"]):
            # It becomes part of a description that could name other hosts.
            raise ConfigurationError(
                "O serviço do Oracle tem só letras, números e . _ $ # -: confira o Banco."
            )
        return None, {"service_name": settings["database"]}
    if charset:
        query["client_encoding" if kind.module == "psycopg" else "charset"] = charset
    return settings["database"], query


def _check_driver(kind: Engine) -> None:
    try:
        importlib.import_module(kind.module)
    except ImportError:
        raise ConfigurationError(
            f"O driver de {kind.label} não está instalado: peça ao operador para instalar o pacote Python "
            f"{kind.package} no worker (veja docs/providers/legacy-sql.md)."
        ) from None


def _checked_host(host: str, port: int, private: frozenset[str]) -> str:
    """Where to connect to: what was checked, and not what the name says when it is asked again. A database
    is in a private network or reached through a tunnel: the operator lists it on purpose."""
    if {host.lower(), f"{host.lower()}:{port}"} & private:
        return host
    guard = Guard(private)
    try:
        answers = [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise ConfigurationError(f"O servidor {host} não foi encontrado (DNS).") from None
    for answer in answers:
        try:
            guard.check_host(answer, 443)
        except AddressRefused:
            raise AddressRefused(
                f"O servidor {host} fica em uma rede privada: peça ao operador para incluir {host}:{port} em "
                "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS."
            ) from None
    return answers[0]


_SERVICE = re.compile(r"[A-Za-z0-9_.$#-]+")
_REFUSED = frozenset({"28P01", "28000", 1045, 18456, 1017})
_UNKNOWN_DATABASE = frozenset({"3D000", 1044, 1049})
_NOT_ALLOWED = frozenset({"42501", 1142, 1143})


def _explained(error: DBAPIError) -> Exception:
    original = error.orig
    codes = {getattr(original, "sqlstate", None), *list(getattr(original, "args", ()))[:1]}
    said = str(original)
    if codes & _UNKNOWN_DATABASE or ("database" in said and "does not exist" in said):
        return ConfigurationError("O banco de origem não existe no servidor, ou o usuário não o alcança.")
    if codes & _REFUSED or "authentication failed" in said:
        return AuthenticationError("O banco de origem recusou o usuário ou a senha.")
    if codes & _NOT_ALLOWED:
        return ConfigurationError("O usuário do banco de origem não tem permissão de leitura desta tabela.")
    if isinstance(original, UnicodeDecodeError | TypeError):
        return ConfigurationError(
            "Os textos não estão na codificação indicada: ajuste a Codificação do banco."
        )
    return TransientError(f"O banco de origem não respondeu ({type(original).__name__}).")


def _page(table: Table, last: Sequence[Any] | None, limit: int = PAGE) -> sa.Select[Any]:
    """The key's columns come again at the end. Ordered comparison is spelt out: not every database compares
    tuples."""
    columns: dict[str, sa.ColumnClause[Any]] = {
        name: sa.column(name) for name in (*table.columns, *table.key)
    }
    source = sa.table(table.name, *columns.values(), schema=table.schema or None)
    keys = [source.c[name] for name in table.key]
    wanted: list[sa.ColumnElement[Any]] = [source.c[name] for name in table.columns]
    wanted += [column.label(f"cloudtosys_key_{place}") for place, column in enumerate(keys)]
    statement = sa.select(*wanted).select_from(source).order_by(*keys).limit(limit)
    if last is None:
        return statement
    beyond = [
        sa.and_(*(keys[n] == _unkey(last[n]) for n in range(place)), keys[place] > _unkey(last[place]))
        for place in range(len(keys))
    ]
    return statement.where(sa.or_(*beyond))


def _key(value: Any) -> Any:
    """As JSON that comes back as what it was. CHAR padding stays: the database compares with it."""
    match value:
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case int() | str():
            return value
        case _:
            return {"text": str(value)}


_READ: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "text": str,
}


def _unkey(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    return _READ[kind](content)


def cell(value: Any) -> Any:
    """What drivers give as what sheets give. Floats are prices kept badly; CHAR is padded."""
    match value:
        case str():
            return _mended(value.rstrip())
        case None:
            return ""
        case memoryview():
            return bytes(value)
        case timedelta():
            return str(value)
        case bytes() if len(value) > 1:
            return value.decode("cp1252", "replace")
        case _:
            return value


def _mended(value: str) -> str:
    """UTF-8 that was once written through a Latin-1 connection reads "AÃ§Ã£o"; good values stay."""
    if "Ã" not in value and "Â" not in value:
        return value
    try:
        return value.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return value


_TABLES = {
    Entity.PRODUCTS: ("produtos", "produto", "itens", "item", "mercadoria", "estoque produto"),
    Entity.CATEGORIES: ("categorias", "categoria", "grupos", "grupo", "familia"),
    Entity.CUSTOMERS: ("clientes", "cliente", "pessoas", "pessoa", "cadastro clientes"),
    Entity.STOCK: ("estoque", "saldo", "saldos", "estoques"),
    Entity.ORDERS: ("pedidos itens", "pedido item", "pedidos", "pedido", "vendas", "venda"),
    Entity.RECEIVABLES: ("contas receber", "receber", "duplicatas", "duplicata", "titulos", "cre"),
}


def _score(name: str, words: Sequence[str]) -> int:
    bare = plain(name)
    for rank, word in enumerate(words):
        if bare == word:
            return 100 - rank
    parts = set(bare.split())
    for rank, word in enumerate(words):
        if set(word.split()) & parts or bare.startswith(word) or bare.endswith(word):
            return 50 - rank
    return 0
