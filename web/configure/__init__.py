"""Configurar: integrations, from the wizard to their end."""
