"""Início: how everything is, and who is told when it is not."""
