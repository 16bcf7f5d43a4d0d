"""T22: canaries in two-way runs, failed records, conflicts, tokens, notices, tickets and exports.

Searched raw, URL-, base64- and hex-coded, after good and bad runs, in every table of both databases, every
log, all that commands print and all that is sent to channels.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.main import main
from core.actor import OPERATOR
from core.address import Guard
from core.channel import destination
from core.entities import Direction, Entity, RequestKind, Trigger
from db import channels, requests
from deployments.apply import Prefect
from deployments.client import Api
from providers import registry
from sandbox.world.samples import cpf
from tests.faults.conftest import LONG
from tests.faults.signed import OAUTH, sign_in
from tests.faults.test_secrets import contents, forms, found, logs
from tests.notices.conftest import Hook, hook
from tests.processes import PrefectServer
from tests.world.room import Room

__all__ = ["hook"]

FOR_RECORDS = {"erp.customer", "sync.mapping_snapshot", "sync.conflict"}
"""Where people's data belong; beside them there are ciphertexts alone."""
SHOW_RECORDS = {"conflict show", "log export"}
"""Commands for people who may see records; an export leaves names in alone."""
FAULTS = ("html", "broken_json", "500", "500_after_commit")
Until = Callable[..., Awaitable[Any]]


@pytest.fixture
def room(
    connect_world: Callable[..., Room],
    environment: dict[str, str],
    hook: Hook,
    world: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Room:
    """Customers both ways, seen by this process and by a worker alike."""
    monkeypatch.setitem(registry._BY_KEY, OAUTH.key, OAUTH)
    room = connect_world(OAUTH.key, client_id=world.client_id)
    sign_in(room)
    room.pair(Entity.CUSTOMERS)
    hosts = f"{world.url.removeprefix('http://')},{hook.address.split('/')[2]}"
    environment |= {name: os.environ[name] for name in ("CLOUDTOSYS_KEYS", "CLOUDTOSYS_LOOK_AGAIN_SECONDS")}
    environment |= {"CLOUDTOSYS_PROVIDERS": "tests.faults.signed", "CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS": hosts}
    environment |= {"CLOUDTOSYS_RETRY_SECONDS": "0.1,0.1", "CLOUDTOSYS_LEASE_SECONDS": "30"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return room


class Secrets:
    """Every credential there was: the client's, the channel's, the key, and all tokens of the world."""

    def __init__(self, room: Room, hook: Hook, key: str) -> None:
        self._disk = room.world.folder
        self.values = {room.world.client_secret, room.world.token, key, hook.address.rpartition("=")[2]}

    def note(self) -> None:
        file = self._disk / "world.sqlite"
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as disk:
            self.values |= {row[0] for row in disk.execute("SELECT token FROM grant_token")}

    @property
    def canaries(self) -> set[str]:
        return {form for value in self.values for form in forms(value)}


def fill(room: Room) -> set[str]:
    """Good and bad records on both sides; e-mails, documents, telephones and names of people."""
    people = [
        {
            "name": f"Canaria{n} Passarim",
            "document": document,
            "email": f"canario{n}@gaiola.exemplo.test",
            "phone": f"+55819988{n}7123",
        }
        for n, document in enumerate(map(cpf, range(71, 81)))
    ]
    for person in people[:4]:
        room.erp.add("customer", **person)
    room.erp.add("customer", **people[4] | {"name": " "})
    for person in people[5:8]:
        room.world.create("customers", **person)
    room.world.create("customers", **people[8], addresses=[{"city": 5}])
    room.world.create("customers", **people[9] | {"document": people[5]["document"]})
    return {value for person in people for value in person.values()}


@pytest.mark.skipif(not LONG, reason="make faults; the gate looks for canaries of imports (test_secrets)")
@pytest.mark.timeout(300)
async def test_no_canary_gets_out_of_two_way_work(
    room: Room,
    engine: AsyncEngine,
    api: Api,
    prefect: Prefect,
    prefect_server: PrefectServer,
    start: Callable[..., Any],
    until: Until,
    environment: dict[str, str],
    hook: Hook,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    secrets = Secrets(room, hook, environment["CLOUDTOSYS_KEYS"])
    pair = room.pairs[Entity.CUSTOMERS]
    there = destination(hook.address, Guard(frozenset({hook.address.split("/")[2]})))
    await channels.create_channel(engine, room.vault, OPERATOR, room.tenant.id, "Equipe", there)
    people = fill(room)

    async def run() -> list[str]:
        secrets.note()
        flow_run = await prefect.trigger(pair, initiated_by=Trigger.MANUAL)

        async def ended() -> bool:
            found = await api.read_run(flow_run)
            return found is not None and found["end_time"] is not None

        await until(ended, 90)
        secrets.note()
        logged = "SELECT status FROM sync.sync_log WHERE flow_run_id = :run ORDER BY started_at"
        ended_as = [row[0] for row in room.query(logged, run=flow_run)]
        # One that the sentinel asked for may have been first.
        return ended_as if ended_as and "skipped" not in ended_as else await run()

    await prefect.apply([pair])
    start("deployments.warm")
    start("deployments.sentinel")
    assert await run() == ["partial", "partial"]
    mapped = room.query("SELECT internal_id, external_id FROM sync.mapping ORDER BY id")
    for fault, (internal, _) in zip(FAULTS, mapped, strict=False):
        room.world.expire_access()
        room.erp.edit("customer", internal, email=f"{fault}@gaiola.exemplo.test")
        people.add(f"{fault}@gaiola.exemplo.test")
        room.world.faults({"kind": fault, "match": {"path": "^/customers"}, "times": 50})
        assert "error" in await run(), fault
    room.world.faults()
    internal, external = mapped[0]
    for side in ("dentro", "fora"):
        people.add(f"{side}@gaiola.exemplo.test")
    room.erp.edit("customer", internal, email="dentro@gaiola.exemplo.test")
    room.world.edit("customers", external, email="fora@gaiola.exemplo.test")
    assert "error" not in await run()
    assert room.query("SELECT count(*) FROM sync.conflict WHERE state = 'open'") == [(1,)]
    asked = await requests.ask(
        engine, room.tenant.id, pair, RequestKind.REPROCESS, Direction.EXPORT, {}, by="ana"
    )

    async def served() -> bool:
        found = await requests.read(engine, asked.id)
        return found is not None and found.state not in requests.OPEN

    await until(served, 60)
    room.world.revoke()
    assert await run() == ["error"]

    async def told() -> bool:
        return any(body["kind"] == "integration_reconnect" for body in hook.bodies)

    await until(told, 30)
    said = await outputs(room, capsys)
    await asyncio.sleep(3)  # logs and events reach Prefect in batches
    sent = [("channel", json.dumps(body, ensure_ascii=False)) for body in hook.bodies]
    kept = list(contents(room.database.admin_url))
    prefects = list(contents(prefect_server.admin_url))
    written = [*logs(tmp_path), *prefects, *sent, *said]
    elsewhere = [(place, row) for place, row in kept if place not in FOR_RECORDS]
    assert len(secrets.values) > 7
    assert found(iter(kept), people) != set(), "the search finds what is there"
    assert found(iter([*written, *kept]), secrets.canaries) == set()
    in_public = [(place, words) for place, words in [*written, *elsewhere] if place not in SHOW_RECORDS]
    assert found(iter(in_public), {form for value in people for form in forms(value)}) == set()
    hidden = {form for value in people for form in forms(value) if not value.startswith("Canaria")}
    assert found(iter([one for one in said if one[0] == "log export"]), hidden) == set()
    assert found(iter(written), {"Traceback"}) == set()
    print(f"T22 pass secrets={len(secrets.values)} people={len(people)} hits=0 seed=none")


async def outputs(room: Room, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """What the commands print that show anything."""
    log = room.query("SELECT id FROM sync.sync_log WHERE status = 'partial' ORDER BY started_at LIMIT 1")[0][
        0
    ]
    conflict = room.query("SELECT id FROM sync.conflict LIMIT 1")[0][0]
    ticket = room.query(
        "SELECT 'T-' || extract(year FROM now() AT TIME ZONE 'America/Sao_Paulo') || '-000001'"
    )[0][0]
    listings = ("logs", "integration list", "pair list", "mapping list", "conflict list", "alarm list")
    commands = [
        *(f"{name}{form}" for name in listings for form in ("", " --json")),
        *("integration show Mundo", "integration test Mundo", "run Mundo clientes", "logs --unresolved"),
        *(f"log export {log}", f"log ticket {log}", "ticket list", f"ticket show {ticket}", "channel list"),
        *("notice list", "notice list --json", f"conflict show {conflict}", "notice test Equipe"),
    ]
    said = []
    for words in commands:
        ended = await asyncio.to_thread(main, words.split())
        printed = capsys.readouterr()
        assert ended != 2, printed.err
        said.append((" ".join(words.split()[:2]), printed.out + printed.err))
    return said
