"""The deployments that stand for no pair. `prefect.yaml` declares the same ones for `prefect deploy --all`;
a test holds the two against each other."""

from dataclasses import dataclass

from core.cadence import ZONE
from deployments.client import Json
from deployments.desired import VERSION, Desired
from deployments.form import discovery_form, migration_form

SYSTEM_TAG = "cloudtosys-system"


@dataclass(frozen=True, slots=True)
class Fixed:
    flow: str
    name: str
    entrypoint: str
    description: str
    cron: str | None = None
    form: Json | None = None

    def desired(self, pool_name: str) -> Desired:
        """One with a schedule has no parameters and runs one at a time."""
        fields: Json = {
            "version": VERSION,
            "description": self.description,
            "paused": False,
            "tags": [SYSTEM_TAG],
            "entrypoint": self.entrypoint,
            "work_pool_name": pool_name,
        }
        if self.form is not None:
            fields |= {"parameter_openapi_schema": self.form, "enforce_parameter_schema": True}
        if self.cron is None:
            return Desired(self.flow, self.name, fields, None, active=False)
        fields |= {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
        schedule: Json = {"cron": self.cron, "timezone": ZONE, "day_or": True}
        return Desired(self.flow, self.name, fields, schedule, active=True)


DISCOVERY = Fixed(
    flow="discover",
    name="Descoberta de vínculos",
    entrypoint="flows.discovery.discover",
    description="Propõe vínculos entre registros que já existem nos dois lados, por SKU, GTIN, CPF/CNPJ, "
    "e-mail, número, slug ou nome.",
    form=discovery_form(),
)
MIGRATION = Fixed(
    flow="legacy-migration",
    name="Migração de legado",
    entrypoint="flows.migration.legacy_migration",
    description="Lê uma vez uma planilha ou tabela de um ERP antigo: simula, ou grava no ERP.",
    form=migration_form(),
)
FIXED = (
    Fixed(
        flow="housekeeping",
        name="Limpeza diária",
        entrypoint="flows.system.housekeeping",
        description="Apaga o que passou do prazo de guarda: payloads 30 dias, pendências resolvidas 90 dias, "
        "logs 2 anos.",
        cron="20 5 * * *",
    ),
    DISCOVERY,
    MIGRATION,
)
