"""The deployments that stand for no pair. `prefect.yaml` declares the same ones for `prefect deploy --all`;
a test holds the two against each other."""

from dataclasses import dataclass

from deployments.cadence import ZONE
from deployments.client import Json
from deployments.desired import VERSION, Desired

SYSTEM_TAG = "cloudtosys-system"


@dataclass(frozen=True, slots=True)
class Fixed:
    flow: str
    name: str
    entrypoint: str
    description: str
    cron: str

    def desired(self, pool_name: str) -> Desired:
        schedule: Json = {"cron": self.cron, "timezone": ZONE, "day_or": True}
        fields: Json = {
            "version": VERSION,
            "description": self.description,
            "paused": False,
            "tags": [SYSTEM_TAG],
            "entrypoint": self.entrypoint,
            "work_pool_name": pool_name,
            "concurrency_limit": 1,
            "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
        }
        return Desired(self.flow, self.name, fields, schedule, active=True)


FIXED = (
    Fixed(
        flow="housekeeping",
        name="Limpeza diária",
        entrypoint="flows.system.housekeeping",
        description="Apaga o que passou do prazo de guarda: payloads 30 dias, pendências resolvidas 90 dias, "
        "logs 2 anos.",
        cron="20 5 * * *",
    ),
)
