"""Keys against what is stored: the check at start, and the move of every ciphertext to the newest key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import system_transaction
from db.vault import Vault, WrongKey

STEP = 500


@dataclass(frozen=True, slots=True)
class Sealing:
    """Where ciphertexts lie: their column, and the columns that order the table."""

    table: str
    column: str
    key: tuple[tuple[str, str], ...]

    @property
    def _names(self) -> str:
        return ", ".join(name for name, _ in self.key)

    @property
    def _places(self) -> str:
        return ", ".join(f"CAST(:{name} AS {kind})" for name, kind in self.key)

    def old(self, after: bool) -> str:
        """The next ones under an older key; rows that are being written come in a later round."""
        beyond = f" AND ({self._names}) > ({self._places})" if after else ""
        return (
            f"SELECT {self._names}, {self.column} AS sealed FROM {self.table}"  # noqa: S608
            f" WHERE {self.column} IS NOT NULL AND key_id <> :key_id{beyond}"
            f" ORDER BY {self._names} LIMIT {STEP} FOR UPDATE SKIP LOCKED"
        )

    @property
    def move(self) -> str:
        return (
            f"UPDATE {self.table} SET {self.column} = :sealed, key_id = :key_id"  # noqa: S608
            f" WHERE ({self._names}) = ({self._places})"
        )

    @property
    def left(self) -> str:
        return f"SELECT count(*) FROM {self.table} WHERE {self.column} IS NOT NULL AND key_id <> :key_id"  # noqa: S608


SEALINGS = (
    Sealing("sync.credential", "ciphertext", (("integration_id", "uuid"), ("name", "text"))),
    Sealing("sync.issue", "payload", (("id", "uuid"),)),
    Sealing("sync.record_override", "fields", (("id", "uuid"),)),
    Sealing("sync.webhook_event", "body", (("id", "uuid"),)),
    Sealing("sync.channel", "address", (("id", "uuid"),)),
)


@dataclass(frozen=True, slots=True)
class Rotated:
    """Ciphertexts moved to the newest key, and those still under an older one. Old keys may go at 0."""

    moved: int
    left: int


async def verify(engine: AsyncEngine, vault: Vault) -> None:
    """Refuse to start with keys that do not open what is stored. Raises `WrongKey`, `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        canary = (await connection.execute(text("SELECT canary FROM sync.installation"))).scalar()
        if canary is None:
            keep = text("UPDATE sync.installation SET canary = :canary WHERE canary IS NULL")
            await connection.execute(keep, {"canary": vault.canary()})
        else:
            vault.check(bytes(canary))


async def rotate(engine: AsyncEngine, vault: Vault) -> Rotated:
    """Move everything to the newest key in short transactions: killed, it goes on where it was.

    The canary moves last, so an old key that is dropped too early refuses the start. A ciphertext that no
    key opens stays and counts as left. Raises `WrongKey`, `DatabaseUnavailable`.
    """
    await verify(engine, vault)
    moved = sum([await _rotate(engine, vault, sealing) for sealing in SEALINGS])
    values = {"key_id": vault.key_id}
    async with system_transaction(engine) as connection:
        left = sum([(await connection.execute(text(s.left), values)).scalar_one() for s in SEALINGS])
        if not left:
            canary = text("UPDATE sync.installation SET canary = :canary")
            await connection.execute(canary, {"canary": vault.canary()})
    return Rotated(moved, left)


async def _rotate(engine: AsyncEngine, vault: Vault, sealing: Sealing) -> int:
    moved = 0
    place: dict[str, Any] = {}
    while True:
        async with system_transaction(engine) as connection:
            values = place | {"key_id": vault.key_id}
            rows = (await connection.execute(text(sealing.old(bool(place))), values)).all()
            if resealed := _reseal(vault, sealing, rows):
                await connection.execute(text(sealing.move), resealed)
        if not rows:
            return moved
        moved += len(resealed)
        place = _place(sealing, rows[-1])


def _reseal(vault: Vault, sealing: Sealing, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        try:
            sealed = vault.rotate(bytes(row.sealed))
        except WrongKey:
            continue
        found.append(_place(sealing, row) | {"sealed": sealed.ciphertext, "key_id": sealed.key_id})
    return found


def _place(sealing: Sealing, row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name, _ in sealing.key}
