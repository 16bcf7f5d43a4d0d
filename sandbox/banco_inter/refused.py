"""Refusals as the bank words them (its own form of RFC 7807)."""

from typing import Any


class RefusedError(Exception):
    """`fields` are the fields at fault with the reason."""

    def __init__(self, status: int, title: str, detail: str = "", **fields: str) -> None:
        super().__init__(detail or title)
        self.status, self.title, self.detail, self.fields = status, title, detail, fields

    def body(self) -> dict[str, Any]:
        faults = [{"razao": why, "propriedade": name, "valor": ""} for name, why in self.fields.items()]
        return {
            "title": self.title,
            "detail": self.detail,
            "timestamp": "2026-11-03T10:15:30.000-03:00",
            "violacoes": faults,
        }


def invalid(**fields: str) -> RefusedError:
    return RefusedError(400, "Requisição inválida", "Há campos inválidos.", **fields)
