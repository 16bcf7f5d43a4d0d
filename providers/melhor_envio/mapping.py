"""Labels of the Melhor Envio as shipments of the ERP.

One stays `released` after it was generated, and may while it is cancelled: the dates tell.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.hashing import money
from core.records import Shipment, TrackingEvent
from core.spec import Raw, Settings

ZONE = ZoneInfo("America/Sao_Paulo")
"""Of moments without a zone."""
STATUS = {
    "pending": "quoted",
    "released": "paid",
    "generated": "paid",
    "received": "posted",
    "posted": "posted",
    "delivered": "delivered",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "expired": "cancelled",
}
"""Others (undelivered, paused, suspended) need a person: `other`."""
_EVENTS = {
    "paid_at": ("paid", "Etiqueta paga"),
    "generated_at": ("generated", "Etiqueta gerada"),
    "received_at": ("received", "Recebido no ponto de postagem"),
    "posted_at": ("posted", "Postado"),
    "suspended_at": ("suspended", "Suspenso"),
    "delivered_at": ("delivered", "Entregue"),
    "canceled_at": ("cancelled", "Cancelado"),
    "expired_at": ("expired", "Etiqueta vencida"),
}
_STATES = {"undelivered": "Não entregue", "paused": "Entrega parada", "suspended": "Suspenso"}
FIELDS = frozenset(
    {"carrier", "service", "status", "tracking_code", "cost", "label_url"}
    | {"shipped_at", "delivered_at", "events"}
)


def shipment_from(raw: Raw, _settings: Settings) -> Shipment:
    return Shipment(
        external_id=str(raw["id"]),
        updated_at=moment(raw.get("updated_at")),
        reference=reference(raw),
        order_number=next((tag for tag in _tags(raw) if uuid(tag) is None), ""),
        carrier=company(raw.get("service")),
        service=_service(raw),
        status=STATUS.get(state(raw), "other"),
        tracking_code=raw.get("tracking") or raw.get("self_tracking") or None,
        cost=amount(raw.get("price")),
        label_url=raw.get("label_url"),
        shipped_at=moment(raw.get("posted_at")),
        delivered_at=moment(raw.get("delivered_at")),
        events=tuple(sorted(_events(raw), key=lambda event: event.at)),
    )


def state(raw: Raw) -> str:
    if raw.get("canceled_at"):
        return "canceled"
    said = str(raw.get("status") or "pending")
    return "generated" if said == "released" and is_generated(raw) else said


def is_generated(raw: Raw) -> bool:
    key = raw.get("generated_key") or {}
    return bool(raw.get("generated_at") or key.get("finished_at")) and not key.get("failed_at")


def reference(raw: Raw) -> str | None:
    """Our id of it, one of its tags."""
    return next((tag for tag in _tags(raw) if uuid(tag) is not None), None)


def is_ours(raw: Raw) -> bool:
    return reference(raw) is not None


def company(service: Any) -> str:
    found = service.get("company") if isinstance(service, dict) else None
    return str(found.get("name") or "") if isinstance(found, dict) else ""


def moment(text: str | None) -> datetime | None:
    return utc(text) if text else None


def utc(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=ZONE)).astimezone(UTC)


def amount(value: Any) -> Decimal:
    """Prices are text in one answer and numbers in another."""
    return money(Decimal(str(value or 0)))


def reais(value: Decimal) -> str:
    return f"R$ {value:,.2f}".translate(str.maketrans(",.", ".,"))


def uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _tags(raw: Raw) -> Iterator[str]:
    for tag in raw.get("tags") or ():
        yield str(tag.get("tag") or "")


def _service(raw: Raw) -> str:
    service = raw.get("service")
    name = service.get("name") if isinstance(service, dict) else None
    return str(name or raw.get("service_id") or "")


def _events(raw: Raw) -> Iterator[TrackingEvent]:
    for field, (status, text) in _EVENTS.items():
        if at := moment(raw.get(field)):
            yield TrackingEvent(at=at, status=status, description=text)
    said, at = str(raw.get("status")), moment(raw.get("updated_at"))
    if said in _STATES and not raw.get(f"{said}_at") and at is not None:
        yield TrackingEvent(at=at, status=said, description=_STATES[said])
    if (begun := moment(raw.get("created_at"))) is not None:
        for text in raw.get("offers") or ():
            yield TrackingEvent(at=begun, status="quoted", description=text)
