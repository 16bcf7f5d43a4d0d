"""Banco Inter Empresas as its documentation describes it: TLS with a client certificate, tokens of an hour,
limits a minute, the complete statement, charges that are issued and edited after the answer.

`python -m sandbox.banco_inter`
"""
