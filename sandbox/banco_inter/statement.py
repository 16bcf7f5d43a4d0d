"""The statement: complete (with ids), at most 90 days at a time, in pages that count from zero."""

import base64
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.banco_inter.refused import invalid

Object = dict[str, Any]
MOST_DAYS, MOST, DEFAULT = 90, 10_000, 50
NAMES = ("pagina", "tamanhoPagina")


class Statement:
    def __init__(self) -> None:
        self.all: list[Object] = []

    def add(self, **fields: Any) -> Object:
        n = len(self.all) + 1
        made: Object = {
            "idTransacao": base64.b64encode(f"{n:08}".encode()).decode(),
            "dataInclusao": f"{today()}T10:15:30",
            "dataTransacao": today().isoformat(),
            "tipoTransacao": "PIX",
            "tipoOperacao": "C",
            "valor": "150.00",
            "titulo": "Pix recebido",
            "descricao": "PIX RECEBIDO - Cp :00000000-CLIENTE INVENTADO",
            "numeroDocumento": "",
            "detalhes": {},
            **fields,
        }
        self.all.append(made)
        return made

    def list(self, query: dict[str, str]) -> Object:
        try:
            first, last = (date.fromisoformat(query[name]) for name in ("dataInicio", "dataFim"))
        except (KeyError, ValueError):
            raise invalid(dataInicio="obrigatório, AAAA-MM-DD", dataFim="obrigatório, AAAA-MM-DD") from None
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            raise invalid(dataFim="o período máximo é de 90 dias")
        found = [one for one in self.all if first <= date.fromisoformat(one["dataTransacao"]) <= last]
        found.sort(key=lambda one: str(one["dataTransacao"]))
        return page(found, "transacoes", query, NAMES, DEFAULT, MOST)


def page(
    found: list[Object], name: str, query: dict[str, str], names: tuple[str, str], default: int, most: int
) -> Object:
    number, size = int(query.get(names[0], 0)), int(query.get(names[1], default))
    if not 0 < size <= most or number < 0:
        raise invalid(**{names[1]: f"de 1 a {most}"})
    pages = -(-len(found) // size)
    items = found[number * size : (number + 1) * size]
    return {
        "totalPaginas": pages,
        "totalElementos": len(found),
        "ultimaPagina": number + 1 >= pages,
        "primeiraPagina": number == 0,
        "tamanhoPagina": size,
        "numeroDeElementos": len(items),
        name: items,
    }


def today() -> date:
    return datetime.now(ZoneInfo("America/Sao_Paulo")).date()
