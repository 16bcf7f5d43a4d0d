"""Labels are bought in steps: the cart, which costs nothing and cannot be told from a second one; then, once
its id is on record, payment of that id, which the Melhor Envio takes once; then the label."""

from collections.abc import Sequence
from decimal import Decimal

from core.errors import (
    Advice,
    ConflictError,
    ContractError,
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.records import Record, Shipment
from core.spec import Outgoing, Raw, Settings, Source, Writing, Written
from providers.melhor_envio.mapping import amount, reais, state
from providers.melhor_envio.quoting import chosen, quote, volumes
from providers.melhor_envio.reading import CART, find, look

NAME = "melhorenvio"
BALANCE = "me/balance"
DONE = frozenset({"canceled", "cancelled", "expired"})
UNDER_WAY = ("posted", "received", "delivered", "undelivered")
_REFUSED = (RecordError, ConflictError, ContractError)


class InsufficientBalance(TransientError):
    advice = Advice(
        "Saldo insuficiente",
        "A carteira do Melhor Envio não cobre o frete.",
        "Adicione saldo no painel do Melhor Envio: a etiqueta está no carrinho e é paga na próxima execução.",
    )


def wanted(record: Record) -> bool:
    """A row that asks for a label: pending, without one, and meant for this account."""
    assert isinstance(record, Shipment)  # noqa: S101 - the engine pairs entity and record type
    carrier = record.carrier.casefold().replace(" ", "").replace("-", "")
    return (
        carrier == NAME and record.status == "pending" and not record.tracking_code and not record.label_url
    )


async def write(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    return [await _write(source, item) for item in outgoing]


async def _write(source: Source, item: Outgoing) -> Written:
    record = item.record
    assert isinstance(record, Shipment)  # noqa: S101
    if item.external_id is None:
        return await _begin(source, record, item.reference)
    raw = await look(source, item.external_id)
    if raw is None:
        return Written(error=NotFoundError("A etiqueta não está mais no Melhor Envio.", status=404))
    if record.status == "cancelled":
        return await _cancel(source, item.external_id, raw)
    return await _advance(source, item.external_id, raw)


async def _begin(source: Source, record: Shipment, ours: str) -> Written:
    settings = source.settings
    offer = chosen(await quote(source, record), record, settings)
    body = {
        "service": offer["id"],
        "from": _sender(settings),
        "to": _recipient(record),
        "products": [
            {"name": part.name, "quantity": str(int(part.quantity)), "unitary_value": str(part.unit_price)}
            for part in record.contents
        ],
        "volumes": volumes(offer, record, settings),
        "options": {
            "insurance_value": float(record.insured_value),
            "receipt": False,
            "own_hand": False,
            "reverse": False,
            **_invoice(record, settings),
            "platform": "CloudToSys",
            "tags": [{"tag": tag, "url": None} for tag in (record.order_number, ours) if tag],
        },
    }
    if agency := settings.get("agency"):
        body["agency"] = int(agency)
    answer = await source.send("POST", "me/cart", body)
    if not isinstance(answer.data, dict) or not answer.data.get("id"):
        raise UnknownOutcome("O Melhor Envio não disse o que pôs no carrinho.")
    return Written(external_id=str(answer.data["id"]), unfinished=True)


async def _advance(source: Source, id_: str, raw: Raw) -> Written:
    """From where it is to the label. Paid is paid: only what is in the cart is paid for."""
    if state(raw) == CART:
        if source.settings.get("purchase") != "automatic":
            return Written(external_id=id_, unfinished=True)
        error = await _pay(source, id_, raw)
        if error is not None:
            return Written(error=error)
    if state(raw) in (CART, "released"):
        await _generate(source, id_)
    return Written(external_id=id_)


async def _pay(source: Source, id_: str, raw: Raw) -> SyncError | None:
    price, balance = amount(raw.get("price")), await _balance(source)
    if balance < price:
        return InsufficientBalance(
            f"A carteira tem {reais(balance)} e o frete custa {reais(price)}.", status=None
        )
    try:
        await source.send("POST", "me/shipment/checkout", {"orders": [id_]})
    except (UnknownOutcome, *_REFUSED) as error:
        now = await look(source, id_)
        if now is not None and state(now) != CART:
            return None  # paid: now, or before
        if isinstance(error, UnknownOutcome):
            return TransientError("O pagamento ficou sem resposta; o Melhor Envio será consultado de novo.")
        return error
    return None


async def _generate(source: Source, id_: str) -> None:
    answer = await source.send("POST", "me/shipment/generate", {"orders": [id_]}, repeatable=True)
    said = answer.data.get(id_, answer.data.get("error")) if isinstance(answer.data, dict) else None
    if said is None or (isinstance(said, dict) and said.get("status") is not False):
        return
    words = said.get("message") if isinstance(said, dict) else said
    raise RecordError(
        "A etiqueta está paga e não foi gerada.", field="generate", provider_message=str(words)[:300]
    )


async def _cancel(source: Source, id_: str, raw: Raw) -> Written:
    """A label that was generated is refunded after the Melhor Envio has seen that it was not posted."""
    now = state(raw)
    if now in UNDER_WAY:
        error = RecordError("O envio já foi postado: não pode mais ser cancelado.", field="status")
        return Written(error=error)
    if now == CART:
        await source.send("DELETE", f"me/cart/{id_}", repeatable=True)
    elif now not in DONE:
        order = {"id": id_, "reason_id": "2", "description": "Cancelado no ERP"}
        answer = await source.send("POST", "me/shipment/cancel", {"order": order}, repeatable=True)
        said = answer.data.get(id_) if isinstance(answer.data, dict) else None
        if not isinstance(said, dict) or not said.get("canceled"):
            error = RecordError("O Melhor Envio não aceitou o cancelamento.", field="status")
            return Written(error=error)
    return Written(external_id=id_)


async def _balance(source: Source) -> Decimal:
    answer = await source.get(BALANCE)
    return amount(answer.data.get("balance")) if isinstance(answer.data, dict) else amount(0)


def _invoice(record: Shipment, settings: Settings) -> Raw:
    if record.invoice_key:
        return {"non_commercial": False, "invoice": {"key": record.invoice_key}}
    if settings.get("declaration") == "yes":
        return {"non_commercial": True}
    raise RecordError(
        "O pedido não tem NF-e emitida, que a etiqueta exige: emita-a, ou permita a declaração de conteúdo.",
        field="invoice",
    )


def _sender(settings: Settings) -> Raw:
    def typed(name: str) -> str:
        return settings.get(f"sender_{name}", "")

    return {
        "name": typed("name"),
        "phone": typed("phone"),
        "email": typed("email"),
        **_document(typed("document")),
        "address": typed("street"),
        "number": typed("number"),
        "complement": typed("complement"),
        "district": typed("district"),
        "city": typed("city"),
        "state_abbr": typed("state"),
        "postal_code": typed("postal_code"),
        "country_id": "BR",
    }


def _recipient(record: Shipment) -> Raw:
    address = record.address
    if address is None:
        raise RecordError("O pedido não tem endereço de entrega.", field="to.address")
    return {
        "name": record.recipient_name,
        "phone": record.recipient_phone or "",
        "email": record.recipient_email or "",
        **_document(record.recipient_document or ""),
        "address": address.street,
        "number": address.number,
        "complement": address.complement,
        "district": address.district,
        "city": address.city,
        "state_abbr": address.state,
        "postal_code": address.postal_code,
        "country_id": address.country,
    }


def _document(text: str) -> Raw:
    """CPF and CNPJ have a field each."""
    return {"company_document" if len(text) == 14 else "document": text}


WRITING = Writing(
    fields=frozenset({"status"}),
    write=write,
    find=find,
    size=1,
    resumes=True,
    wanted=wanted,
)
