"""Logs and failed records as runs leave them, for pages that show them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from db.vault import Vault

Sql = Callable[..., Any]
NewLog = Callable[..., UUID]
NewIssue = Callable[..., UUID]


@pytest.fixture
def shop(sql: Sql, new_pair: Callable[..., UUID]) -> UUID:
    """Loja Centro, which imports products."""
    new_pair(name="Loja Centro")
    return UUID(str(sql("SELECT id FROM sync.integration")[0][0]))


@pytest.fixture
def new_log(sql: Sql, shop: UUID) -> NewLog:
    def make(minutes: float = 10, status: str = "success", **more: Any) -> UUID:
        values = {
            "id": uuid4(),
            "minutes": minutes,
            "status": status,
            "entity": "products",
            "direction": "import",
            "trigger": "schedule",
            "errors": 0,
            "message": "",
            "error_class": None,
            "cause": "",
            "remedy": "",
            "parent": None,
            "total": None,
            "flow_run": None,
        } | more
        sql(
            "INSERT INTO sync.sync_log (id, tenant_id, integration_id, pair_id, entity, direction, status,"
            " initiated_by, started_at, ended_at, processed, success, created, updated, errors, message,"
            " error_class, cause, remedy, parent_id, total, flow_run_id, details) SELECT :id, p.tenant_id,"
            " p.integration_id, p.id, :entity, :direction, :status, :trigger,"
            " now() - make_interval(secs => 60 * :minutes), CASE WHEN :status <> 'running' THEN now()"
            " - make_interval(secs => 60 * :minutes - 90) END, 5 + :errors, 5, 2, 3, :errors, :message,"
            " :error_class, :cause, :remedy, :parent, :total, :flow_run,"
            ' \'{"ids": ["A-1", "A-2"], "api": {"status": 500}}\' FROM sync.pair p LIMIT 1',
            **values,
        )
        return UUID(str(values["id"]))

    return make


@pytest.fixture
def new_issue(sql: Sql, vault: Vault) -> Callable[..., UUID]:
    def make(log: UUID, external_id: str, **more: Any) -> UUID:
        sealed = vault.seal_payload(more.pop("payload", b'{"id": 1, "billing": {"cpf": "123"}}'))
        values = {
            "id": uuid4(),
            "log": log,
            "external": external_id,
            "error_class": "RecordError",
            "field": "billing.cpf",
            "message": "CPF inválido.",
            "state": "open",
            "attempt": 1,
            "payload": sealed.ciphertext,
            "key": sealed.key_id,
        } | more
        sql(
            "INSERT INTO sync.issue (id, tenant_id, sync_log_id, integration_id, pair_id, entity, direction,"
            " external_id, attempt, error_class, field, message, cause, remedy, fault, state, payload,"
            " key_id)"
            " SELECT :id, l.tenant_id, l.id, l.integration_id, l.pair_id, l.entity, l.direction, :external,"
            " :attempt, :error_class, :field, :message, 'Um campo está vazio.', 'Corrija o campo.', 'data',"
            " :state, :payload, :key FROM sync.sync_log l WHERE l.id = :log",
            **values,
        )
        return UUID(str(values["id"]))

    return make
