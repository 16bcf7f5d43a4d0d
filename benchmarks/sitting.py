"""Somebody at the console who asks for pages in this process, without a network and without Prefect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.web import pulse, settle, wired
from db import people, sessions
from db.audit import By
from db.settings import read
from deployments.apply import Prefect
from deployments.client import Api
from web.access import COOKIE
from web.app import create

HERE, NOWHERE = "http://bench", "http://127.0.0.1:9"


@asynccontextmanager
async def sitting(database: AsyncEngine, tenant: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A session of somebody who may edit, and a process that has been up for a while."""
    person = await people.create(database, f"{uuid4().hex}@exemplo.example", "Bench", None)
    await people.grant(database, tenant, person, can_edit=True, by=By("bench"))
    token = await sessions.open_(database, person, tenant, "bench")
    async with Api(NOWHERE) as api:
        app = create(wired(read(), Prefect(api, database), partial(pulse, api), HERE))
        settle()
        headers, transport = {"Cookie": f"{COOKIE}={token}"}, httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as http:
            yield http
