"""Migração: files and tables of old ERPs."""
