"""Files of old ERPs, kept by their SHA-256 in parts.

They are kept in the database, so that any machine's worker reads them, under the tenant's row-level security.
Every function raises `DatabaseUnavailable`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.errors import ConfigurationError
from db.session import tenant_transaction

PART = 2**20
LARGEST = 200 * 2**20
GONE = "O arquivo desta migração já foi apagado: envie-o de novo."

_STORED = text("SELECT id FROM sync.legacy_file WHERE sha256 = :sha")
_STORE = text(
    "INSERT INTO sync.legacy_file (id, tenant_id, sha256, name, size)"
    " VALUES (:id, :tenant, :sha, :name, :size)"
    " ON CONFLICT (tenant_id, sha256) DO NOTHING RETURNING id"
)
_STORE_PART = text(
    "INSERT INTO sync.legacy_file_part (tenant_id, file_id, number, data)"
    " VALUES (:tenant, :id, :number, :data)"
)
_PART = text("SELECT data FROM sync.legacy_file_part WHERE file_id = :id AND number = :number")


async def store(engine: AsyncEngine, tenant_id: UUID, name: str, file: BinaryIO) -> UUID:
    """Keep a file, a part of it in memory at a time; the same bytes are kept once. Raises
    `ConfigurationError` for one that is too large."""
    sha, size = await asyncio.to_thread(_measured, file)
    if size > LARGEST:
        raise ConfigurationError(f"O arquivo tem mais de {LARGEST // 2**20} MB: divida-o em partes.")
    values: dict[str, Any] = {"id": uuid7(), "tenant": tenant_id, "sha": sha, "name": name, "size": size}
    async with tenant_transaction(engine, tenant_id) as connection:
        # Whoever sends the same file at the same moment waits here for the other one's commit.
        if (await connection.execute(_STORE, values)).scalar() is None:
            return UUID(str((await connection.execute(_STORED, {"sha": sha})).scalar_one()))
        number = 0
        while data := await asyncio.to_thread(file.read, PART):
            part = {"tenant": tenant_id, "id": values["id"], "number": number, "data": data}
            await connection.execute(_STORE_PART, part)
            number += 1
    return UUID(str(values["id"]))


async def parts(engine: AsyncEngine, tenant_id: UUID, file_id: UUID) -> AsyncIterator[bytes]:
    """Raises `ConfigurationError` for a file that was thrown away."""
    number = 0
    while True:
        async with tenant_transaction(engine, tenant_id) as connection:
            found = (await connection.execute(_PART, {"id": file_id, "number": number})).scalar()
        if found is None and number == 0:
            raise ConfigurationError(GONE)
        if found is None:
            return
        yield bytes(found)
        number += 1


async def read(engine: AsyncEngine, tenant_id: UUID, file_id: UUID) -> bytes:
    """Raises as `parts` does."""
    return b"".join([part async for part in parts(engine, tenant_id, file_id)])


def _measured(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size; the file is at its beginning afterwards."""
    file.seek(0)
    sha, size = hashlib.sha256(), 0
    while data := file.read(PART):
        sha.update(data)
        size += len(data)
    file.seek(0)
    return sha.hexdigest(), size
