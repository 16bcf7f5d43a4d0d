"""Prefect flows: a sync flow for each entity, system flows, and the one-off legacy migration."""

from flows import slot

__all__ = ["slot"]
