"""Integration rows become Prefect deployments; the server, the worker and the sentinel around them."""
