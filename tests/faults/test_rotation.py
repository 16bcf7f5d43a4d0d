"""T19: keys are rotated while pairs run: nothing becomes unreadable, and what is wrong refuses."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from cli.main import main
from core.actor import OPERATOR
from core.address import Guard
from core.channel import destination
from core.entities import Direction, Entity, RunStatus
from db import channels, keys, overrides
from db.keys import SEALINGS
from db.runs import read_secrets
from db.upgrade import check_keys
from db.vault import Vault, WrongKey, generate_key
from providers import registry
from sandbox.world.process import World
from tests.faults.conftest import LONG
from tests.faults.signed import OAUTH, sign_in
from tests.processes import ROOT
from tests.world.room import Room, issues
from tests.world.steps import walk

ROTATIONS = 6 if LONG else 2
SECRETS = 600
"""More than a rotation moves in one transaction."""
DYING = "import sys, tests.faults.crash, cli.main; sys.exit(cli.main.main(['keys', 'rotate']))"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def room(
    connect_world: Callable[..., Room],
    world: World,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Room:
    """A two-way pair that is signed by OAuth, and keys in a file as an installation has them."""
    monkeypatch.setitem(registry._BY_KEY, OAUTH.key, OAUTH)
    room = connect_world(OAUTH.key, client_id=world.client_id)
    key_file.touch(0o600)
    key_file.write_text(os.environ["CLOUDTOSYS_KEYS"])
    monkeypatch.delenv("CLOUDTOSYS_KEYS")
    monkeypatch.setenv("CLOUDTOSYS_KEYS_FILE", str(key_file))
    monkeypatch.setenv("CLOUDTOSYS_DATA", str(tmp_path / "data"))
    sign_in(room)
    room.pair()
    return room


def fill(room: Room) -> None:
    values = [
        {
            "t": room.tenant.id,
            "i": room.integration_id,
            "n": f"f{n}",
            "c": sealed.ciphertext,
            "k": sealed.key_id,
        }
        for n in range(SECRETS)
        for sealed in [room.vault.seal(room.tenant.id, room.integration_id, f"f{n}", f"segredo {n}")]
    ]
    with create_engine(room.database.admin_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("INSERT INTO sync.credential VALUES (:t, :i, :n, :c, :k)"), values)


async def seal_everything(room: Room, engine: AsyncEngine) -> None:
    """A row in each place where ciphertexts lie; the failed record of a run is one of them."""
    bad = room.product("RUIM", name=" ")
    assert (await room.export()).status is RunStatus.PARTIAL
    corrected = overrides.Corrected(
        tenant_id=room.tenant.id,
        integration_id=room.integration_id,
        entity="products",
        direction=Direction.EXPORT,
        internal_id=bad,
    )
    await overrides.keep(engine, room.vault, corrected, {"name": "Bom"}, "", author="ana", reason="nome")
    there = destination("https://avisos.exemplo.com.br/x", Guard())
    await channels.create_channel(engine, room.vault, OPERATOR, room.tenant.id, "Equipe", there)
    sealed = room.vault.seal_payload(b"{}")
    room.query(
        "INSERT INTO sync.webhook_event (tenant_id, integration_id, delivery_id, topic, body, key_id)"
        " VALUES (:tenant, :integration, 'd', 't', :body, :key)",
        tenant=room.tenant.id,
        integration=room.integration_id,
        body=sealed.ciphertext,
        key=sealed.key_id,
    )


async def assert_all_opens(room: Room, engine: AsyncEngine, vault: Vault, *, newest: bool) -> None:
    for sealing in SEALINGS:
        rows = room.query(f"SELECT {sealing.column}, key_id FROM {sealing.table} WHERE key_id IS NOT NULL")
        assert rows, sealing.table
        for ciphertext, key_id in rows:
            vault.open_payload(bytes(ciphertext))
            assert not newest or key_id == vault.key_id, sealing.table
    secrets = await read_secrets(engine, vault, room.tenant.id, room.integration_id)
    assert secrets["client_secret"] == room.world.client_secret


async def rotate(*arguments: str) -> None:
    """As an operator does it."""
    ended, said = await process("-m", "cli.main", "keys", "rotate", *arguments)
    assert ended == 0, said


async def die(place: int, when: str) -> int:
    """A rotation that dies at that commit, if it has so many; how it ended."""
    return (await process("-c", DYING, CRASH_AT=str(place), CRASH_WHEN=when))[0]


async def process(*arguments: str, **environment: str) -> tuple[int, str]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await started.communicate()
    assert started.returncode is not None
    return started.returncode, said.decode()


def lines(key_file: Path) -> list[str]:
    return key_file.read_text().split()


def drop_old(key_file: Path) -> None:
    key_file.write_text(lines(key_file)[0])


def held(key_file: Path) -> Vault:
    return Vault(lines(key_file))


def test_every_ciphertext_is_rotated(room: Room) -> None:
    found = room.query(
        "SELECT table_schema || '.' || table_name FROM information_schema.columns"
        " WHERE column_name = 'key_id'"
    )
    assert {row[0] for row in found} == {sealing.table for sealing in SEALINGS}


@pytest.mark.timeout(600)
async def test_runs_go_on_while_keys_are_rotated_twice_and_the_old_ones_go(
    room: Room, engine: AsyncEngine, key_file: Path
) -> None:
    """Edits on both sides, failed records and tokens that end: each run reads and writes secrets."""
    await seal_everything(room, engine)
    products = [room.product(f"P{n}") for n in range(20)]
    await room.run()
    over = asyncio.Event()

    runs = 0

    async def work() -> None:
        nonlocal runs
        for price in itertools.count(11):
            if over.is_set():
                return
            room.world.expire_access()
            room.erp.edit("product", products[price % 20], price=Decimal(price))
            room.world.edit(
                "products", room.external(products[(price + 7) % 20])["id"], name=f"De fora {price}"
            )
            room.product(f"RUIM {price}", name=" ")
            ended = await room.run()
            assert [run.status for run in ended] == [RunStatus.SUCCESS, RunStatus.PARTIAL], issues(room)
            runs += len(ended)

    working = asyncio.create_task(work())
    for turn in range(ROTATIONS):
        await rotate()
        await assert_all_opens(room, engine, held(key_file), newest=False)
        assert len(lines(key_file)) == turn + 2
    await rotate("--no-new-key", "--drop-old")
    over.set()
    await working
    assert len(lines(key_file)) == 1
    await assert_all_opens(room, engine, held(key_file), newest=True)
    assert {row[1] for row in issues(room)} == {"RecordError"}
    assert room.judge() == []
    print(f"T19 pass rotations={ROTATIONS} runs={runs} failed_decrypts=0 seed=none")


async def test_a_run_that_began_with_the_old_key_leaves_nothing_under_it(
    room: Room, engine: AsyncEngine, key_file: Path
) -> None:
    """Its token ends and its record fails after the old key is gone."""
    await seal_everything(room, engine)
    room.product("P")
    room.product("RUIM 2", name=" ")
    async with room.open(Entity.PRODUCTS, Direction.EXPORT) as run:
        assert run.job is not None
        await rotate("--drop-old")
        room.world.expire_access()
        await walk(run, Direction.EXPORT)
    assert run.status is RunStatus.PARTIAL, run.error
    assert {item["sku"] for item in room.world.objects("products")} == {"P"}
    await assert_all_opens(room, engine, held(key_file), newest=True)


@pytest.mark.parametrize("when", ["before", "after"] if LONG else ["after"])
@pytest.mark.timeout(600)
async def test_a_rotation_killed_at_any_commit_goes_on(
    room: Room, engine: AsyncEngine, key_file: Path, when: str
) -> None:
    """SIGKILL at the first commit, at the second, and so on, until one survives. Each is resumed."""
    await seal_everything(room, engine)
    fill(room)
    for place in itertools.count(1):
        ended = await die(place, when)
        assert ended in (0, -signal.SIGKILL)
        vault = held(key_file)
        await assert_all_opens(room, engine, vault, newest=ended == 0)
        await keys.verify(engine, vault)
        if ended == 0:
            break
        assert (await keys.rotate(engine, vault)).left == 0
        await assert_all_opens(room, engine, vault, newest=True)
        drop_old(key_file)
    assert place > 2 * len(SEALINGS)
    print(f"T19 pass kills={place - 1} {when} secrets={SECRETS} seed=none")


def test_nothing_starts_with_a_wrong_key(
    room: Room, key_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_keys(room.database.admin_url, held(key_file))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    key_file.write_text(generate_key())
    for arguments in (["up"], ["keys", "rotate", "--no-new-key"]):
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert "As chaves de criptografia não abrem o que está gravado" in said
        assert "Restaure a cópia do arquivo de chaves" in said
    key_file.unlink()
    assert main(["up"]) == 1
    assert "não existe" in capsys.readouterr().err
    assert not key_file.exists(), "no new one is made where secrets are stored"


async def test_exchanged_ciphertexts_are_refused(room: Room, connect_world: Callable[..., Room]) -> None:
    """Of two fields of an integration, and of two integrations: no call is made with them."""
    room.query("UPDATE sync.integration SET name = 'Primeira'")
    other = connect_world("world-ten")
    room.forget()
    for here, there in (
        ((room, "token"), (room, "client_secret")),
        ((room, "token"), (other, "token")),
    ):
        exchange(here, there)
        [ended] = await room.run()
        assert (ended.status, type(ended.error)) == (RunStatus.ERROR, WrongKey)
        assert "não pertence a esta integração" in str(ended.error)
        exchange(here, there)
    assert room.calls() == []
    assert [run.status for run in await room.run()] == [RunStatus.SUCCESS] * 2
    assert room.calls()


def exchange(one: tuple[Room, str], other: tuple[Room, str]) -> None:
    def read(room: Room, name: str) -> bytes:
        found = "SELECT ciphertext FROM sync.credential WHERE integration_id = :id AND name = :name"
        return bytes(room.query(found, id=room.integration_id, name=name)[0][0])

    secrets = read(*one), read(*other)
    for (room, name), secret in zip((other, one), secrets, strict=True):
        room.query(
            "UPDATE sync.credential SET ciphertext = :secret WHERE integration_id = :id AND name = :name",
            secret=secret,
            id=room.integration_id,
            name=name,
        )
