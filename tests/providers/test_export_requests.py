"""Requests of exports: what failed once more, written by force, simulated, corrected."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import ConflictPolicy, Direction, Entity, RequestKind, RunStatus
from db import asking, issues, requests
from db.audit import By
from db.requests import Request
from tasks.job import Run
from tests.world.room import Room
from tests.world.room import issues as rows
from tests.world.steps import walk

BY = By("ana", "teste")


async def serve(room: Room, request: Request) -> Run:
    """The run of a request, as the flow does it."""
    async with room.open(Entity.PRODUCTS, request.direction, request=request.id) as run:
        if run.job is not None:
            await walk(run, request.direction)
    return run


async def ask(
    room: Room, engine: AsyncEngine, kind: RequestKind, direction: Direction = Direction.EXPORT, **more: Any
) -> Request:
    pair = room.pairs[Entity.PRODUCTS]
    return await requests.ask(engine, room.tenant.id, pair, kind, direction, more, by="ana")


@pytest.fixture
def room(room: Room) -> Room:
    room.pair(direction=Direction.EXPORT)
    return room


async def test_failed_records_are_tried_again_and_no_other(room: Room, engine: AsyncEngine) -> None:
    good, bad = room.product("A"), room.product("B", name=" ")
    assert (await room.export()).status is RunStatus.PARTIAL
    room.erp.edit("product", good, name="Mudado depois")
    [request] = await asking.reprocess(engine, room.tenant.id, issues.filters(), BY)
    assert request.direction is Direction.EXPORT
    before = room.query("SELECT change_seq, change_id FROM sync.cursor")
    run = await serve(room, request)
    assert run.job is not None
    assert (run.job.counts.errors, run.job.counts.processed) == (1, 1)
    assert [(row.external_id, row.attempt) for row in rows(room)] == [("", 1), ("", 2)]
    assert room.external(good)["name"] == "Produto A"
    assert room.query("SELECT change_seq, change_id FROM sync.cursor") == before
    log = room.query("SELECT initiated_by, direction FROM sync.sync_log ORDER BY started_at DESC LIMIT 1")
    assert log == [("reprocess", "export")]
    await room.export()
    assert room.external(good)["name"] == "Mudado depois"
    room.erp.edit("product", bad, name="Bule")
    await room.sync()
    assert {row.state for row in rows(room)} == {"resolved"}
    assert room.judge() == []


async def test_a_correction_is_written_until_the_erp_changes(room: Room, engine: AsyncEngine) -> None:
    bad = room.product("B", name=" ")
    await room.export()
    [issue] = await issues.listing(engine, room.tenant.id, issues.filters())
    request = await asking.correct(engine, room.vault, room.tenant.id, issue["id"], {"name": "Bule"}, BY)
    assert (await serve(room, request)).status is RunStatus.SUCCESS
    assert room.external(bad)["name"] == "Bule"
    assert {row.state for row in rows(room)} == {"resolved"}
    room.erp.edit("product", bad, price=Decimal("3.00"))
    await room.sync()
    assert (room.external(bad)["name"], room.external(bad)["price"]) == ("Bule", "3.00")
    room.erp.edit("product", bad, name="Chaleira")
    await room.sync()
    assert room.external(bad)["name"] == "Chaleira"
    assert room.query("SELECT count(*) FROM sync.record_override WHERE lapsed_at IS NULL") == [(0,)]


async def test_a_correction_that_does_not_fit_is_an_issue(room: Room, engine: AsyncEngine) -> None:
    room.product("B", name=" ")
    await room.export()
    [issue] = await issues.listing(engine, room.tenant.id, issues.filters())
    request = await asking.correct(engine, room.vault, room.tenant.id, issue["id"], {"price": [1]}, BY)
    run = await serve(room, request)
    assert run.status is RunStatus.PARTIAL
    assert "correção" in rows(room)[-1].message


async def test_resync_writes_what_somebody_changed_outside(room: Room, engine: AsyncEngine) -> None:
    one, other = room.product("A"), room.product("B")
    await room.sync()
    for id_ in (one, other):
        room.world.edit("products", room.external(id_)["id"], name="Mexido lá fora")
    run = await serve(room, await ask(room, engine, RequestKind.RESYNC, ids=[str(one)]))
    assert run.status is RunStatus.SUCCESS, run.error
    assert (room.external(one)["name"], room.external(other)["name"]) == ("Produto A", "Mexido lá fora")
    await serve(room, await ask(room, engine, RequestKind.RESYNC))
    assert room.external(other)["name"] == "Produto B"


async def test_a_simulated_export_writes_nowhere(room: Room, engine: AsyncEngine) -> None:
    ids = [room.product(f"P{n}") for n in range(3)]
    await room.sync()
    room.erp.edit("product", ids[0], name="Outro")
    room.product("Novo")
    room.forget()
    before = room.query("SELECT change_seq, change_id FROM sync.cursor")
    run = await serve(room, await ask(room, engine, RequestKind.SIMULATION))
    assert run.job is not None
    assert (run.job.counts.created, run.job.counts.updated, run.job.counts.errors) == (1, 1, 0)
    assert room.writes() == []
    assert room.query("SELECT count(*) FROM sync.outbox") == [(0,)]
    assert room.query("SELECT change_seq, change_id FROM sync.cursor") == before
    await room.sync()
    assert len(room.writes()) == 2


async def test_an_export_has_no_backfill(room: Room, engine: AsyncEngine) -> None:
    moments = {"from": "2026-01-01T00:00:00+00:00", "until": "2026-02-01T00:00:00+00:00"}
    asked = await ask(room, engine, RequestKind.BACKFILL, Direction.EXPORT, **moments)
    run = await serve(room, asked)
    assert run.status is RunStatus.ERROR
    [request] = await requests.listing(engine, room.tenant.id)
    assert (request["state"], "retroativa" in request["result"]["message"]) == ("failed", True), request[
        "result"
    ]


async def test_a_new_two_way_pair_simulates_both_ways_and_then_writes(
    connect_world: Any, engine: AsyncEngine
) -> None:
    room: Room = connect_world()
    room.pair(policy=ConflictPolicy.ASK)
    room.query("UPDATE sync.pair SET simulate_next = true")
    room.product("A")
    room.world.create("products", sku="B", name="De fora", price="1.00")
    first = await room.run()
    assert [run.lease.dry_run for run in first] == [True, True]
    assert room.query("SELECT count(*) FROM sync.mapping") == [(0,)]
    second = await room.run()
    assert [run.lease.dry_run for run in second] == [False, False]
    assert room.query("SELECT count(*) FROM sync.mapping") == [(2,)]
    assert room.judge() == []


async def test_resync_of_a_two_way_pair_takes_the_side_that_was_asked_for(
    connect_world: Any, engine: AsyncEngine
) -> None:
    room: Room = connect_world()
    room.pair()
    ids = [room.product(sku) for sku in ("A", "B")]
    await room.sync()
    for id_ in ids:
        room.erp.edit("product", id_, name="ERP")
        room.world.edit("products", room.external(id_)["id"], name="Mundo")
    external = room.external(ids[0])["id"]
    run = await serve(room, await ask(room, engine, RequestKind.RESYNC, Direction.IMPORT, ids=[external]))
    assert run.status is RunStatus.SUCCESS, run.error
    run = await serve(room, await ask(room, engine, RequestKind.RESYNC, Direction.EXPORT, ids=[str(ids[1])]))
    assert run.status is RunStatus.SUCCESS, run.error
    assert [room.external(id_)["name"] for id_ in ids] == ["Mundo", "ERP"]
    names = dict(map(tuple, room.query("SELECT id, name FROM erp.product")))
    assert [names[id_] for id_ in ids] == ["Mundo", "ERP"]
    await room.sync()
    assert room.judge() == []
