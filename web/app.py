"""The web process: the console's pages, the JSON API, `/health` for whoever watches, `/metrics`."""

from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Response

from core.errors import DatabaseUnavailable
from db.figures import figures, last_success
from web import assets, metrics, refusals, webhooks
from web.access import Wired, may
from web.api.app import PREFIX
from web.api.app import create as create_api
from web.configure import connection, integration, integrations, pairs, setup, wizard
from web.headers import SecurityHeaders
from web.health import judge
from web.home import channels, hub
from web.legacy import migrations
from web.legacy import sources as migration_sources
from web.limits import BodyLimit
from web.mapping import conflicts, discoveries, linking, mappings
from web.people import account, audit, keys, members, openid, sign_in
from web.runs import failure, failures, log, logs, progress, tickets, timeline
from web.wiring import Wiring

watched = APIRouter(include_in_schema=False)
GUARDED = (
    hub.router,
    channels.router,
    wizard.router,
    integrations.router,
    integration.router,
    pairs.router,
    setup.router,
    connection.router,
    audit.router,
    members.router,
    keys.router,
    log.router,
    logs.router,
    migration_sources.router,
    migrations.router,
    conflicts.router,
    discoveries.router,
    linking.router,
    mappings.router,
    progress.router,
    tickets.router,
    timeline.router,
    failures.router,
    failure.router,
)
"""Pages: reading them needs *ver*, whatever else *editar*."""


def create(wiring: Wiring) -> FastAPI:
    """The application; the wiring is made in cli/web.py."""
    app = FastAPI(title="CloudToSys Integrações", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.wiring = wiring
    app.add_middleware(BodyLimit)
    app.state.watch = progress.Watch(wiring)
    app.add_middleware(SecurityHeaders)
    refusals.install(app)
    for router in (watched, assets.router, sign_in.open_router, sign_in.router, webhooks.router(wiring)):
        app.include_router(router)
    app.include_router(account.router)
    app.include_router(openid.router)
    for router in GUARDED:
        app.include_router(router, include_in_schema=False, dependencies=[Depends(may)])
    app.mount(PREFIX, create_api(wiring))
    return app


@watched.get("/health")
async def health(wired: Wired) -> Response:
    """200 when database, Prefect and a worker are there, else 503 with the same body."""
    try:
        last, database = await last_success(wired.engine), True
    except DatabaseUnavailable:
        last, database = None, False
    pulse, now = await wired.take_pulse(), datetime.now(UTC)
    well, body = judge(pulse, now, database=database, last_success_at=last)
    return Response(
        msgspec.json.encode(body), status_code=200 if well else 503, media_type="application/json"
    )


@watched.get("/metrics")
async def measures(wired: Wired) -> Response:
    """Prometheus text; still an answer while the database is away. Neither holds a secret."""
    try:
        found = await figures(wired.engine)
    except DatabaseUnavailable:
        found = None
    return Response(metrics.render(found), headers={"Content-Type": metrics.CONTENT_TYPE})
