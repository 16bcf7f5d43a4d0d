"""Entrar, Acesso and Auditoria: who comes in, what they may, what they did."""
