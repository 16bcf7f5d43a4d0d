"""Real processes for these tests: fixtures of tests.processes."""

from tests.processes import (
    api,
    deploy,
    environment,
    new_pair,
    prefect,
    prefect_server,
    sql,
    start,
    state_of,
    until,
)

__all__ = [
    "api",
    "deploy",
    "environment",
    "new_pair",
    "prefect",
    "prefect_server",
    "sql",
    "start",
    "state_of",
    "until",
]
