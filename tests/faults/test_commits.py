"""T2: an import killed at each of its commits, one after the other, before it and after it."""

import itertools

import pytest

from core.entities import Entity, RunStatus
from sandbox.process import start
from tests.faults.conftest import LONG
from tests.faults.once import die
from tests.faults.test_kill import assert_equal
from tests.providers.conftest import Shop

PRODUCTS, BATCH = (400, 60) if LONG else (150, 60)
EXPIRE = "UPDATE sync.pair SET lease_expires_at = now() - interval '1 s' WHERE lease_log_id IS NOT NULL"
SEED = 20270211


@pytest.mark.parametrize("when", ["before", "after"] if LONG else ["before"])
@pytest.mark.timeout(900)
async def test_killed_at_any_commit_nothing_is_lost_or_doubled(shop: Shop, when: str) -> None:
    """Every round begins with a shop that changed. The one whose run survives is the last."""
    with start(products=PRODUCTS, variable_every=30) as moving:
        shop.connect(moving)
        await shop.run(Entity.PRODUCTS)
        for place in itertools.count(1):
            moving.mutate(seed=SEED + place, products=5)
            moving.create_product(name=f"Novo {place}", sku=f"NOVO-{place}", regular_price="9.90")
            moving.delete_product(place)
            survived = run_and_die(shop, place, when)
            shop.query(EXPIRE)
            run = await shop.run(Entity.PRODUCTS, full=True, batch_size=BATCH)
            assert run.status is RunStatus.SUCCESS, (place, run.error)
            assert_equal(moving, shop.query, gone=place)
            if survived:
                break
    assert place > 12
    print(f"T2 pass import commits={place - 1} {when} seed={SEED}")


def run_and_die(shop: Shop, place: int, when: str) -> bool:
    """A complete scan in a process that dies at its commit `place`; whether it had fewer and lived."""
    return die(shop.pairs[Entity.PRODUCTS], Entity.PRODUCTS, BATCH, place, when, full=True)


def test_the_crash_is_where_it_is_said_to_be(shop: Shop) -> None:
    """Before the commit that opens the run nothing of it is there; after it its log is."""
    logs = "SELECT count(*) FROM sync.sync_log"
    assert not run_and_die(shop, 3, "before")
    assert shop.query(logs)[0][0] == 0
    assert not run_and_die(shop, 3, "after")
    assert shop.query(logs)[0][0] == 1
