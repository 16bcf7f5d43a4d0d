"""The database of an old ERP: PostgreSQL, MySQL/MariaDB, SQL Server, Oracle or Firebird.

Read once by the legacy migration, table by table, with a read-only user in a read-only session.
"""

from core.entities import Entity
from core.spec import Provider, Resource, Setting, Settings
from providers.legacy.fields import FIELDS
from providers.legacy.once import nothing, once

RESOURCES: dict[Entity, Resource] = {entity: once() for entity in FIELDS}


async def _check(settings: Settings) -> str:
    from providers.legacy.tables import check  # noqa: PLC0415 - SQLAlchemy's dialects only where asked for

    return await check(settings)


LEGACY_SQL = Provider(
    key="legacy-sql",
    name="ERP legado: banco de dados",
    category="legacy",
    docs="https://docs.sqlalchemy.org/en/20/dialects/",
    settings=(
        Setting(
            name="engine",
            label="Banco de dados",
            kind="choice",
            default="postgresql",
            choices=(
                ("postgresql", "PostgreSQL"),
                ("mysql", "MySQL / MariaDB"),
                ("sqlserver", "SQL Server"),
                ("oracle", "Oracle"),
                ("firebird", "Firebird 3 ou mais novo"),
            ),
        ),
        Setting(name="host", label="Servidor"),
        Setting(name="port", label="Porta", kind="integer", required=False, help="Vazia: a padrão do banco."),
        Setting(
            name="database",
            label="Banco",
            help="Nome do banco; no Oracle o serviço, no Firebird o caminho do arquivo no servidor.",
        ),
        Setting(name="username", label="Usuário somente leitura"),
        Setting(name="password", label="Senha", kind="secret"),
        Setting(
            name="charset",
            label="Codificação do banco",
            required=False,
            help="Vazia: utf8mb4 no MySQL, WIN1252 no Firebird, a do servidor no PostgreSQL.",
        ),
        Setting(name="schema", label="Esquema", required=False),
    ),
    resources=RESOURCES,
    by_migration=True,
    check=_check,
    **nothing(),
)
