"""Logs, Falhas, Registros and Chamados: what ran, what failed, and what is done about it."""
