"""The receiver: what is proved is on disk before it is answered, and nothing else is kept."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.actor import OPERATOR, Actor, NotAllowed
from core.webhooks import TOKEN, Event, freshness
from db import embedded, inbox, webhooks
from db.session import tenant_transaction
from db.vault import Vault
from db.webhooks import Tokens
from tests.conftest import Database, Tenant, new_tenant
from web.wiring import Wiring

Sql = Callable[..., Any]
BODY = b'{"id":5,"type":"simple","variations":[]}'


@dataclass
class Shop:
    """An integration as its system calls it."""

    id: UUID
    tenant_id: UUID
    provider: str
    public_id: UUID
    token: str
    http: httpx.AsyncClient

    @property
    def path(self) -> str:
        return f"/webhooks/{self.provider}/{self.public_id}"

    async def tell(
        self, body: bytes = BODY, *, token: str = "", path: str = "", signature: str | None = None
    ) -> httpx.Response:
        made = hmac.digest((token or self.token).encode(), body, hashlib.sha256)
        given = base64.b64encode(made) if signature is None else signature.encode()
        said = {
            b"Content-Type": b"application/json",
            b"X-WC-Webhook-Topic": b"product.updated",
            b"X-WC-Webhook-Delivery-ID": b"d1",
            b"X-WC-Webhook-Signature": given,
        }
        return await self.http.post(path or self.path, content=body, headers=said)


@pytest.fixture
async def connect(
    console: str, wiring: Wiring, tenant: Tenant, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    monkeypatch.setattr(inbox, "DOOR_SECONDS", 0.0)
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:

        async def run(
            provider: str = "woocommerce", secrets: dict[str, str] | None = None, **settings: str
        ) -> Shop:
            made = sql(
                "INSERT INTO sync.integration (tenant_id, provider, name, settings) VALUES (:tenant,"
                " :provider, :name, CAST(:settings AS jsonb)) RETURNING id, webhook_public_id",
                tenant=tenant.id,
                provider=provider,
                name=f"Loja {uuid4().hex[:6]}",
                settings=json.dumps(settings),
            )[0]
            for name, secret in (secrets or {}).items():
                await keep(wiring.engine, wiring.vault, tenant.id, made[0], name, secret)
            token = await webhooks.rotate(wiring.engine, wiring.vault, OPERATOR, tenant.id, made[0])
            return Shop(made[0], tenant.id, provider, made[1], token, http)

        yield run


@pytest.fixture
async def shop(connect: Callable[..., Any]) -> Shop:
    found: Shop = await connect()
    return found


async def keep(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, integration_id: UUID, name: str, secret: str
) -> None:
    sealed = vault.seal(tenant_id, integration_id, name, secret)
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO sync.credential VALUES (:tenant, :id, :name, :secret, :key)"
                " ON CONFLICT (integration_id, name) DO UPDATE SET ciphertext = excluded.ciphertext"
            ),
            {
                "tenant": tenant_id,
                "id": integration_id,
                "name": name,
                "secret": sealed.ciphertext,
                "key": sealed.key_id,
            },
        )


def rows(sql: Sql) -> list[Any]:
    found: list[Any] = sql("SELECT * FROM sync.webhook_event ORDER BY received_at")
    return found


async def test_a_delivery_is_kept_once_and_its_body_sealed(shop: Shop, sql: Sql, vault: Vault) -> None:
    for _ in range(3):
        answer = await shop.tell()
        assert (answer.status_code, answer.content) == (200, b"")
    [row] = rows(sql)
    assert (row.tenant_id, row.integration_id, row.topic) == (shop.tenant_id, shop.id, "product.updated")
    assert (row.state, row.external_id, row.records) == ("received", "5", {"products": ["5"], "stock": ["5"]})
    assert b'"id"' not in bytes(row.body)
    assert vault.open_payload(bytes(row.body)) == BODY
    # Two products that change in one second have one delivery id there.
    assert (await shop.tell(BODY.replace(b"5", b"6"))).status_code == 200
    assert [row.external_id for row in rows(sql)] == ["5", "6"]


async def test_what_proves_nothing_is_refused_and_not_kept(shop: Shop, sql: Sql) -> None:
    sql("DELETE FROM sync.audit_log")
    refused = [
        await shop.tell(signature=base64.b64encode(b"x" * 32).decode()),
        await shop.tell(signature=""),
        await shop.tell(signature="não é base64 ☃"),
        await shop.tell(token="0" * 64),
        await shop.http.post(shop.path, content=BODY, headers={"X-WC-Webhook-Topic": "product.updated"}),
        await shop.http.post(shop.path + f"?token={shop.token}", content=BODY),
    ]
    assert [answer.status_code for answer in refused] == [401] * 6
    assert {(answer.content, answer.headers.get("www-authenticate")) for answer in refused} == {(b"", None)}
    sql("DELETE FROM sync.credential")
    assert (await shop.tell()).status_code == 401, "no secret proves nothing"
    assert rows(sql) == []


async def test_what_is_unknown_is_unknown_in_one_way(shop: Shop, sql: Sql) -> None:
    unknown = [
        await shop.tell(path=f"/webhooks/woocommerce/{uuid4()}"),
        await shop.tell(path=f"/webhooks/shopify/{shop.public_id}"),
        await shop.tell(path=f"/webhooks/sefaz/{shop.public_id}"),
        await shop.tell(path=f"/webhooks/nada/{shop.public_id}"),
        await shop.tell(path="/webhooks/woocommerce/nada"),
        await shop.tell(path=f"/webhooks/woocommerce/{shop.id}"),
    ]
    sql("UPDATE sync.integration SET deleted_at = now()")
    unknown.append(await shop.tell())

    def seen(answer: httpx.Response) -> Any:
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        return answer.status_code, answer.content, sorted(headers.items())

    assert {seen(answer)[:2] for answer in unknown} == {(404, b"")}
    assert all(seen(answer) == seen(unknown[0]) for answer in unknown)
    assert rows(sql) == []
    assert (await shop.http.get(shop.path)).status_code == 405


async def test_a_body_has_a_limit(shop: Shop, sql: Sql) -> None:
    most = b'{"id":5,"text":"%s"}' % (b"x" * ((1 << 20) - 18))
    assert len(most) == 1 << 20
    assert (await shop.tell(most)).status_code == 200
    assert (await shop.tell(most + b" ")).status_code == 413
    port = int(shop.http.base_url.port or 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {shop.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(17):
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert len(rows(sql)) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff\x00", b'{"id":"\\u0000"}', b'{"id":"\\ud800"}', b"1" * 99]
)
async def test_a_proved_message_that_cannot_be_read_says_that_something_changed(
    shop: Shop, sql: Sql, body: bytes
) -> None:
    assert (await shop.tell(body)).status_code == 200
    [row] = rows(sql)
    assert row.records in ({"products": [], "stock": []}, {"products": [], "stock": [""]})


async def test_the_ping_of_a_new_webhook_is_answered_and_not_kept(shop: Shop, sql: Sql) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await shop.http.post(shop.path, content=b"webhook_id=1", headers=form)).status_code == 200
    stranger = f"/webhooks/woocommerce/{uuid4()}"
    assert (await shop.http.post(stranger, content=b"webhook_id=1", headers=form)).status_code == 404
    assert rows(sql) == []


async def test_after_a_rotation_both_tokens_prove_for_a_day(
    shop: Shop, wiring: Wiring, sql: Sql, vault: Vault
) -> None:
    ids = shop.tenant_id, shop.id
    new = await webhooks.rotate(wiring.engine, vault, OPERATOR, *ids)
    assert new.isalnum()
    assert (len(new), new) != (64, shop.token)
    for token in (new, shop.token):
        assert (await shop.tell(token=token)).status_code == 200
    ended = Tokens(new, shop.token, datetime.now(UTC) - timedelta(seconds=1))
    await keep(wiring.engine, vault, *ids, TOKEN, msgspec.json.encode(ended).decode())
    assert (await shop.tell(token=shop.token)).status_code == 401
    assert (await shop.tell(token=new)).status_code == 200
    stored = sql("SELECT ciphertext FROM sync.credential")
    assert all(new.encode() not in bytes(row[0]) for row in stored)
    audited = sql("SELECT action, details::text FROM sync.audit_log WHERE action = 'webhook.rotate'")
    assert audited == [("webhook.rotate", "{}")] * 2
    with pytest.raises(NotAllowed):
        await webhooks.rotate(wiring.engine, vault, Actor("ana", can_edit=False), *ids)


async def test_a_system_that_signs_nothing_is_proved_by_the_token_in_its_address(
    connect: Callable[..., Any], sql: Sql
) -> None:
    seller = await connect("mercado-livre", client_id="77")
    note = {"_id": "n1", "resource": "/orders/2000", "topic": "orders_v2", "application_id": 77}
    body = json.dumps(note).encode()
    good = f"{seller.path}?token={seller.token}"
    for path, content, status in (
        (good, body, 200),
        (good, body.replace(b'"attempts"', b""), 200),
        (seller.path, body, 401),
        (f"{seller.path}?token=", body, 401),
        (f"{seller.path}?token={seller.token[:-1]}", body, 401),
        (good, body.replace(b"77", b"78"), 401),
    ):
        answer = await seller.http.post(path, content=content)
        assert (path, answer.status_code) == (path, status)
    [row] = rows(sql)
    assert (row.delivery_id, row.records) == ("n1", {"orders": ["2000"]})


async def test_shopify_is_proved_by_the_apps_secret(connect: Callable[..., Any], sql: Sql) -> None:
    store = await connect("shopify", {"client_secret": "segredo-do-app", "access_token": "shpat_x"})
    made = hmac.digest(b"segredo-do-app", BODY, hashlib.sha256)
    headers = {
        "X-Shopify-Hmac-Sha256": base64.b64encode(made).decode(),
        "X-Shopify-Topic": "inventory_levels/update",
        "X-Shopify-Webhook-Id": "w1",
    }
    for said, status in ((headers, 200), (headers, 200), (headers | {"X-Shopify-Hmac-Sha256": "x"}, 401)):
        assert (await store.http.post(store.path, content=BODY, headers=said)).status_code == status
    [row] = rows(sql)
    assert (row.delivery_id, row.records) == ("w1", {"stock": []})


async def test_deliveries_of_many_tenants_share_a_commit_and_stay_with_their_own(
    shop: Shop, wiring: Wiring, sql: Sql, database: Database, vault: Vault
) -> None:
    other = new_tenant(database, "Outra")
    made = sql(
        "INSERT INTO sync.integration (tenant_id, provider, name) VALUES (:t, 'woocommerce', 'X')"
        " RETURNING id, webhook_public_id",
        t=other.id,
    )[0]
    token = await webhooks.rotate(wiring.engine, vault, OPERATOR, other.id, made[0])
    theirs = Shop(made[0], other.id, "woocommerce", made[1], token, shop.http)
    answers = await asyncio.gather(
        *(one.tell(b'{"id":%d}' % id_) for id_ in range(40) for one in (shop, theirs)),
        shop.tell(token=token),
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 80 + [401]
    for one in (shop, theirs):
        async with tenant_transaction(wiring.engine, one.tenant_id) as connection:
            found = await connection.execute(text("SELECT integration_id FROM sync.webhook_event"))
            assert found.scalars().all() == [one.id] * 40


async def test_one_that_cannot_be_kept_takes_no_others_with_it(
    shop: Shop, wiring: Wiring, sql: Sql, vault: Vault
) -> None:
    box = inbox.Inbox(wiring.engine, vault, {})
    door = await box.door(shop.public_id)
    assert door is not None
    good = [Event(f"g{n}", "product.updated", b"{}", {}) for n in range(3)]
    bad = Event("\0", "product.updated", b"{}", {})
    ended = await asyncio.gather(
        *(box.put(door, [event]) for event in (good[0], bad, *good[1:])), return_exceptions=True
    )
    assert [isinstance(one, Exception) for one in ended] == [False, True, False, False]
    assert sorted(row.delivery_id for row in rows(sql)) == ["g0", "g1", "g2"]


async def test_without_its_database_nothing_is_accepted(
    shop: Shop, cluster: embedded.Server, sql: Sql
) -> None:
    assert (await shop.tell()).status_code == 200
    [(name,)] = sql("SELECT current_database()")
    admin = create_engine(cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(ended), {"name": name})
        answers = [await shop.tell(BODY.replace(b"5", b"%d" % id_)) for id_ in range(6, 9)]
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))
    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert len(rows(sql)) == 1
    assert (await shop.tell(BODY.replace(b"5", b"6"))).status_code == 200, "it is there again"


async def test_a_commit_that_takes_too_long_is_not_waited_for(
    shop: Shop, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(inbox, "DOOR_SECONDS", 60.0)
    assert (await shop.tell()).status_code == 200
    admin = create_engine(database.admin_url, poolclass=NullPool)
    with admin.begin() as connection:
        connection.execute(text("LOCK TABLE sync.webhook_event"))
        assert (await shop.tell(b'{"id":6}')).status_code == 503
    # It is told again, whether or not it came through in the end.
    assert (await shop.tell(b'{"id":6}')).status_code == 200
    assert sorted(row.external_id for row in rows(sql)) == ["5", "6"]


def test_freshness_is_said_in_words() -> None:
    now = datetime.now(UTC)
    said = [freshness(now - timedelta(minutes=n), now) for n in (0, 1, 59, 60, 47 * 60, 48 * 60)]
    assert [one.removeprefix("último webhook há ") for one in said] == [
        *("menos de 1 min", "1 min", "59 min", "1 h", "47 h", "2 dias"),
    ]
    assert freshness(None, now) == "aguardando primeiro evento"
