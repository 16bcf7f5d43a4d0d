"""Old ERPs' files as people have them, and a tenant whose migrations run through the real steps."""

import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core import engine as rules
from core.batch import Job
from core.entities import Direction, Entity, Trigger
from core.ports import Cursor
from db import admin, legacy, legacy_files
from db.audit import By
from db.session import engine as engine_of
from db.vault import Vault, generate_key
from providers.legacy import preview
from providers.legacy.columns import required
from providers.legacy.sheets import Options
from tasks.job import Run, open_run
from tasks.migration import begin
from tests.conftest import Database, Tenant

TITLES = ("Código", "Descrição", "Preço venda", "Cód. Barras", "Situação")


def workbook(rows: Sequence[Sequence[Any]], titles: Sequence[str] = TITLES) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (titles, *rows):
        sheet.append(list(row))
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def gtin(number: int) -> str:
    body = f"{789_000_000_000 + number:012d}"
    return body + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10)


def products(count: int, first: int = 0) -> list[list[Any]]:
    return [
        [f"{n:05d}", f"Produto {n} açaí", f"{n % 90 + 10},50", gtin(n), "A" if n % 10 else "I"]
        for n in range(first, first + count)
    ]


@dataclass(frozen=True, slots=True)
class Office:
    """A tenant that migrates."""

    database: Database
    tenant: Tenant
    engine: AsyncEngine
    vault: Vault

    async def connect(
        self, provider: str = "legacy-excel", settings: dict[str, str] | None = None, password: str = ""
    ) -> uuid.UUID:
        draft = admin.Draft(
            tenant_id=self.tenant.id,
            provider=provider,
            name=provider,
            base_url=None,
            settings=settings or {},
            secrets={"password": password} if password else {},
            direction=Direction.IMPORT,
            pairs={},
        )
        return await admin.create_integration(self.engine, self.vault, draft)

    async def prepare(
        self, integration: uuid.UUID, entity: Entity, data: bytes, told: dict[str, str] | None = None
    ) -> uuid.UUID:
        """A migration of a file, as the command line makes it."""
        found = preview.of_file(data, entity, told or {}, {}, Options())
        required(entity, found.columns)
        file_id = await legacy_files.store(self.engine, self.tenant.id, "arquivo.xlsx", io.BytesIO(data))
        return await self.keep(integration, entity, found, file_id)

    async def keep(
        self, integration: uuid.UUID, entity: Entity, found: preview.Preview, file_id: uuid.UUID | None
    ) -> uuid.UUID:
        return await legacy.create(
            self.engine,
            self.tenant.id,
            integration,
            entity,
            file_id=file_id,
            options=found.options,
            columns=found.stored,
            by=By("ana"),
        )

    async def migrate(self, id_: uuid.UUID, *, apply: bool = True, batches: int | None = None) -> Run:
        """The migration through the four steps; after so many `batches` it is broken off."""
        pair, entity = await begin(id_, apply=apply, flow_run_id=None)
        return await self.run(pair, entity, batches)

    async def run(self, pair: uuid.UUID, entity: Entity, batches: int | None = None) -> Run:
        async with open_run(
            pair, entity, full=False, initiated_by=Trigger.MANUAL, flow_run_id=None, slot_at=None
        ) as run:
            assert run is not None
            if run.job is not None:
                await _steps(run.job, batches)
        return run

    async def read(self, id_: uuid.UUID) -> legacy.Migration:
        return await legacy.read(self.engine, id_)

    async def rejected(self, id_: uuid.UUID) -> list[tuple[int, list[Any], str]]:
        return [row async for row in legacy.rejected(self.engine, await self.read(id_))]

    def query(self, sql: str, **values: Any) -> Any:
        with create_engine(self.database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else None


async def _steps(job: Job, batches: int | None) -> None:
    cursor: Cursor | None = job.cursor
    while cursor is not None and batches != 0:
        batch = rules.map_records(job, await rules.fetch(job, cursor))
        cursor = await rules.upsert(job, await rules.transform(job, batch))
        batches = None if batches is None else batches - 1


@pytest.fixture
def office(database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Office:
    key = generate_key()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)
    return Office(database, tenant, engine_of(database.url), Vault([key]))
