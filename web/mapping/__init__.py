"""Mapeamentos, Descobertas and Conflitos: which record is which, and which side is right."""
