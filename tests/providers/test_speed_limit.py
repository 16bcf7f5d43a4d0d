"""The limit an admin typed is kept, whoever calls: the shop's own meter is the judge."""

import asyncio
import itertools

from core.entities import Entity
from tests.providers.conftest import Shop

PER_SECOND = 10


async def test_two_pairs_together_keep_the_limit(shop: Shop) -> None:
    shop.query(
        "UPDATE sync.integration SET settings = jsonb_build_object('requests_per_second', CAST(:n AS text))",
        n=str(PER_SECOND),
    )
    shop.store.clear_requests()
    await asyncio.gather(shop.run(Entity.PRODUCTS), shop.run(Entity.CUSTOMERS), shop.run(Entity.CATEGORIES))
    times = [float(request["at"]) for request in shop.store.requests()]
    assert len(times) > 2 * PER_SECOND
    times.sort()
    # Evenly spaced: no window of a second holds more than its share and one in flight.
    windows = [sum(begin <= at < begin + 1 for at in times) for begin in times]
    assert max(windows) <= PER_SECOND + 1
    speed = (len(times) - 1) / (times[-1] - times[0])
    assert speed > 0.8 * PER_SECOND
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) < 1


async def test_a_pause_asked_of_one_run_is_kept_by_the_next(shop: Shop) -> None:
    shop.store.faults({"on": {"path": "customers"}, "kind": "429", "times": 1, "retry_after": 2})
    shop.store.clear_requests()
    first = asyncio.create_task(shop.run(Entity.CUSTOMERS))
    await asyncio.sleep(0.5)
    await shop.run(Entity.CATEGORIES)
    await first
    requests = shop.store.requests()
    refused = next(float(request["at"]) for request in requests if request["status"] == 429)
    after = [float(request["at"]) - refused for request in requests if float(request["at"]) > refused]
    assert min(after) > 1.5
