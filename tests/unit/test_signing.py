"""Signatures against published vectors."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.entities import Entity
from core.signing import signed_hex, signed_standard
from core.webhooks import TOKEN, Delivery, events, genuine
from providers.registry import get

RECORDED = Path(__file__).parents[3] / "shared" / "specs" / "woocommerce" / "recorded"
RECORDINGS = sorted(RECORDED.glob("8[123]-webhook-delivery-*.json"))
# The example of the specification ("Verifying webhook authenticity").
SPEC_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SPEC_BODY = b'{"test": 2432232314}'
SPEC_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SENT = datetime.fromtimestamp(1614265330, UTC)


def message(**headers: str) -> Delivery:
    return Delivery(SPEC_BODY, httpx.Headers(SPEC_HEADERS | headers))


def test_standard_webhooks_vector() -> None:
    assert signed_standard(SPEC_SECRET, message(), SENT)
    assert signed_standard(SPEC_SECRET.removeprefix("whsec_"), message(), SENT)
    rotated = "v1a,x v1,AAAA " + SPEC_HEADERS["webhook-signature"]
    assert signed_standard(SPEC_SECRET, message(**{"webhook-signature": rotated}), SENT)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "msg_outra"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-signature": ""},
        {"webhook-signature": SPEC_HEADERS["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-timestamp": "agora"},
        {"webhook-timestamp": "٣"},
    ],
)
def test_standard_webhooks_are_refused(headers: dict[str, str]) -> None:
    encoded = {name: value.encode() for name, value in {**SPEC_HEADERS, **headers}.items()}
    delivery = Delivery(SPEC_BODY, httpx.Headers(encoded))  # type: ignore[arg-type]
    assert not signed_standard(SPEC_SECRET, delivery, SENT)


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_signature_of_another_time_is_refused(late: timedelta) -> None:
    assert not signed_standard(SPEC_SECRET, message(), SENT + late)


@pytest.mark.parametrize("secret", [None, "", "whsec_", "whsec_não é base64"])
def test_without_a_secret_nothing_is_signed(secret: str | None) -> None:
    assert not signed_standard(secret, message(), SENT)
    assert not signed_hex(secret, SPEC_BODY, hmac.digest(b"", SPEC_BODY, hashlib.sha256).hex())


def test_shopify_documents_base64_of_the_raw_body() -> None:
    """As its documentation computes it, over the bytes as they came."""
    shopify = get("shopify").webhooks
    assert shopify is not None
    body = b'{"id":788032119674292922,"title":"Camiseta \\u00e9"}'
    made = base64.b64encode(hmac.new(b"hush", body, hashlib.sha256).digest()).decode()
    headers = httpx.Headers({"X-Shopify-Hmac-Sha256": made, "X-Shopify-Topic": "products/update"})
    assert genuine(shopify, Delivery(body, headers), {"client_secret": "hush"}, ())
    assert not genuine(
        shopify, Delivery(json.dumps(json.loads(body)).encode(), headers), {"client_secret": "hush"}, ()
    )
    [event] = events(get("shopify"), Delivery(body, headers))
    assert event.records == {Entity.PRODUCTS: ["788032119674292922"]}


def test_hubspot_signs_method_address_body_and_time() -> None:
    """Version 3, as its guide concatenates them."""
    hubspot, url = get("hubspot"), "https://erp.exemplo.test/webhooks/hubspot/1"
    assert hubspot.webhooks is not None
    event: dict[str, Any] = {
        "eventId": 1,
        "subscriptionId": 2,
        "portalId": 3,
        "occurredAt": 4,
        "objectId": 123,
    }
    event |= {"subscriptionType": "contact.creation", "attemptNumber": 0}
    body = json.dumps([event, event | {"eventId": 9}]).encode()

    def sent(at: datetime, address: str = url) -> Delivery:
        moment = f"{int(at.timestamp())}000"
        made = hmac.digest(b"segredo", f"POST{url}".encode() + body + moment.encode(), hashlib.sha256)
        headers = {
            "X-HubSpot-Signature-v3": base64.b64encode(made).decode(),
            "X-HubSpot-Request-Timestamp": moment,
        }
        return Delivery(body, httpx.Headers(headers), address)

    now, settings = datetime.now(UTC), {"webhook_secret": "segredo"}
    assert genuine(hubspot.webhooks, sent(now), settings, ())
    assert not genuine(hubspot.webhooks, sent(now), {"webhook_secret": "outro"}, ())
    assert not genuine(hubspot.webhooks, sent(now, f"{url}?x=1"), settings, ())
    assert not genuine(hubspot.webhooks, sent(now - timedelta(minutes=6)), settings, ())
    first, second = events(hubspot, sent(now))
    assert (first.topic, first.records) == ("contact.creation", {Entity.CUSTOMERS: ["123"]})
    assert (first.id, second.id) == ("3:2:1:123:4", "3:2:9:123:4")
    retried = Delivery(body.replace(b'"attemptNumber": 0', b'"attemptNumber": 1'), httpx.Headers(), url)
    assert [one.id for one in events(hubspot, retried)] == [first.id, second.id]


@pytest.mark.skipif(not RECORDINGS, reason="shared/specs/woocommerce is not here")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_what_a_running_shop_sent_is_proved_and_read(path: Path) -> None:
    found = json.loads(path.read_text())
    secret = found["signature"]["secret_invented_for_this_recording"]
    body = base64.b64decode(found["request"]["raw_body_base64"])
    delivery = Delivery(body, httpx.Headers([(k, v) for k, v in found["request"]["headers"]]))
    shop = get("woocommerce")
    assert shop.webhooks is not None
    assert genuine(shop.webhooks, delivery, {}, (secret,))
    assert not genuine(shop.webhooks, delivery, {TOKEN: secret}, ()), "only our tokens prove"
    assert not genuine(shop.webhooks, Delivery(body + b" ", delivery.headers), {}, (secret,))
    [event] = events(shop, delivery)
    said = json.loads(body)
    product = str(said.get("parent_id") or said["id"])
    assert event.records[Entity.PRODUCTS] == [product]
    assert str(said["id"]) in event.records[Entity.STOCK]
