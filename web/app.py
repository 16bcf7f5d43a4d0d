"""The web process: `/health` for whoever watches, `/metrics` for Prometheus. No secrets in either."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from fastapi import FastAPI, Response

from core.errors import DatabaseUnavailable
from db.figures import Figures
from web import metrics
from web.headers import SecurityHeaders
from web.health import judge
from web.pulse import TakePulse

ReadFigures = Callable[[], Awaitable[Figures]]
LastSuccess = Callable[[], Awaitable[datetime | None]]


def create(read_figures: ReadFigures, last_success: LastSuccess, take_pulse: TakePulse) -> FastAPI:
    """The application. Both readers raise `DatabaseUnavailable`; the wiring is in cli/web.py."""
    app = FastAPI(title="CloudToSys Integrações", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityHeaders)

    @app.get("/health")
    async def health() -> Response:
        """200 when database, Prefect and a worker are there, else 503 with the same body."""
        try:
            last, database = await last_success(), True
        except DatabaseUnavailable:
            last, database = None, False
        pulse, now = await take_pulse(), datetime.now(UTC)
        well, body = judge(pulse, now, database=database, last_success_at=last)
        return Response(
            msgspec.json.encode(body), status_code=200 if well else 503, media_type="application/json"
        )

    @app.get("/metrics")
    async def figures() -> Response:
        """Prometheus text; still an answer while the database is away."""
        try:
            found = await read_figures()
        except DatabaseUnavailable:
            found = None
        return Response(metrics.render(found), headers={"Content-Type": metrics.CONTENT_TYPE})

    return app
