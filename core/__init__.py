"""The rules of synchronisation. Nothing here knows Prefect, SQLAlchemy or FastAPI."""
