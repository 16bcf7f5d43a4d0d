"""Charges (boleto with Pix, v3): issued, edited and settled after the answer."""

import re
import uuid
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.banco_inter.refused import RefusedError, invalid
from sandbox.banco_inter.statement import Statement, page, today

Object = dict[str, Any]
FILTERS = {"VENCIMENTO": "dataVencimento", "EMISSAO": "dataEmissao", "PAGAMENTO": "dataSituacao"}
NAMES = ("paginacao.paginaAtual", "paginacao.itensPorPagina")
MOST = 1000
PAYER = ("cpfCnpj", "tipoPessoa", "nome", "endereco", "cidade", "uf", "cep")


class Charges:
    """`polls`: looks at a new charge before it is issued; `lag`: looks before an edit shows. `fail` makes the
    next charge or edit one that the bank cannot do."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self.all: dict[str, Object] = {}
        self._edits: dict[str, Object] = {}
        self.switches: Object = {"polls": 0, "lag": 0, "fail": False}

    def add(self, **fields: Any) -> Object:
        """A charge that is issued already."""
        n = len(self.all) + 1
        made: Object = {
            "codigoSolicitacao": str(uuid.UUID(int=n << 64)),
            "seuNumero": f"DUP-{n:04}",
            "situacao": "A_RECEBER",
            "dataSituacao": today().isoformat(),
            "dataEmissao": today().isoformat(),
            "dataVencimento": today().isoformat(),
            "valorNominal": "100.00",
            "tipoCobranca": "SIMPLES",
            "pagador": {"cpfCnpj": "52998224725", "tipoPessoa": "FISICA", "nome": "CLIENTE INVENTADO"},
            **fields,
        }
        made |= {
            "_boleto": {
                "nossoNumero": f"{90_000_000_000 + n}",
                "codigoBarras": f"{n:044}",
                "linhaDigitavel": f"{n:047}",
            },
            "_pix": {"txid": f"inventado{n:017}", "pixCopiaECola": f"00020126{n:08}"},
            "_looks": 0,
        }
        self.all[made["codigoSolicitacao"]] = made
        return made

    def issue(self, body: Object) -> Object:
        wrong = {
            name: "obrigatório"
            for name in ("seuNumero", "valorNominal", "dataVencimento")
            if name not in body
        }
        payer = body.get("pagador") or {}
        wrong |= {f"pagador.{name}": "obrigatório" for name in PAYER if not payer.get(name)}
        if len(str(body.get("seuNumero", ""))) > 15:
            wrong["seuNumero"] = "no máximo 15 caracteres"
        if (
            not isinstance(body.get("valorNominal"), int | float)
            or not 2.5 <= body["valorNominal"] <= 99_999_999.99
        ):
            wrong["valorNominal"] = "deve ser um número de 2.50 a 99999999.99"
        if not 0 <= body.get("numDiasAgenda", 0) <= 60:
            wrong["numDiasAgenda"] = "de 0 a 60"
        if not re.fullmatch(r"\d{8}", str(payer.get("cep", ""))):
            wrong["pagador.cep"] = "8 dígitos"
        if wrong:
            raise invalid(**wrong)
        value = f"{Decimal(str(body['valorNominal'])):.2f}"
        made = self.add(
            **{name: body[name] for name in ("seuNumero", "dataVencimento", "pagador")},
            valorNominal=value,
            situacao="EM_PROCESSAMENTO",
            codigoSolicitacao=str(uuid.uuid4()),
        )
        made["_looks"] = self.switches["polls"]
        made["_fails"], self.switches["fail"] = self.switches["fail"], False
        return {"codigoSolicitacao": made["codigoSolicitacao"]}

    def detail(self, code: str) -> Object:
        """Numbers here where the list has text."""
        shown = self._shown(self._look(self._one(code)))
        charge = shown["cobranca"]
        return {**shown, "cobranca": {**charge, "valorNominal": float(charge["valorNominal"])}}

    def list(self, query: dict[str, str]) -> Object:
        by = FILTERS.get(query.get("filtrarDataPor", "VENCIMENTO"))
        if by is None:
            raise invalid(filtrarDataPor="valor desconhecido")
        try:
            first, last = (date.fromisoformat(query[name]) for name in ("dataInicial", "dataFinal"))
        except (KeyError, ValueError):
            raise invalid(
                dataInicial="obrigatório, AAAA-MM-DD", dataFinal="obrigatório, AAAA-MM-DD"
            ) from None
        paid = ("RECEBIDO", "MARCADO_RECEBIDO")
        found = [
            self._shown(self._look(one))
            for one in self.all.values()
            if first <= date.fromisoformat(one[by]) <= last
            and query.get("seuNumero", one["seuNumero"]) == one["seuNumero"]
            and (by != "dataSituacao" or one["situacao"] in paid)
        ]
        found.sort(key=lambda one: one["cobranca"]["codigoSolicitacao"])
        return page(found, "cobrancas", query, NAMES, 100, MOST)

    def edit(self, code: str, body: Object) -> Object:
        one = self._one(code)
        if one["situacao"] not in ("A_RECEBER", "ATRASADO"):
            raise RefusedError(400, "Requisição inválida", "A cobrança não está em aberto.")
        key, failed = str(uuid.uuid4()), self.switches["fail"]
        self.switches["fail"] = False
        self._edits[key] = {"status": "FALHA" if failed else "SUCESSO"}
        if not failed:
            shown = {
                name: f"{value:.2f}" if name == "valorNominal" else value for name, value in body.items()
            }
            one["_edit"] = {"looks": self.switches["lag"], "fields": shown}
        return {"codigoEdicao": key}

    def edition(self, key: str) -> Object:
        if key not in self._edits:
            raise RefusedError(404, "Não encontrado")
        return self._edits[key]

    def cancel(self, code: str, body: Object) -> None:
        one = self._one(code)
        if not 0 < len(str(body.get("motivoCancelamento", ""))) <= 50:
            raise invalid(motivoCancelamento="obrigatório, até 50 caracteres")
        if one["situacao"] not in ("A_RECEBER", "ATRASADO"):
            raise RefusedError(400, "Requisição inválida", "A cobrança não está em aberto.")
        one |= {"situacao": "CANCELADO", "dataSituacao": today().isoformat()}

    def pay(self, code: str, by: str = "BOLETO", amount: str = "") -> Object:
        """Paid: the charge says so, and the statement has a line."""
        one = self._one(code)
        value = amount or one["valorNominal"]
        one |= {
            "situacao": "RECEBIDO",
            "dataSituacao": today().isoformat(),
            "valorTotalRecebido": value,
            "origemRecebimento": by,
        }
        if by == "PIX":
            details = {"txId": one["_pix"]["txid"], "endToEndId": f"E{uuid.uuid4().hex[:31]}"}
            kind, title = "PIX", "Pix recebido"
        else:
            details = {"nossoNumero": one["_boleto"]["nossoNumero"], "seuNumero": one["seuNumero"]}
            kind, title = "BOLETO_COBRANCA", "Recebimento de boleto"
        return self._statement.add(tipoTransacao=kind, titulo=title, valor=value, detalhes=details)

    def _one(self, code: str) -> Object:
        if code not in self.all:
            raise RefusedError(404, "Não encontrado", "A cobrança não existe.")
        return self.all[code]

    def _look(self, one: Object) -> Object:
        """What the bank does later is done after so many looks."""
        if one["situacao"] == "EM_PROCESSAMENTO":
            one["_looks"] -= 1
            if one["_looks"] < 0:
                one["situacao"] = "FALHA_EMISSAO" if one.get("_fails") else "A_RECEBER"
        edit = one.get("_edit")
        if edit:
            edit["looks"] -= 1
            if edit["looks"] < 0:
                one |= edit["fields"]
                del one["_edit"]
        return one

    def _shown(self, one: Object) -> Object:
        charge = {name: value for name, value in one.items() if not name.startswith("_")}
        if one["situacao"] in ("EM_PROCESSAMENTO", "FALHA_EMISSAO"):
            return {"cobranca": charge}
        return {"cobranca": charge, "boleto": one["_boleto"], "pix": one["_pix"]}
