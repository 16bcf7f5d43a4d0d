"""Connecting an account by a person's consent, from the command line."""

import os
import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import ConfigurationError
from db import admin
from db.settings import Environment
from tasks import consent
from tasks.connection import Account

PATH = "/oauth/retorno"


def redirect_uri(given: str) -> str:
    """Raises `ConfigurationError` where neither an argument nor the installation says it."""
    public = os.environ.get("CLOUDTOSYS_PUBLIC_URL", "").rstrip("/")
    if not given and not public:
        raise ConfigurationError(
            "Falta o endereço de retorno: use --redirect com o endereço cadastrado no aplicativo do sistema"
            " externo, ou defina CLOUDTOSYS_PUBLIC_URL."
        )
    return given or public + PATH


async def run(
    environment: Environment, engine: AsyncEngine, account: Account, name: str, redirect: str
) -> None:
    """Show the address, then ask for the one that the browser came back to: it holds a code."""
    url = await consent.begin(environment, engine, account, redirect_uri(redirect))
    print(f"1. Abra no navegador e autorize o acesso:\n\n{url}\n")
    print("2. Cole aqui o endereço inteiro a que o navegador voltou (a página pode não abrir):", flush=True)
    address = sys.stdin.readline()
    await consent.finish(environment, engine, account, address, admin.ACTOR)
    print(f"Conta de {name} conectada.")
