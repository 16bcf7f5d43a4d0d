"""The stand-in against 87 exchanges recorded on a running WooCommerce 10.5.

They are replayed in their order, since later ones show what earlier ones wrote; each is then compared by
itself: status, headers, error body, shape of the records, and the fields that tell the behaviour.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.process import Store
from tests.sandbox.conftest import Signed, caller, nobody
from tests.sandbox.recordings import (
    FOLDER,
    IDS,
    NOT_APPLICABLE,
    Recording,
    load,
    names,
    translated,
    translated_path,
)

ALL = names()
APPLICABLE = [name for name in ALL if name[:2] not in NOT_APPLICABLE]
pytestmark = pytest.mark.skipif(not ALL, reason=f"no recordings at {FOLDER}")

PRESENT = (
    "x-wp-total",
    "x-wp-totalpages",
    "link",
    "allow",
    "expires",
    "vary",
    "location",
    "www-authenticate",
)
EQUAL = (
    "allow",
    "expires",
    "cache-control",
    "vary",
    "content-type",
    "x-robots-tag",
    "x-content-type-options",
)
# Unfiltered lists of a shop of the same size have the same totals.
SAME_TOTALS = {"07", "09", "10", "11", "12", "13", "14", "15", "30", "35", "36", "37", "38", "61", "70", "73"}
# Made smaller on purpose, or told in words that name the recorded shop.
OTHER_BODY = {"01": "index of fewer routes", "87": "short system status", "56": "message of another download"}
# Fields that say what the shop made of a request: they must be equal, not only alike.
TELLING: Mapping[str, tuple[str, ...]] = {
    "42": ("sku", "name", "slug", "price", "stock_quantity", "stock_status", "status", "on_sale", "weight"),
    "45": ("create.price", "create.error.code", "update.price", "update.error", "delete.error", "delete.id"),
    "47": ("stock_quantity", "stock_status", "manage_stock"),
    "50": ("price", "regular_price", "purchasable", "price_html"),
    "51": ("price", "regular_price", "price_html", "purchasable"),
    "52": ("manage_stock", "stock_quantity"),
    "53": ("manage_stock", "stock_quantity"),
    "54": ("meta_data.key", "meta_data.value"),
    "55": ("categories.id", "categories.name"),
    "58": ("date_created", "date_created_gmt", "date_modified", "date_modified_gmt", "price", "purchasable"),
    "59": ("update.manage_stock", "update.stock_quantity", "update.stock_status", "update.status"),
    "63": ("status", "date_completed", "created_via", "shipping_total", "line_items.quantity", "billing"),
    "64": ("status", "needs_payment"),
    "66": ("update.status", "update.error"),
    "67": (
        "status",
        "total",
        "line_items.name",
        "line_items.total",
        "line_items.product_id",
        "line_items.sku",
    ),
    "70": ("status", "created_via"),
    "71": ("status",),
    "72": ("status", "meta_data.key"),
}
MODIFIED = "2026-11-10T13:30:00"


class Replayed:
    """Answers by name, and how ids of the recorded shop are called here."""

    def __init__(self, secure: Store, plain: Store, reader: Store) -> None:
        self._stores = {"secure": secure, "plain": plain, "reader": reader}
        self.ids = dict(IDS)
        self.answers: dict[str, httpx.Response] = {}
        secure.control(
            "change", kind="products", id=113, fields={"manage_stock": False, "stock_quantity": None}
        )
        stock = {"manage_stock": True, "stock_quantity": 0, "stock_status": "outofstock"}
        secure.control("change", kind="products", id=111, fields=stock)
        ranks = sorted(secure.truth("products"), key=lambda item: (item["date_modified_gmt"], item["id"]))
        self._dates = {
            "products": ranks[-8]["date_modified_gmt"],
            "variations": ranks[-100]["date_modified_gmt"],
        }
        late = sorted(order["date_modified_gmt"] for order in secure.truth("orders"))
        self._dates["orders"] = late[-40]

    def replay(self, recorded: Recording) -> None:
        path = translated_path(recorded.path, self.ids)
        kind = path.strip("/").split("/")[0]
        query = [(key, self._date(kind, translated(value, self.ids))) for key, value in recorded.query]
        with self._client(recorded) as client:
            if isinstance(recorded.body, str):
                sent: dict[str, Any] = {
                    "content": recorded.body,
                    "headers": {"Content-Type": "application/json"},
                }
            elif recorded.number == "46":
                sent = {"json": {"update": recorded.body["update"] * 101}}
            else:
                sent = {} if recorded.body is None else {"json": translated(recorded.body, self.ids)}
            answer = client.request(recorded.method, path, params=httpx.QueryParams(tuple(query)), **sent)
        self.answers[recorded.name] = answer
        self._learn(recorded, answer)

    def _learn(self, recorded: Recording, answer: httpx.Response) -> None:
        """Ids that the two shops gave to the same new record."""
        theirs, ours = recorded.answer, answer.json()
        if recorded.status == 201:
            self.ids[theirs["id"]] = ours["id"]
        if recorded.number == "45":
            self.ids[theirs["create"][0]["id"]] = ours["create"][0]["id"]
        if recorded.number == "69":
            self.ids[theirs["data"]["new_draft_order_id"]] = ours["data"]["new_draft_order_id"]

    def _date(self, kind: str, value: str) -> str:
        """The recorded shop had 45 products in the second of MODIFIED; here is another such second."""
        if kind not in self._dates or not value.startswith("2026-11-10T"):
            return value
        theirs, ours = _seconds(MODIFIED), _seconds(self._dates[kind])
        shifted = ours + _seconds(value[:19]) - theirs
        return f"{_written(shifted)}{value[19:]}"

    def _client(self, recorded: Recording) -> httpx.Client:
        number, store = recorded.number, self._stores["plain" if recorded.plain else "secure"]
        if number == "08":
            return caller(store, Signed(store, client_secret="cs_wrong"))
        if number in {"01", "02"}:
            return nobody(store)
        if number == "03":
            return caller(store, ("ck_unknown", store.consumer_secret))
        if number == "04":
            return caller(store, (store.consumer_key, "cs_wrong"))
        if number == "05":
            return caller(self._stores["reader"])
        if number == "06":
            return caller(store, (store.consumer_key, store.consumer_secret))  # Basic over plain HTTP
        return caller(store)


@pytest.fixture(scope="module")
def replayed(secure: Store, plain: Store, reader: Store) -> Replayed:
    done = Replayed(secure, plain, reader)
    for name in APPLICABLE:
        done.replay(load(name))
    return done


@pytest.mark.parametrize("name", APPLICABLE)
def test_status(replayed: Replayed, name: str) -> None:
    assert replayed.answers[name].status_code == load(name).status


@pytest.mark.parametrize("name", APPLICABLE)
def test_headers(replayed: Replayed, name: str) -> None:
    recorded, answer = load(name), replayed.answers[name]
    theirs, ours = recorded.headers, answer.headers
    assert {key for key in PRESENT if key in ours} == {key for key in PRESENT if key in theirs}
    assert {key: ours.get(key) for key in EQUAL} == {key: theirs.get(key) for key in EQUAL}
    if recorded.number in SAME_TOTALS:
        for key in ("x-wp-total", "x-wp-totalpages"):
            assert ours[key] == theirs[key]


@pytest.mark.parametrize("name", [name for name in APPLICABLE if name[:2] != "07"])
def test_links_to_neighbours(replayed: Replayed, name: str) -> None:
    def bare(link: str) -> str:
        link = re.sub(r"https?://[^/]+", "", link)
        return re.sub(r"=\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d", "=moment", link)

    theirs, ours = load(name).headers.get("link", ""), replayed.answers[name].headers.get("link", "")
    assert bare(ours) == bare(theirs)


@pytest.mark.parametrize("name", [name for name in APPLICABLE if name[:2] not in OTHER_BODY])
def test_bodies(replayed: Replayed, name: str) -> None:
    recorded, ours = load(name), replayed.answers[name].json()
    if recorded.status >= 400:
        assert ours == translated(recorded.answer, replayed.ids)
    else:
        alike(recorded.answer, ours, name[:2])


@pytest.mark.parametrize("name", [name for name in APPLICABLE if name[:2] in TELLING])
def test_what_the_shop_made_of_it(replayed: Replayed, name: str) -> None:
    theirs, ours = load(name).answer, replayed.answers[name].json()
    for field in TELLING[name[:2]]:
        assert at(ours, field) == translated(at(theirs, field), replayed.ids), field


@pytest.mark.parametrize("number", sorted(OTHER_BODY))
def test_bodies_of_other_words(replayed: Replayed, number: str) -> None:
    name = next(name for name in APPLICABLE if name.startswith(number))
    theirs, ours = load(name).answer, replayed.answers[name].json()
    # list_arguments was made when recording.
    assert set(ours) == set(theirs) - {"list_arguments"}
    assert ours.get("code") == theirs.get("code")


def test_modified_after(replayed: Replayed) -> None:
    """Strictly later; a `Z` beside the flag is off by three hours; ties of one second stay together."""

    def total(number: str) -> int:
        name = next(name for name in APPLICABLE if name.startswith(number))
        return int(replayed.answers[name].headers["x-wp-total"])

    strictly, with_ties = total("22"), total("23")
    assert with_ties - strictly == total("27") > 1
    assert total("24") > with_ties
    assert total("25") == total("26") == strictly > 0


def test_answers_are_as_php_writes_them(replayed: Replayed) -> None:
    name = next(name for name in APPLICABLE if name.startswith("33"))
    assert replayed.answers[name].content.isascii()
    assert b"\\/" in replayed.answers[name].content


def test_each_recording_is_held_or_explained() -> None:
    assert len(ALL) == 87
    assert {name[:2] for name in ALL if name not in APPLICABLE} == set(NOT_APPLICABLE)
    for number, reason in sorted(NOT_APPLICABLE.items()):
        print(f"recording {number} is not applicable: {reason}")


def alike(theirs: Any, ours: Any, where: str) -> None:
    """The same keys and the same JSON types all the way down; null and empty fit everything."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        optional = {"up", "customer"} if where.endswith("_links") else set()
        assert set(ours) - optional == set(theirs) - optional, where
        for key in theirs.keys() & ours.keys():
            alike(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        if where.endswith("meta_data"):
            # Free values: the recorded shop keeps objects there too.
            theirs, ours = ([{**row, "value": ""} for row in rows] for rows in (theirs, ours))
        if theirs and len(ours) != len(theirs):
            theirs = theirs[:1] * len(ours)
        for one, other in zip(theirs, ours, strict=False):
            alike(one, other, f"{where}[]")
    elif theirs is not None and ours is not None and theirs != "" != ours:
        assert kind(ours) == kind(theirs), f"{where}: {ours!r} beside {theirs!r}"


def kind(value: Any) -> str:
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def at(value: Any, path: str) -> Any:
    """A field below lists and objects, None where a list item lacks it."""
    if isinstance(value, list):
        return [at(item, path) for item in value]
    name, _, rest = path.partition(".")
    found = value.get(name) if isinstance(value, dict) else None
    return at(found, rest) if rest else found


def _seconds(written: str) -> int:
    return int(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp())


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
