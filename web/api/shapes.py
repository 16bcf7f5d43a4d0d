"""What many answers and bodies are made of. Bodies refuse fields that they do not have."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.entities import Direction

MOST = 200
T = TypeVar("T")


class Given(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Shown(BaseModel):
    """An answer; what else a row holds is left out."""

    model_config = ConfigDict(from_attributes=True)


class Page(Shown, Generic[T]):
    data: list[T]
    next: UUID | None = Field(description="O `cursor` da página seguinte; null na última.")


class Done(Shown):
    count: int = Field(description="Quantos registros mudaram.")


class Reason(Given):
    reason: Annotated[str, StringConstraints(max_length=1000)] = Field("", description="Fica na auditoria.")


class ReasonNeeded(Given):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)] = Field(
        description="Fica na auditoria."
    )


Limit = Annotated[int, Query(ge=1, le=MOST, description="Linhas da página.")]
Cursor = Annotated[UUID | None, Query(description="`next` da página anterior.")]
OfIntegration = Annotated[UUID | None, Query(description="Só desta integração.")]
Text = Annotated[str, StringConstraints(max_length=255)]
Kind = Literal[
    "products",
    "variants",
    "stock",
    "categories",
    "customers",
    "orders",
    "invoices",
    "shipments",
    "bank_transactions",
    "receivables",
]
"""Of a mapping: an entity, or the variants of products."""
Way = Literal[Direction.IMPORT, Direction.EXPORT]


def paged(rows: Sequence[Any], limit: int) -> dict[str, Any]:
    """A page of rows that were asked for with one more than the limit."""
    shown = rows[:limit]
    return {"data": shown, "next": _id(shown[-1]) if len(rows) > limit else None}


def _id(row: Any) -> Any:
    return row["id"] if isinstance(row, dict) else row.id
