"""After a change of rows: Prefect's deployments brought in line, at once where Prefect answers."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.installation import orchestrator
from core.errors import ConfigurationError, TransientError


async def follow_up(engine: AsyncEngine) -> None:
    """Where Prefect does not answer the sentinel does it within a minute of its return."""
    try:
        async with orchestrator(engine) as prefect:
            changed = await prefect.apply()
    except (ConfigurationError, TransientError) as error:
        print(f"Deployments ainda não atualizados ({error.message}) A sentinela os atualiza quando puder.")
    else:
        print(f"Deployments alterados no Prefect: {changed}.")
