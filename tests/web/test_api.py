"""The JSON API: keys and scopes, what each noun does, errors, repeats."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from db import api_keys
from db.audit import By
from db.trail import Filters, trail
from tests.conftest import Database, Tenant
from tests.console import Asked
from tests.population import Populated, populate
from tests.shared import console, database, orchestrator, wiring
from web.api import gate
from web.api.app import PREFIX
from web.wiring import Wiring

__all__ = ["console", "database", "orchestrator", "wiring"]
Sql = Callable[..., Any]
NOBODY = "00000000-0000-7000-8000-000000000000"


async def client(console: str, wiring: Wiring, tenant: Tenant, *scopes: str) -> httpx.AsyncClient:
    key = await api_keys.create(wiring.engine, tenant.id, "Painel", scopes, None, By("teste"))
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=console + PREFIX, headers=headers, timeout=30, trust_env=False)


@pytest.fixture
async def api(console: str, wiring: Wiring, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A program that may read and write."""
    async with await client(console, wiring, tenant, "ler", "escrever") as http:
        yield http


@pytest.fixture
async def here(console: str, database: Database, wiring: Wiring, tenant: Tenant) -> Populated:
    return await populate(database, wiring, tenant)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["error_id"]
    assert found["causa"]
    return found


async def test_without_a_key_nothing_is_said(console: str, wiring: Wiring, tenant: Tenant) -> None:
    key = await api_keys.create(wiring.engine, tenant.id, "x", ["ler"], None, By("teste"))
    async with httpx.AsyncClient(base_url=console + PREFIX, timeout=60, trust_env=False) as http:
        for given in ("", f"Basic {key}", f"Bearer {key}x", "Bearer cts_", "Bearer", f"bearer  {key[:-1]}"):
            refused = await http.get("/integrations", headers={"Authorization": given} if given else {})
            assert problem(refused, 401)["title"] == "Chave necessária"
            assert refused.headers["www-authenticate"] == "Bearer"
        assert (await http.post("/failures/resolve", content=b"{" * 9)).status_code == 401
        let_in = await http.get("/integrations", headers={"Authorization": f"bearer {key}"})
    assert let_in.status_code == 200
    [row] = await api_keys.listing(wiring.engine, tenant.id)
    assert row.used_at is not None


async def test_a_key_that_reads_does_not_write(console: str, wiring: Wiring, tenant: Tenant) -> None:
    async with await client(console, wiring, tenant, "ler") as http:
        assert (await http.get("/pairs")).status_code == 200
        refused = await http.post(f"/pairs/{NOBODY}/run", json={})
        assert problem(refused, 403)["title"] == "Chave sem permissão"
        assert (await http.post(f"/conflicts/{NOBODY}/preview", json={})).status_code == 404
    async with await client(console, wiring, tenant, "escrever") as http:
        assert (await http.get("/pairs")).status_code == 403


async def test_a_key_has_its_share_of_calls(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "CALLS_PER_MINUTE", 3)
    monkeypatch.setattr(gate, "_minute", lambda: 1)
    statuses = [(await api.get("/alarms")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert (await api.get("/alarms")).headers["retry-after"] == "60"
    monkeypatch.setattr(gate, "_minute", lambda: 2)
    assert (await api.get("/alarms")).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"reason=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{", {"Content-Type": "application/json"}, 422),
        (b'{"reason": "a\\u0000b"}', {"Content-Type": "application/json"}, 422),
        (b'{"reason": "x", "tenant_id": "y"}', {"Content-Type": "application/json"}, 422),
        (b" " * (gate.LARGEST_BODY + 1), {"Content-Type": "application/json"}, 413),
    ],
)
async def test_bodies_that_are_refused(
    api: httpx.AsyncClient, here: Populated, content: bytes, headers: dict[str, str], status: int
) -> None:
    path = f"/integrations/{here.ids['integration']}/pause"
    problem(await api.post(path, content=content, headers=headers), status)


async def test_a_body_without_its_size_is_refused(api: httpx.AsyncClient, here: Populated) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    path = f"/integrations/{here.ids['integration']}/pause"
    headers = {"Content-Type": "application/json"}
    problem(await api.post(path, content=pieces(), headers=headers), 411)


async def test_what_is_wrong_is_named_and_never_repeated(api: httpx.AsyncClient) -> None:
    refused = await api.post("/mappings", json={"entity": "segredo", "x": "segredo"})
    found = problem(refused, 422)
    fields = {one["campo"]: one["problema"] for one in found["campos"]}
    assert fields["x"] == "não existe"
    assert fields["internal_id"] == "é obrigatório"
    assert fields["entity"] == "não é uma das opções"
    assert "segredo" not in refused.text
    assert problem(await api.get("/nada"), 404)["solucao"]
    problem(await api.put("/pairs"), 405)
    problem(await api.get("/logs/nada"), 404)


async def test_a_repeated_request_is_answered_and_not_done_again(
    api: httpx.AsyncClient, here: Populated, orchestrator: Asked, sql: Sql
) -> None:
    path, key = f"/pairs/{here.ids['pair']}/run", {"Idempotency-Key": "pedido-1"}
    first = await api.post(path, json={}, headers=key)
    assert first.status_code == 202
    again = await api.post(path, json={}, headers=key)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert [name for name, _ in orchestrator.calls].count("trigger") == 1
    problem(await api.post(path, json={"full": True}, headers=key), 422)
    problem(await api.post(path, json={}, headers={"Idempotency-Key": "a b"}), 422)
    sql("UPDATE sync.idempotency_key SET status = NULL")
    problem(await api.post(path, json={}, headers=key), 409)
    sql("UPDATE sync.idempotency_key SET created_at = now() - interval '8 days'")
    assert (await api.post(path, json={}, headers=key)).status_code == 202


async def test_a_refused_request_leaves_its_key_free(
    api: httpx.AsyncClient, here: Populated, sql: Sql
) -> None:
    path = f"/logs/{here.ids['log']}/resolve"
    key = {"Idempotency-Key": "pedido-2"}
    problem(await api.post(path, json={"reason": ""}, headers=key), 422)
    done = await api.post(path, json={"reason": "corrigido no cadastro"}, headers=key)
    assert done.json() == {"count": 1}


async def test_integrations_live_and_end(
    api: httpx.AsyncClient, wiring: Wiring, tenant: Tenant, orchestrator: Asked
) -> None:
    new = {
        "provider": "woocommerce",
        "name": "Loja",
        "base_url": "http://127.0.0.1:9",
        "secrets": {"consumer_key": "ck_segredo", "consumer_secret": "cs_segredo"},
        "entities": ["products"],
        "cadence": "hourly",
    }
    made = await api.post("/integrations", json=new)
    assert made.status_code == 201, made.text
    assert made.json()["secrets"] == ["consumer_key", "consumer_secret"]
    assert "segredo" not in made.text
    id_ = made.json()["id"]
    assert problem(await api.post("/integrations", json=new), 422)["detail"].startswith("Já existe")
    [pair] = (await api.get("/pairs", params={"integration_id": id_})).json()["data"]
    assert pair["cadence"] == "hourly"
    changed = await api.patch(f"/integrations/{id_}", json={"name": "Loja 2", "secrets": {}})
    assert changed.json()["name"] == "Loja 2"
    refused = await api.patch(f"/integrations/{id_}", json={"base_url": "http://10.0.0.1"})
    assert problem(refused, 422)["type"].endswith("AddressRefused")
    for what, status in (("pause", "paused"), ("disable", "disabled"), ("resume", "active")):
        assert (await api.post(f"/integrations/{id_}/{what}", json={})).json()["status"] == status
    tested = (await api.post(f"/integrations/{id_}/test")).json()
    assert tested["ok"] is False
    assert tested["remedy"]
    assert (await api.delete(f"/integrations/{id_}")).status_code == 204
    assert (await api.get(f"/integrations/{id_}")).status_code == 404
    assert (await api.post(f"/integrations/{id_}/restore")).json()["status"] == "paused"
    assert ("apply", {"pair_ids": None}) not in orchestrator.calls
    actors = {entry.actor for entry in await trail(wiring.engine, tenant.id, Filters(target=id_))}
    assert actors == {"chave:Painel"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"provider": "nada"}, "nada"),
        ({"secrets": {"consumer_key": "ck_1"}}, "Falta preencher"),
        ({"secrets": {"x": "1"}}, "não tem x"),
        ({"base_url": "http://169.254.169.254"}, "169.254"),
        ({"entities": ["bank_transactions"]}, "não oferece"),
        ({"branch": "99"}, "filial"),
    ],
)
async def test_integrations_that_are_not_made(
    api: httpx.AsyncClient, more: dict[str, Any], words: str
) -> None:
    new = {
        "provider": "woocommerce",
        "name": "Loja",
        "base_url": "http://127.0.0.1:9",
        "secrets": {"consumer_key": "ck_1", "consumer_secret": "cs_1"},
    }
    refused = await api.post("/integrations", json=new | more)
    assert words in problem(refused, 422)["detail"]


async def test_pairs_are_changed_and_run(
    api: httpx.AsyncClient, here: Populated, orchestrator: Asked
) -> None:
    path = f"/pairs/{here.ids['pair']}"
    changed = await api.patch(path, json={"cadence": "daily", "enabled": False, "policy": "newest"})
    assert [changed.json()[name] for name in ("cadence", "enabled", "policy")] == ["daily", False, "newest"]
    assert (await api.post(f"{path}/run", json={"full": True})).json()["flow_run_id"]
    asked = (await api.post(f"{path}/simulate", json={})).json()["data"]
    assert [one["direction"] for one in asked] == ["import", "export"]
    period = {"since": "2026-01-01T00:00:00-03:00", "until": "2026-02-01T00:00:00-03:00"}
    [filled] = (await api.post(f"{path}/backfill", json=period)).json()["data"]
    assert filled["kind"] == "backfill"
    problem(await api.post(f"{path}/backfill", json={"since": "2126-01-01T00:00:00Z"}), 422)
    problem(await api.post(f"{path}/backfill", json={"since": "2026-01-01T00:00:00"}), 422)
    cancelled = await api.post(f"/requests/{filled['id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    problem(await api.post(f"/requests/{filled['id']}/cancel"), 422)
    assert {name for name, _ in orchestrator.calls} >= {"trigger", "apply"}


async def test_mappings_are_listed_made_and_broken(api: httpx.AsyncClient, here: Populated) -> None:
    ids = here.ids
    [row] = (await api.get("/mappings", params={"search": here.ids["external"][3:9]})).json()["data"]
    assert row["id"] == ids["mapping"]
    new = {
        "integration_id": ids["integration"],
        "entity": "products",
        "internal_id": ids["spare"],
        "external_id": "77",
    }
    made = await api.post("/mappings", json=new)
    assert made.status_code == 201
    problem(await api.post("/mappings", json=new), 409)
    path = f"/mappings/{made.json()['id']}"
    noted = await api.put(f"{path}/notes", json={"notes": "conferido"})
    assert noted.json()["notes"] == "conferido"
    asked = await api.post(f"{path}/resync", json={"direction": "import", "reason": "preço"})
    assert (asked.status_code, asked.json()["kind"]) == (202, "resync")
    assert {one["action"] for one in (await api.get(path)).json()["history"]} >= {"mapping.create"}
    assert (await api.delete(path, params={"reason": "engano"})).status_code == 204
    problem(await api.get(path), 404)
    missing = {"integration_id": ids["integration"], "entity": "products", "decision": "release"}
    assert (await api.post("/mappings/missing", json=missing)).json() == {"count": 0}


async def test_pages_follow_each_other(api: httpx.AsyncClient, here: Populated, sql: Sql) -> None:
    sql(
        "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
        " SELECT :tenant, :integration, 'orders', 'p' || n, gen_random_uuid() FROM generate_series(1, 7) n",
        tenant=here.tenant.id,
        integration=here.ids["integration"],
    )
    seen: list[str] = []
    cursor: str | None = None
    while True:
        after: dict[str, str] = {"cursor": cursor} if cursor else {}
        found = (await api.get("/mappings", params={"entity": "orders", "limit": "3"} | after)).json()
        seen += [row["external_id"] for row in found["data"]]
        if (cursor := found["next"]) is None:
            break
    assert sorted(seen) == [f"p{n}" for n in range(1, 8)]
    problem(await api.get("/mappings", params={"limit": 201}), 422)


async def test_conflicts_are_seen_and_resolved(
    api: httpx.AsyncClient, here: Populated, orchestrator: Asked
) -> None:
    [row] = (await api.get("/conflicts")).json()["data"]
    assert (row["id"], row["fields"]) == (here.ids["conflict"], ["name"])
    path = f"/conflicts/{row['id']}"
    [field] = (await api.get(path)).json()["fields"]
    assert (field["erp"], field["external"]) == (here.mark, f"{here.mark} fora")
    [seen] = (await api.post(f"{path}/preview", json={"values": {"name": "Outro"}})).json()["fields"]
    assert (seen["final"], seen["to_erp"], seen["to_external"]) == ("Outro", True, True)
    problem(await api.post(f"{path}/resolve", json={}), 422)
    problem(await api.post(f"{path}/resolve", json={"sides": {"price": "erp"}}), 422)
    done = await api.post(f"{path}/resolve", json={"sides": {"name": "external"}, "reason": "o site"})
    assert done.json() == {"id": row["id"], "choices": {"name": "external"}, "run_asked": True}
    assert here.mark not in done.text, "answers that are kept hold no record"
    problem(await api.get(path), 404)
    all_ = {"integration_id": here.ids["integration"], "side": "erp"}
    assert (await api.post("/conflicts/resolve-all", json=all_)).json() == {"resolved": 0, "failed": []}


async def test_discoveries_propose_and_link(
    api: httpx.AsyncClient, here: Populated, orchestrator: Asked
) -> None:
    path = f"/discoveries/{here.ids['discovery']}"
    assert (await api.get(path)).json()["state"] == "proposed"
    [proposal] = (await api.get(f"{path}/proposals")).json()["data"]
    assert proposal["candidates"][0]["id"] == here.ids["spare"]
    pick = f"/proposals/{here.ids['proposal']}/pick"
    problem(await api.post(pick, json={"internal_id": here.ids["product"]}), 422)
    assert (await api.post(pick, json={"internal_id": here.ids["spare"]})).status_code == 204
    assert (await api.post(f"{path}/apply", json={})).json() == {"linked": 0, "passed": 0}
    dismissed = await api.post("/proposals/dismiss", json={"ids": [here.ids["proposal"]]})
    assert dismissed.json() == {"count": 0}
    new = {"integration_id": here.ids["integration"], "entity": "products"}
    begun = await api.post("/discoveries", json=new)
    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    assert orchestrator.calls[-1][0] == "discover"
    problem(await api.post("/discoveries", json=new | {"entity": "orders"}), 422)


async def test_logs_are_read_resolved_exported_and_told(api: httpx.AsyncClient, here: Populated) -> None:
    [row] = (await api.get("/logs", params={"unresolved": "true", "status": "error"})).json()["data"]
    path = f"/logs/{row['id']}"
    assert (await api.get(path)).json()["message"] == here.mark
    exported = await api.post(f"{path}/export")
    assert exported.json()["issues"][0]["payload"]["name"] == here.mark
    opened = await api.post(f"{path}/ticket", json={"note": "já tentei de novo"})
    assert opened.status_code == 201
    assert opened.json()["is_new"] is False, "the log had one"
    ticket = f"/tickets/{here.ids['ticket']}"
    assert (await api.get(ticket)).json()["state"] == "open"
    assert (await api.post(f"{ticket}/close")).json()["state"] == "closed"
    problem(await api.post(f"{ticket}/close"), 404)
    problem(await api.post(f"{path}/cancel"), 422)
    assert (await api.post(f"{path}/resolve", json={"reason": "visto"})).json() == {"count": 1}


async def test_failures_are_grouped_corrected_and_resolved(
    api: httpx.AsyncClient, here: Populated, wiring: Wiring
) -> None:
    [row] = (await api.get("/failures")).json()["data"]
    [cause] = (await api.get("/failures/causes")).json()["data"]
    assert (cause["error_class"], cause["records"]) == ("RecordError", 1)
    path = f"/failures/{row['id']}"
    assert len((await api.get(path)).json()["attempts"]) == 1
    [asked] = (await api.post("/failures/reprocess", json={"ids": [row["id"]]})).json()["data"]
    assert (asked["kind"], asked["state"]) == ("reprocess", "waiting")
    by_log = await api.post("/failures/reprocess", json={"log_id": here.ids["log"]})
    assert len(by_log.json()["data"]) == 1
    problem(await api.post("/failures/reprocess", json={}), 422)
    correction = {"fields": {"name": "Certo"}, "reason": "cadastro"}
    assert (await api.post(f"{path}/override", json=correction)).status_code == 202
    resolved = {"ids": [row["id"], NOBODY], "reason": "feito à mão"}
    assert (await api.post("/failures/resolve", json=resolved)).json() == {"count": 1}
    assert (await api.get(path)).json()["resolved_by"] == "chave:Painel"
    entries = await trail(wiring.engine, here.tenant.id, Filters(action="issue.resolve"))
    assert {entry.reason for entry in entries} == {"feito à mão"}


async def test_providers_audit_and_alarms_are_read(api: httpx.AsyncClient, here: Populated) -> None:
    shop = (await api.get("/providers/woocommerce")).json()
    assert {one["entity"] for one in shop["capabilities"]} >= {"products", "orders"}
    assert {one["name"] for one in shop["settings"] if one["secret"]} >= {"consumer_key", "consumer_secret"}
    assert len((await api.get("/providers")).json()["data"]) > 10
    problem(await api.get("/providers/nada"), 404)
    found = (await api.get("/audit", params={"action": "member.grant"})).json()["data"]
    assert found[0]["kind"] == "person"
    assert [one["message"] for one in (await api.get("/alarms")).json()["data"]] == [here.mark]


async def test_the_openapi_is_open_and_can_be_read_without_a_script(console: str) -> None:
    async with httpx.AsyncClient(base_url=console + PREFIX, timeout=60, trust_env=False) as http:
        found = (await http.get("/openapi.json")).json()
        assert found["openapi"].startswith("3.1")
        assert found["servers"] == [{"url": PREFIX}]
        shown = await http.get("/docs")
    assert shown.headers["content-type"].startswith("text/html")
    for path in found["paths"]:
        assert f"{PREFIX}{path}</code>" in shown.text
    run = found["paths"]["/pairs/{pair_id}/run"]["post"]
    assert [one["name"] for one in run["parameters"]] == ["pair_id", "Idempotency-Key"]
    assert "422" not in run["responses"]
