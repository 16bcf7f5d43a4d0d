"""Testar Conexão, from the command line."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cli import output
from core.probe import ProbeResult, probe
from db import admin
from db.runs import read_secrets
from db.settings import read
from db.vault import from_environment
from providers.registry import get
from tasks.job import connect


async def run(engine: AsyncEngine, integration: admin.IntegrationRow, *, as_json: bool) -> bool:
    """Print the result; whether the connection works. Raises `ConfigurationError`."""
    environment = read()
    provider = get(integration.provider)
    vault = from_environment(environment)
    secrets = await read_secrets(engine, vault, integration.tenant_id, integration.id)
    settings = integration.settings | secrets
    if integration.base_url:
        settings["base_url"] = integration.base_url
    async with connect(environment, provider, settings) as client:
        result = await probe(provider, settings, client)
    if as_json:
        output.print_json(_row(result))
    else:
        _print(result)
    return result.ok


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
            {"entity": check.entity.value, "ok": check.ok, "message": check.message}
            for check in result.checks
        ],
        "headers": dict(result.headers),
        "body": result.body,
    }


def _print(result: ProbeResult) -> None:
    print(f"{'OK' if result.ok else 'Falhou'}: {result.message} ({output.number(result.seconds, 2)} s)")
    if result.advice:
        print(f"Causa: {result.advice.cause}\nSolução: {result.advice.remedy}")
    for check in result.checks:
        print(f"  {check.entity.label}: {check.message}")
    if result.status is not None:
        print(f"\nResposta crua: HTTP {result.status}")
        for name, value in result.headers:
            print(f"{name}: {value}")
        print(f"\n{result.body}")
