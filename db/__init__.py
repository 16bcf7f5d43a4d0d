"""PostgreSQL: tables, sessions, vault, store, the embedded server and the migrations."""
