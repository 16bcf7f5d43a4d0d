"""`change_seq`: no reader passes a row that commits late."""

import random
import uuid

import psycopg
from sqlalchemy.engine import make_url

from tests.conftest import Database, Tenant

READ = """
SELECT change_seq, id FROM erp.product
WHERE (change_seq, id) > (%s, %s) AND change_seq < erp.change_horizon() ORDER BY change_seq, id
"""
NOBODY = uuid.UUID(int=0)


def open_connection(database: Database) -> psycopg.Connection:
    url = make_url(database.admin_url)
    return psycopg.connect(host=str(url.query["host"]), user=url.username, dbname=url.database)


def test_commits_in_any_order_are_all_read(database: Database, tenant: Tenant) -> None:
    chance = random.Random(20261124)
    reader = open_connection(database)
    reader.autocommit = True
    writers = [open_connection(database) for _ in range(4)]
    place: tuple[int, uuid.UUID] = (0, NOBODY)
    written, read = set(), []
    pending: dict[int, set[uuid.UUID]] = {}
    for _ in range(300):
        who = chance.randrange(4)
        if chance.random() < 0.6:
            id_ = uuid.uuid4()
            writers[who].execute(
                "INSERT INTO erp.product (tenant_id, id, name) VALUES (%s, %s, 'p')", (tenant.id, id_)
            )
            pending.setdefault(who, set()).add(id_)
        elif chance.random() < 0.8:
            writers[who].commit()
            written |= pending.pop(who, set())
        for seq, id_ in reader.execute(READ, place).fetchall():
            place = (seq, id_)
            read.append(id_)
    for who, writer in enumerate(writers):
        writer.commit()
        written |= pending.pop(who, set())
        writer.close()
    read += [id_ for _, id_ in reader.execute(READ, place).fetchall()]
    reader.close()
    assert len(read) == len(set(read))
    assert set(read) == written


def test_an_update_that_changes_nothing_keeps_its_place(database: Database, tenant: Tenant) -> None:
    with open_connection(database) as connection:
        sql = "INSERT INTO erp.product (tenant_id, name) VALUES (%s, 'a') RETURNING id"
        row = connection.execute(sql, (tenant.id,)).fetchone()
        connection.commit()
        place = "SELECT change_seq FROM erp.product WHERE id = %s"
        before = connection.execute(place, row).fetchone()
        connection.execute("UPDATE erp.product SET name = 'a' WHERE id = %s", row)
        assert connection.execute(place, row).fetchone() == before
        connection.execute("UPDATE erp.product SET name = 'b' WHERE id = %s", row)
        after = connection.execute(place, row).fetchone()
        assert before is not None
        assert after is not None
        assert after[0] > before[0]
