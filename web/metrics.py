"""The installation's figures as Prometheus reads them. Labels are kinds and ids, never names.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from db.figures import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Snapshot(Collector):
    """One reading of the figures."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        up = GaugeMetricFamily("cloudtosys_database_up", "1 while the database answers")
        up.add_metric([], 0 if self._figures is None else 1)
        yield up
        if self._figures is not None:
            yield from _families(self._figures)


def render(figures: Figures | None) -> bytes:
    """The page; without figures it says that the database does not answer."""
    registry = CollectorRegistry()
    registry.register(Snapshot(figures))
    return generate_latest(registry)


def _families(figures: Figures) -> Iterable[GaugeMetricFamily]:
    integrations = GaugeMetricFamily(
        "cloudtosys_integrations", "Integrations by provider and status", labels=["provider", "status"]
    )
    for (provider, status), count in figures.integrations.items():
        integrations.add_metric([provider, status], count)
    yield integrations
    runs = GaugeMetricFamily(
        "cloudtosys_runs_24h", "Runs begun in the last 24 hours", labels=["status", "initiated_by"]
    )
    for (status, trigger), count in figures.runs.items():
        runs.add_metric([status, trigger], count)
    yield runs
    yield GaugeMetricFamily("cloudtosys_open_issues", "Records that failed and wait", value=figures.issues)
    alarms = GaugeMetricFamily("cloudtosys_open_alarms", "Alarms by kind", labels=["kind"])
    for kind, count in figures.alarms.items():
        alarms.add_metric([kind], count)
    yield alarms
    yield _ages(figures)


def _ages(figures: Figures) -> GaugeMetricFamily:
    ages = GaugeMetricFamily(
        "cloudtosys_pair_last_success_seconds",
        "Seconds since the pair's last run that wrote; pairs that never had one are left out",
        labels=["pair", "provider", "entity", "direction"],
    )
    for pair in figures.pairs:
        if pair.age is not None:
            ages.add_metric([str(pair.id), pair.provider, pair.entity, pair.direction], pair.age)
    return ages
