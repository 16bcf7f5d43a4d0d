"""Orders and the actions that move them on; a step out of its order is refused."""

import re
from typing import Any

from sandbox.americanas import samples
from sandbox.americanas.queue import Queue
from sandbox.americanas.samples import Object

LABELS = {
    "book_product": ("Pagamento pendente", "NEW"),
    "payment_received": ("Pagamento aprovado", "APPROVED"),
    "order_invoiced": ("Faturado", "INVOICED"),
    "order_shipped": ("Enviado", "SHIPPED"),
    "shipment_exception": ("Problema na entrega", "SHIPPED"),
    "complete": ("Entregue", "DELIVERED"),
    "order_canceled": ("Cancelado", "CANCELED"),
}
ACTIONS = {
    "approval": ("payment_received", ("book_product",)),
    "invoice": ("order_invoiced", ("payment_received", "order_invoiced")),
    "shipments": ("order_shipped", ("order_invoiced",)),
    "delivery": ("complete", ("order_shipped", "shipment_exception")),
    "shipment_exception": ("shipment_exception", ("order_shipped",)),
    "cancel": ("order_canceled", ("book_product", "payment_received", "order_invoiced")),
}
QUEUED = ("book_product", "payment_received", "order_canceled")


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Orders:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.kept: dict[str, Object] = {}

    def put(self, code: str, **fields: Any) -> None:
        self.kept[code] = samples.order(code, **fields)
        self._queue.put(code)

    def edit(self, code: str, status: str, **fields: Any) -> None:
        """What happens in the marketplace."""
        self.kept[code] |= fields
        self._move(code, status)

    def get(self, code: str) -> Object:
        if code not in self.kept:
            raise RefusedError(404, "Pedido não encontrado")
        return self.kept[code]

    def act(self, code: str, action: str, body: Object | bytes) -> None:
        order = self.get(code)
        if action not in ACTIONS:
            raise RefusedError(404, "Not Found")
        wanted, before = ACTIONS[action]
        entrega = str(order["calculation_type"]).startswith("b2wentrega")
        if isinstance(body, bytes):
            body = _form(body) if action == "invoice" and entrega else {}
        elif action == "invoice" and entrega:
            raise RefusedError(422, "XML da nota fiscal é obrigatório para Americanas Entrega")
        if body.get("status") != wanted:
            raise RefusedError(422, f"Status inválido: {body.get('status')}")
        if order["status"]["code"] not in before:
            raise RefusedError(422, f"Pedido em {order['status']['code']} não pode ir a {wanted}")
        if action == "invoice":
            self._invoice(order, body.get("invoice") or {})
        if action == "shipments":
            self._ship(order, body.get("shipment") or {})
        self._move(code, wanted)

    def _invoice(self, order: Object, invoice: Object) -> None:
        if not re.fullmatch(r"\d{44}", str(invoice.get("key"))):
            raise RefusedError(422, "Chave da nota fiscal deve ter 44 dígitos")
        order["invoices"].append({**invoice, "number": str(invoice["key"])[25:34], "line": "1"})

    def _ship(self, order: Object, shipment: Object) -> None:
        track = shipment.get("track") or {}
        if not track.get("code") or not shipment.get("items"):
            raise RefusedError(422, "track.code e items são obrigatórios")
        order["shipments"].append(
            {"code": shipment["code"], "items": shipment["items"], "tracks": [track], "sent": shipment}
        )

    def _move(self, code: str, status: str) -> None:
        label, kind = LABELS[status]
        self.kept[code]["status"] = {"code": status, "label": label, "type": kind}
        if status in QUEUED:
            self._queue.put(code)


def _form(raw: bytes) -> Object:
    """The parts of a multipart body that count: the status, and the key inside the XML."""
    text = raw.decode()
    values = dict(re.findall(r'name="(\w+)"\r\n\r\n([^\r]*)', text))
    key = re.search(r'Id="NFe(\d{44})"', text)
    if "text/xml" not in text or key is None or not values.get("volume_qty"):
        raise RefusedError(422, "file, volume_qty e issue_date são obrigatórios")
    return {"status": values.get("status"), "invoice": {"key": key[1], "issue_date": values["issue_date"]}}
