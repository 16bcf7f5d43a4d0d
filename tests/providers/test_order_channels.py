"""The number of an order is its own in its channel alone."""

from core.entities import Entity, RunStatus
from tests.providers.conftest import Shop


async def test_an_order_of_another_channel_with_the_same_number_stays_what_it_is(shop: Shop) -> None:
    number = next(iter(shop.store.truth("orders")))["number"]
    [(other,)] = shop.query(
        'INSERT INTO erp."order" (tenant_id, channel, number, status, placed_at)'
        " VALUES (:tenant, 'balcao', :number, 'paid', now()) RETURNING id",
        tenant=shop.tenant.id,
        number=number,
    )
    for entity in (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS, Entity.ORDERS):
        run = await shop.run(entity)
    assert run.status is RunStatus.SUCCESS, run.error
    assert shop.query('SELECT count(*) FROM erp."order" WHERE number = :n', n=number) == [(2,)]
    assert shop.query("SELECT count(*) FROM sync.mapping WHERE internal_id = :id", id=other) == [(0,)]
