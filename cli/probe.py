"""Testar Conexão, from the command line."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cli import output
from core.formats import number
from core.probe import ProbeResult, checked, probe
from db import admin
from db.settings import Environment, read
from db.vault import from_environment
from providers.registry import get
from tasks.connection import Account, connected, read_settings


async def run(engine: AsyncEngine, integration: admin.IntegrationRow, *, as_json: bool) -> bool:
    """Print the result; whether the connection works. Raises `ConfigurationError`."""
    result = await probed(read(), engine, integration)
    if as_json:
        output.print_json(_row(result))
    else:
        _print(result)
    return result.ok


async def probed(
    environment: Environment, engine: AsyncEngine, integration: admin.IntegrationRow
) -> ProbeResult:
    """Raises `ConfigurationError`; what the external system answers is part of the result."""
    account, provider = account_of(integration), get(integration.provider)
    if provider.by_migration:
        settings = await read_settings(engine, from_environment(environment), account)
        return await checked(provider, settings)
    async with connected(environment, engine, account) as connection:
        return await probe(connection.provider, connection.settings, connection.http)


def account_of(integration: admin.IntegrationRow) -> Account:
    settings = dict(integration.settings)
    if integration.base_url:
        settings["base_url"] = integration.base_url
    return Account(integration.tenant_id, integration.id, integration.provider, settings)


def _row(result: ProbeResult) -> output.Row:
    advice = result.advice
    return {
        "ok": result.ok,
        "message": result.message,
        "seconds": round(result.seconds, 3),
        "status": result.status,
        "cause": advice.cause if advice else "",
        "remedy": advice.remedy if advice else "",
        "entities": [
            {
                "entity": check.entity.value,
                "ok": check.ok,
                "message": check.message,
                "directions": [direction.value for direction in check.directions],
            }
            for check in result.checks
        ],
        "headers": dict(result.headers),
        "body": result.body,
    }


def _print(result: ProbeResult) -> None:
    print(f"{'OK' if result.ok else 'Falhou'}: {result.message} ({number(result.seconds, 2)} s)")
    if result.advice:
        print(f"Causa: {result.advice.cause}\nSolução: {result.advice.remedy}")
    for check in result.checks:
        ways = ", ".join(direction.label for direction in check.directions)
        print(f"  {check.entity.label}{f' ({ways})' if ways else ''}: {check.message}")
    if result.status is not None:
        print(f"\nResposta crua: HTTP {result.status}")
        for name, value in result.headers:
            print(f"{name}: {value}")
        print(f"\n{result.body}")
