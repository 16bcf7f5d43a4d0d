"""The limit of speed: exact over every window, and what the meter tells of it."""

import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world.meter import Meter
from sandbox.world.process import World, start
from tests.sandbox.conftest import client_of

# Binary fractions: sums are exact.
gaps = st.lists(st.integers(0, 40).map(lambda number: number / 32), max_size=80)


@given(gaps=gaps, requests=st.integers(1, 6))
def test_the_window_against_a_plain_count(gaps: list[float], requests: int) -> None:
    meter = Meter(requests, 1.0)
    now = 0.0
    arrivals: list[float] = []
    served: list[float] = []
    for gap in gaps:
        now += gap
        free = sum(now - 1.0 < moment for moment in served) < requests
        wait = meter.arrive(now)
        arrivals.append(now)
        assert (wait is None) == free
        if wait is None:
            served.append(now)
        else:
            assert wait >= 1
            assert sum(now + wait - 1.0 < moment for moment in served) < requests
    report = meter.report()
    windows = [sum(end - 1.0 < moment <= end for moment in arrivals) for end in arrivals]
    assert report["most"] == max(windows, default=0)
    assert (report["calls"], report["violations"]) == (len(arrivals), len(arrivals) - len(served))
    assert report["busy_seconds"] == sum(min(gap, 1.0) for gap in gaps[1:])


def test_the_rate_leaves_out_pauses() -> None:
    meter = Meter(5, 1.0)
    for moment in (0.0, 0.25, 0.5, 0.75, 1.0, 61.0, 61.25):
        assert meter.arrive(moment) is None
    assert meter.report()["rate"] == 6 / 2.25
    meter.clear()
    assert (meter.report()["calls"], meter.report()["rate"]) == (0, 0.0)
    assert [meter.arrive(61.5) for _ in range(4)] == [None, None, None, 1]


def test_calls_above_the_limit_are_refused() -> None:
    with start(requests=5, seconds=2.0) as world, client_of(world) as calls:
        began = time.monotonic()
        answers = [calls.get("/products") for _ in range(8)]
        assert time.monotonic() - began < 1.0, "too slow a machine to tell"
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert answers[-1].headers["retry-after"] == "2"
        report = world.meter()
        assert (report["requests"], report["seconds"]) == (5, 2.0)
        assert (report["calls"], report["violations"], report["most"]) == (8, 3, 8)
        assert [entry["status"] for entry in world.history()][-3:] == [429] * 3
        assert calls.post("/oauth/token").status_code == 401
        time.sleep(2.0)
        assert calls.get("/products").status_code == 200
        world.switch(requests=0)
        assert {calls.get("/products").status_code for _ in range(20)} == {200}


class Tokens:
    """A client of the token endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world

    def refresh(self, token: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token,
            "client_id": self._world.client_id,
            "client_secret": self._world.client_secret,
        }
        return httpx.post(f"{self._world.url}/oauth/token", data=form | changes, trust_env=False)

    def read(self, access: str) -> int:
        headers = {"Authorization": f"Bearer {access}"}
        return httpx.get(f"{self._world.url}/products", headers=headers, trust_env=False).status_code


@pytest.fixture
def tokens(world: World) -> Tokens:
    world.switch(oauth=True)
    return Tokens(world)


def test_refresh_tokens_work_once(world: World, tokens: Tokens) -> None:
    granted = world.consent()
    assert tokens.read(granted["access_token"]) == 200
    assert tokens.read(world.token) == 401
    fresh = tokens.refresh(granted["refresh_token"]).json()
    assert (fresh["token_type"], fresh["expires_in"]) == ("Bearer", 3600)
    assert [tokens.read(one["access_token"]) for one in (granted, fresh)] == [200, 200]
    other = world.consent()
    spent = tokens.refresh(granted["refresh_token"])
    assert (spent.status_code, spent.json()) == (400, {"error": "invalid_grant"})
    assert [tokens.read(one["access_token"]) for one in (granted, fresh, other)] == [401, 401, 200]
    assert tokens.refresh(fresh["refresh_token"]).status_code == 400
    assert world.meter()["oauth"] == {"refreshed": 1, "invalid_grant": 2, "replayed": 1, "revoked": 1}


def test_a_spent_token_may_leave_its_family_alone(world: World, tokens: Tokens) -> None:
    world.switch(revoke_family=False)
    granted = world.consent()
    fresh = tokens.refresh(granted["refresh_token"]).json()
    assert tokens.refresh(granted["refresh_token"]).status_code == 400
    assert tokens.read(fresh["access_token"]) == 200
    world.restart()
    assert tokens.read(fresh["access_token"]) == 200
    assert tokens.refresh(fresh["refresh_token"]).status_code == 200


def test_access_tokens_end(world: World, tokens: Tokens) -> None:
    world.switch(access_seconds=0.4)
    granted = world.consent()
    assert tokens.read(granted["access_token"]) == 200
    time.sleep(0.5)
    assert tokens.read(granted["access_token"]) == 401
    world.switch(access_seconds=60)
    fresh = tokens.refresh(granted["refresh_token"]).json()
    world.expire_access()
    assert tokens.read(fresh["access_token"]) == 401
    fresh = tokens.refresh(fresh["refresh_token"]).json()
    world.revoke()
    assert tokens.read(fresh["access_token"]) == 401
    assert tokens.refresh(fresh["refresh_token"]).json() == {"error": "invalid_grant"}


def test_wrong_clients_and_grants(world: World, tokens: Tokens) -> None:
    token = world.consent()["refresh_token"]
    wrong = tokens.refresh(token, client_secret="x")
    assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
    wrong = tokens.refresh(token, grant_type="password")
    assert (wrong.status_code, wrong.json()) == (400, {"error": "unsupported_grant_type"})
    basic = httpx.post(
        f"{world.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": token},
        auth=(world.client_id, world.client_secret),
    )
    assert basic.status_code == 200


def test_a_lost_answer_spends_the_token(world: World, tokens: Tokens) -> None:
    token = world.consent()["refresh_token"]
    world.faults({"kind": "lost_answer", "match": {"path": "^/oauth"}, "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        tokens.refresh(token)
    assert tokens.refresh(token).json() == {"error": "invalid_grant"}
