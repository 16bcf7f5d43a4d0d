"""Prefect tasks over `core.engine`, and what a run needs around them."""
