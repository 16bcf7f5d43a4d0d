"""Statement lines and charges as canonical records.

`detalhes` changes its shape with `tipoTransacao`, and documents come with or without punctuation or masked:
what is not there is left out. Days are days of Brasília.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from core.brazil import document
from core.errors import RecordError
from core.hashing import money
from core.records import BankTransaction, Receivable
from core.spec import Raw, Settings

ZONE = ZoneInfo("America/Sao_Paulo")
STATUS = {
    "EM_PROCESSAMENTO": "open",
    "A_RECEBER": "open",
    "ATRASADO": "overdue",
    "PROTESTO": "overdue",
    "RECEBIDO": "paid",
    "MARCADO_RECEBIDO": "paid",
    "CANCELADO": "cancelled",
    "EXPIRADO": "expired",
}


def transaction_key(raw: Raw) -> str:
    return str(raw.get("idTransacao") or "")


def charge_key(raw: Raw) -> str:
    return str(raw["cobranca"]["codigoSolicitacao"])


def issued(raw: Raw) -> bool:
    return str(raw["cobranca"]["situacao"]) != "FALHA_EMISSAO"


def transaction_from(raw: Raw, settings: Settings) -> BankTransaction:
    """Raises `RecordError` for a line without its id: nothing else tells two equal ones apart."""
    key = transaction_key(raw)
    if not key:
        raise RecordError("O lançamento veio sem idTransacao.", field="idTransacao")
    details: Mapping[str, Any] = raw.get("detalhes") or {}
    amount, spent = abs(money(raw["valor"])), raw["tipoOperacao"] == "D"
    whose = ("Recebedor", "Destinatario") if spent else ("Pagador", "Remetente")
    texts = (_text(raw, "titulo"), _text(raw, "descricao"))
    return BankTransaction(
        external_id=key,
        account=account(settings),
        amount=-amount if spent else amount,
        booked_on=day(raw["dataTransacao"]),
        description=" · ".join(dict.fromkeys(filter(None, texts))),
        kind=str(raw["tipoTransacao"]),
        txid=_text(details, "txId", "txid") or None,
        our_number=_text(details, "nossoNumero") or None,
        counterpart_name=_text(details, *(f"nome{name}" for name in whose)),
        counterpart_document=_document(_text(details, *(f"cpfCnpj{name}" for name in whose))),
    )


def receivable_from(raw: Raw, _settings: Settings) -> Receivable:
    """`boleto` and `pix` are not there before the bank has issued the charge."""
    charge, boleto, pix = raw["cobranca"], raw.get("boleto") or {}, raw.get("pix") or {}
    status = STATUS.get(charge["situacao"])
    if status is None:
        raise RecordError(f"Situação desconhecida: {charge['situacao']!s:.30}.", field="situacao")
    received = charge.get("valorTotalRecebido")
    return Receivable(
        external_id=charge_key(raw),
        document_number=str(charge["seuNumero"]),
        status=status,
        amount=money(charge["valorNominal"]),
        paid_amount=money(received) if received not in (None, "") else None,
        due_on=day(charge["dataVencimento"]),
        paid_at=midnight(day(charge["dataSituacao"])) if status == "paid" else None,
        our_number=_text(boleto, "nossoNumero") or None,
        txid=_text(pix, "txid") or None,
        barcode=_text(boleto, "linhaDigitavel"),
        pix_code=_text(pix, "pixCopiaECola"),
    )


def account(settings: Settings) -> str:
    """Digits without leading zeros: the bank refuses any other notation."""
    return "".join(filter(str.isdecimal, settings["account"])).lstrip("0")


def day(text: str) -> date:
    return date.fromisoformat(text[:10])


def midnight(when: date) -> datetime:
    """The moment at which a day begins in Brasília, as UTC."""
    return datetime.combine(when, time(), ZONE).astimezone(UTC)


def _text(raw: Mapping[str, Any], *names: str) -> str:
    """The first of the fields that says something."""
    return next((str(raw[name]).strip() for name in names if raw.get(name)), "")


def _document(text: str) -> str | None:
    try:
        return document(text)
    except ValueError:
        return None
