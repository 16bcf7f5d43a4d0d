"""Charges: issued, edited and cancelled. All three are done by the bank after it has answered.

There is no idempotency key: a create whose answer was lost is looked for by its number (`seuNumero`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from core.entities import Matching
from core.errors import ConflictError, ContractError, NotFoundError, RecordError, SyncError, TransientError
from core.records import Address, Receivable, Record
from core.spec import Outgoing, Raw, Settings, Source, Writing, Written
from providers.banco_inter.mapping import issued, receivable_from
from providers.banco_inter.reading import CHARGES, SIZE, read_charges

LONGEST_NUMBER = 15
LEAST, MOST = Decimal("2.50"), Decimal("99999999.99")
AROUND = timedelta(days=45)
"""A lost create is looked for so long before and after its due date."""
WAITS = (0.5, 1.5, 3.0)
"""Seconds before each look at what the bank has not done yet."""
OPEN = ("open", "overdue")
OF_A_RECORD = (RecordError, ConflictError, NotFoundError)
REFUSED = (400, 422)


async def write(source: Source, items: Sequence[Outgoing]) -> Sequence[Written]:
    return [await _write(source, item) for item in items]


async def find(source: Source, items: Sequence[Outgoing], _matching: Matching) -> Mapping[str, Sequence[Raw]]:
    return {item.reference: await _same_number(source, _record(item)) for item in items}


def unissued(record: Record) -> bool:
    """Whether it still is to be charged, and no bank has done so."""
    assert isinstance(record, Receivable)  # noqa: S101 - the engine pairs entity and record type
    return record.status in OPEN and not record.our_number and not record.txid


WRITING = Writing(
    fields=frozenset({"amount", "due_on", "status"}),
    given=frozenset({"our_number", "txid", "barcode", "pix_code"}),
    write=write,
    find=find,
    wanted=unissued,
    size=1,
)
"""Who pays, the number and the texts are sent once, when the charge is issued."""


def body(record: Receivable, settings: Settings) -> Raw:
    """Raises `RecordError` for what the bank would refuse."""
    _require(0 < len(record.document_number) <= LONGEST_NUMBER, "seuNumero", "um número de até 15 caracteres")
    _require(LEAST <= record.amount <= MOST, "valorNominal", "um valor de R$ 2,50 a R$ 99.999.999,99")
    message = {"mensagem": {"linha1": record.description[:78]}} if record.description else {}
    return {
        "seuNumero": record.document_number,
        "valorNominal": float(record.amount),
        "dataVencimento": record.due_on.isoformat(),
        "numDiasAgenda": min(60, int(settings.get("days_after_due") or 30)),
        "pagador": _payer(record),
        **message,
    }


def _payer(record: Receivable) -> Raw:
    document, address = record.payer_document or "", record.payer_address
    _require(document, "pagador.cpfCnpj", "o CPF ou CNPJ do cliente")
    _require(record.payer_name, "pagador.nome", "o nome do cliente")
    return {
        "cpfCnpj": document,
        "tipoPessoa": "FISICA" if len(document) == 11 else "JURIDICA",
        "nome": record.payer_name[:100],
        **({"email": record.payer_email} if record.payer_email and len(record.payer_email) <= 50 else {}),
        **_place(address or Address(kind="billing")),
    }


def _place(address: Address) -> Raw:
    complete = address.street and address.city and address.state and address.postal_code
    _require(complete, "pagador.endereco", "o endereço do cliente, com cidade, UF e CEP")
    return {
        "endereco": address.street[:90],
        "numero": address.number[:10],
        "complemento": address.complement[:30],
        "bairro": address.district[:60],
        "cidade": address.city[:60],
        "uf": address.state,
        "cep": address.postal_code,
    }


async def _write(source: Source, item: Outgoing) -> Written:
    try:
        if item.external_id is None:
            return await _issue(source, _record(item))
        return Written(await _change(source, item.external_id, item.fields, _record(item)))
    except OF_A_RECORD as error:
        return Written(error=error)
    except ContractError as error:
        if error.status not in REFUSED:
            raise
        return Written(error=_refused(error))


async def _issue(source: Source, record: Receivable) -> Written:
    answer = await source.send("POST", CHARGES, body(record, source.settings))
    raw: Raw = {"cobranca": {"codigoSolicitacao": answer.data["codigoSolicitacao"]}}
    try:
        for seconds in WAITS:
            await asyncio.sleep(seconds)
            raw = (await read_charges(source, [raw["cobranca"]["codigoSolicitacao"]])).popitem()[1]
            if raw["cobranca"]["situacao"] != "EM_PROCESSAMENTO":
                break
    except (TransientError, KeyError):  # it is issued all the same, and its code is known
        return Written(raw)
    if not issued(raw):
        return Written(error=RecordError("O banco não conseguiu emitir a cobrança.", field="situacao"))
    return Written(raw)


async def _change(source: Source, code: str, fields: frozenset[str], wanted: Receivable) -> Raw:
    """What is paid, only the bank says: of the status nothing but a cancellation is written."""
    raw = await _one(source, code)
    now = receivable_from(raw, source.settings)
    edits: Raw = {}
    if "due_on" in fields and wanted.due_on != now.due_on:
        edits["dataVencimento"] = wanted.due_on.isoformat()
    if "amount" in fields and wanted.amount != now.amount:
        edits["valorNominal"] = float(wanted.amount)
    cancelled = "status" in fields and wanted.status == "cancelled" and now.status != "cancelled"
    if not edits and not cancelled:
        return raw
    if now.status not in OPEN:
        raise RecordError("A cobrança já não está em aberto no banco.", field="situacao")
    if cancelled:
        await source.send("POST", f"{CHARGES}/{code}/cancelar", {"motivoCancelamento": "Cancelado no ERP"})
    else:
        await _edit(source, code, edits)
    return await _one(source, code)


async def _edit(source: Source, code: str, edits: Raw) -> None:
    """The edited charge may show its old values for half an hour: then it is compared again later."""
    answer = await source.send("PATCH", f"{CHARGES}/{code}", edits, repeatable=True)
    edition = (answer.data or {}).get("codigoEdicao")
    for seconds in WAITS if edition else ():
        await asyncio.sleep(seconds)
        said = (await source.get(f"{CHARGES}/edicao/{edition}")).data
        states = {str(value) for value in said.values()} if isinstance(said, dict) else set()
        if "FALHA" in states:
            raise RecordError("O banco não conseguiu alterar a cobrança.", field="situacao")
        if "SUCESSO" in states:
            return


async def _same_number(source: Source, record: Receivable) -> Sequence[Raw]:
    if not 0 < len(record.document_number) <= LONGEST_NUMBER:
        return []
    asked = {
        "seuNumero": record.document_number,
        "dataInicial": (record.due_on - AROUND).isoformat(),
        "dataFinal": (record.due_on + AROUND - timedelta(days=1)).isoformat(),
        "filtrarDataPor": "VENCIMENTO",
        "paginacao.itensPorPagina": str(SIZE),
    }
    found = (await source.get(CHARGES, asked)).data["cobrancas"]
    return [raw for raw in found if raw["cobranca"]["seuNumero"] == record.document_number and issued(raw)]


async def _one(source: Source, code: str) -> Raw:
    found = await read_charges(source, [code])
    if code not in found:
        raise NotFoundError("A cobrança não existe mais no banco.", status=404)
    return found[code]


def _record(item: Outgoing) -> Receivable:
    assert isinstance(item.record, Receivable)  # noqa: S101 - the engine pairs entity and record type
    return item.record


def _refused(error: SyncError) -> RecordError:
    text = f"O banco recusou a cobrança. {error.provider_message or error.message}"
    return RecordError(
        text[:300],
        field="",
        status=error.status,
        provider_code=error.provider_code,
        provider_message=error.provider_message,
    )


def _require(given: object, field: str, what: str) -> None:
    if not given:
        raise RecordError(f"O banco exige {what}.", field=field)
