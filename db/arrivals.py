"""Scheduled imports that used to receive records and receive none any more.

A webhook that was removed, a permission that was lost or a filter that was changed looks like a quiet shop:
the runs succeed. A pair is silent when its newest successful run began later after its last arrival than
ten times the usual gap between arrivals (their median in 90 days), than a day, and than the longest gap so
far, so that a weekend is no alarm every week.
"""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.alarms import NOTHING_ARRIVED, keep_alarms
from db.session import system_transaction

TIMES = 10
LEAST_HOURS = 24
FEWEST = 6
"""With fewer arrivals nothing is usual."""

# Unchanged records that are read again are skipped ones, and no arrival.
_SILENT = text(
    "SELECT p.id, n.at - g.latest AS quiet, g.usual FROM sync.pair p"
    " JOIN sync.integration i ON i.id = p.integration_id"
    " CROSS JOIN LATERAL (SELECT max(l.started_at) AS at FROM sync.sync_log l WHERE l.pair_id = p.id"
    " AND l.direction = 'import' AND l.status IN ('success', 'partial') AND NOT l.dry_run) n"
    " CROSS JOIN LATERAL (SELECT count(*) AS arrivals, max(a.at) AS latest, max(a.gap) AS longest,"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY a.gap) AS usual FROM (SELECT l.started_at AS at,"
    " l.started_at - lag(l.started_at) OVER (ORDER BY l.started_at) AS gap FROM sync.sync_log l"
    " WHERE l.pair_id = p.id AND l.direction = 'import' AND l.success > 0 AND NOT l.dry_run"
    " AND l.initiated_by <> 'reprocess' AND l.started_at > now() - interval '90 days') a) g"
    " WHERE p.enabled AND p.cadence <> 'manual' AND p.direction IN ('import', 'both')"
    " AND i.status = 'active' AND i.deleted_at IS NULL AND NOT EXISTS (SELECT FROM sync.sync_log l"
    " WHERE l.pair_id = p.id AND l.direction = 'import' AND l.success > 0"
    " AND l.started_at > now() - make_interval(hours => :hours))"
    " AND g.arrivals >= :fewest"
    " AND n.at - g.latest >= greatest(:times * g.usual, g.longest, make_interval(hours => :hours))"
)


async def check_arrivals(engine: AsyncEngine) -> int:
    """Open and close the alarms of silent pairs; returns how many opened. Raises `DatabaseUnavailable`."""
    values = {"times": TIMES, "hours": LEAST_HOURS, "fewest": FEWEST}
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_SILENT, values)).all()
    messages = {
        row.id: f"as execuções têm sucesso, mas nenhum registro novo ou alterado chega há {_span(row.quiet)}"
        f" (o intervalo usual é de {_span(row.usual)}). Confira no sistema externo se há registros novos, e"
        " com Testar Conexão se a credencial ainda os vê; depois faça uma varredura completa (run --full)."
        for row in rows
    }
    return await keep_alarms(engine, NOTHING_ARRIVED, messages, "pair")


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} dias"
    return f"{hours:.0f} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"
