"""`python -m tests.faults.renewal`: one process that needs a live access token and dies where it is told.

Reads DATABASE_URL, CLOUDTOSYS_KEYS, ACCOUNT (tenant, integration), WORLD (url, client id, client secret).
"""

import asyncio
import hashlib
import os
import uuid

import httpx

from core.errors import SyncError
from core.oauth2 import OAuth2
from db.session import engine
from db.tokens import PgTokens
from db.vault import Vault
from tests.faults import crash

__all__ = ["crash"]


async def main() -> str:
    """What it got: the hash of an access token, or the class of the error."""
    tenant, integration = (uuid.UUID(part) for part in os.environ["ACCOUNT"].split(","))
    url, client_id, client_secret = os.environ["WORLD"].split(",")
    async with httpx.AsyncClient() as client:
        tokens = PgTokens(
            engine(os.environ["DATABASE_URL"]),
            Vault([os.environ["CLOUDTOSYS_KEYS"]]),
            tenant,
            integration,
            oauth=OAuth2(token_url=lambda _: f"{url}/oauth/token", authorize_url=lambda _: url),
            settings={"client_id": client_id, "client_secret": client_secret},
            client=client,
        )
        try:
            return hashlib.sha256((await tokens.access()).encode()).hexdigest()
        except SyncError as error:
            return type(error).__name__


if __name__ == "__main__":
    print(asyncio.run(main()))
