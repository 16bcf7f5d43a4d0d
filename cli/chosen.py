"""The rows that the words of a command line mean. All raise `ConfigurationError` with what can be chosen."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, Entity
from core.errors import Advice, ConfigurationError
from db import admin


class NotChosen(ConfigurationError):
    advice = Advice(
        "Nome desconhecido",
        "O comando não disse com clareza a que se refere.",
        "Confira o nome com `cloudtosys integration list`, `cloudtosys pair list` ou "
        "`cloudtosys tenant list` e repita o comando.",
    )


async def tenant(engine: AsyncEngine, slug: str) -> admin.TenantRow:
    """The tenant of that slug, or the only one there is."""
    found = await admin.tenants(engine)
    if not found:
        raise NotChosen("Ainda não há tenant: crie um com `cloudtosys tenant create`.")
    chosen = [row for row in found if row.slug == slug] if slug else found
    if len(chosen) == 1:
        return chosen[0]
    slugs = ", ".join(row.slug for row in found)
    if slug:
        raise NotChosen(f"Não há tenant {slug!r}. Existem: {slugs}.")
    raise NotChosen(f"Há vários tenants: escolha um com --tenant ({slugs}).")


async def integration(engine: AsyncEngine, tenant_id: UUID, typed: str) -> admin.IntegrationRow:
    """By id or by name, whatever its case; the beginning of a name is enough where only one begins so."""
    return among(await admin.integrations(engine, tenant_id), typed)


def among(rows: Sequence[admin.IntegrationRow], typed: str) -> admin.IntegrationRow:
    """As `integration`, of these."""
    wanted = typed.strip().lower()
    exact = [row for row in rows if wanted in (str(row.id), row.name.lower())]
    found = exact or [row for row in rows if row.name.lower().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(row.name for row in rows) or "nenhuma"
    raise NotChosen(f"{'Mais de uma' if found else 'Nenhuma'} integração {typed!r}. Existem: {names}.")


async def pair(
    engine: AsyncEngine,
    integration: admin.IntegrationRow,
    entity: Entity,
    direction: Direction | None,
) -> admin.PairRow:
    rows = [
        row
        for row in await admin.pairs(engine, integration.tenant_id)
        if row.integration_id == integration.id
    ]
    found = [row for row in rows if row.entity is entity and direction in (None, row.direction)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotChosen(f"{entity.label} tem duas direções: escolha uma com --direction.")
    pairs = ", ".join(f"{row.entity.label} ({row.direction.label})" for row in rows) or "nenhum"
    raise NotChosen(f"{integration.name} não tem o par {entity.label}. Existem: {pairs}.")
