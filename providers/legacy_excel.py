"""Spreadsheets and text files of an old ERP, read once by the legacy migration from the product's storage."""

from core.entities import Entity
from core.spec import Provider, Resource
from providers.legacy.fields import FIELDS
from providers.legacy.once import nothing, once

RESOURCES: dict[Entity, Resource] = {entity: once() for entity in FIELDS}

LEGACY_EXCEL = Provider(
    key="legacy-excel",
    name="ERP legado: planilhas",
    category="legacy",
    docs="https://github.com/dimastbk/python-calamine",
    settings=(),
    resources=RESOURCES,
    by_migration=True,
    **nothing(),
)
