"""What a deployment should look like, held against what Prefect derives from the flows themselves."""

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.utilities.callables import parameter_schema

from core.entities import Cadence, Direction, Entity, IntegrationStatus
from core.errors import ConfigurationError
from db.deploy import PairState
from deployments.client import Json
from deployments.desired import POOLS, desired, pool
from deployments.fixed import FIXED
from deployments.form import discovery_form, form, migration_form
from flows.discovery import discover
from flows.migration import legacy_migration

ROOT = Path(__file__).parents[2]


def state(name: str, **more: Any) -> PairState:
    values: dict[str, Any] = {
        "id": uuid4(),
        "tenant_id": UUID(int=1),
        "tenant": "loja",
        "integration_id": UUID(int=2),
        "provider": "shopify",
        "integration": name,
        "entity": Entity.PRODUCTS,
        "direction": Direction.IMPORT,
        "cadence": Cadence.HOURLY,
        "enabled": True,
        "status": IntegrationStatus.ACTIVE,
        "deployment_id": None,
        "changed_at": datetime.now(UTC),
    }
    return PairState(**(values | more))


@pytest.mark.parametrize("entity", list(Entity))
def test_every_entity_has_a_flow_whose_parameters_the_form_asks_for(entity: Entity) -> None:
    made = desired([state("Loja", entity=entity)], "cloudtosys")
    aim = next(iter(made.values()))
    module, _, name = aim.fields["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    assert flow.name == aim.flow
    derived = parameter_schema(flow).model_dump_for_openapi()
    ours = form(entity)
    assert ours["required"] == derived["required"]
    assert ours["properties"].keys() == derived["properties"].keys()
    for key, field in derived["properties"].items():
        assert ours["properties"][key].get("default") == field.get("default")
        assert ours["properties"][key]["title"] != key
    assert ours["properties"]["initiated_by"]["enum"] == derived["definitions"]["Trigger"]["enum"]


def test_names_read_well_and_are_unique_within_a_flow() -> None:
    first, second = state("Shopify Loja/Principal", id=UUID(int=1)), state("Shopify Loja Principal")
    made = desired([second, first], "cloudtosys")
    assert made[first.id].name == "Shopify Loja Principal · produtos · importar"
    assert made[second.id].name == f"Shopify Loja Principal · produtos · importar · {second.id.hex[-6:]}"


@pytest.mark.parametrize(
    "more",
    [
        {"enabled": False},
        {"cadence": Cadence.MANUAL},
        {"status": IntegrationStatus.PAUSED},
        {"status": IntegrationStatus.ERROR},
        {"status": IntegrationStatus.DISABLED},
    ],
)
def test_what_is_paused_has_no_active_schedule(more: dict[str, Any]) -> None:
    made = desired([state("Loja", **more)], "cloudtosys")
    assert [aim.active for aim in made.values()] == [False]
    assert next(iter(desired([state("Loja")], "cloudtosys").values())).active


def test_the_work_pool_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDTOSYS_WORKER", raising=False)
    assert pool() == POOLS["warm"]
    monkeypatch.setenv("CLOUDTOSYS_WORKER", "process")
    assert pool() == ("cloudtosys-process", "process")
    monkeypatch.setenv("CLOUDTOSYS_WORKER", "docker")
    with pytest.raises(ConfigurationError):
        pool()


@pytest.mark.parametrize(
    ("flow", "ours"), [(discover, discovery_form()), (legacy_migration, migration_form())]
)
def test_the_form_of_a_fixed_deployment_is_that_of_its_flow(flow: Any, ours: Json) -> None:
    derived = parameter_schema(flow).model_dump_for_openapi()
    assert ours["required"] == derived["required"]
    assert ours["properties"].keys() == derived["properties"].keys()
    for key, field in derived["properties"].items():
        words = {name: ours["properties"][key][name] for name in ("title", "description")}
        assert ours["properties"][key] == field | words
        assert words["title"] != key


def test_prefect_yaml_declares_the_fixed_deployments() -> None:
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert len(declared) == len(FIXED)
    for entry, fixed in zip(declared, FIXED, strict=True):
        aim = fixed.desired("cloudtosys")
        assert entry["name"] == aim.name
        assert entry["entrypoint"] == aim.fields["entrypoint"]
        assert entry["description"] == aim.fields["description"]
        assert entry["tags"] == aim.fields["tags"]
        assert [schedule["cron"] for schedule in entry["schedules"]] == [fixed.cron] * bool(fixed.cron)
        assert entry["work_pool"]["name"] == "cloudtosys"
        module, _, name = fixed.entrypoint.rpartition(".")
        assert getattr(importlib.import_module(module), name).name == fixed.flow
