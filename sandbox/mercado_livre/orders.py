"""Orders, the tax data of their buyers, shipments and the NF-e that they wait for."""

import re
from collections.abc import Mapping
from datetime import datetime

from sandbox.mercado_livre.store import SELLER, Object, RefusedError, Store

MOST_LISTED = 50
MOST_OFFSET = 10_000
CANCELLED = "cancelled"


class Orders:
    def __init__(self, store: Store, switches: Object) -> None:
        self._store, self._switches = store, switches

    def search(self, query: Mapping[str, str]) -> Object:
        """`order.last_updated.from` is no filter, and nobody says so. Cancelled orders are left out unless
        they are asked for."""
        limit, offset = int(query.get("limit", 50)), int(query.get("offset", 0))
        if limit > MOST_LISTED or offset > MOST_OFFSET:
            raise RefusedError(400, "bad_request", "Invalid limit or offset")
        if query.get("seller") != str(SELLER):
            raise RefusedError(403, "forbidden", "The caller is not the seller")
        wanted = query.get("order.status")
        found = [one for one in self._store.orders.values() if self._within(one, query)]
        found = [one for one in found if (one["status"] == wanted if wanted else one["status"] != CANCELLED)]
        found.sort(key=lambda one: one["date_created"], reverse=query.get("sort") == "date_desc")
        results = [self._listed(one) for one in found[offset : offset + limit]]
        return {"results": results, "paging": {"total": len(found), "offset": offset, "limit": limit}}

    def _within(self, order: Object, query: Mapping[str, str]) -> bool:
        moment = datetime.fromisoformat(order["last_updated"])
        since, until = query.get("order.date_last_updated.from"), query.get("order.date_last_updated.to")
        return (since is None or moment >= datetime.fromisoformat(since)) and (
            until is None or moment <= datetime.fromisoformat(until)
        )

    def _listed(self, order: Object) -> Object:
        buyer = {name: value for name, value in order["buyer"].items() if name != "billing_info"}
        return {**order, "buyer": buyer} if self._switches["bare_list"] else order

    def get(self, id_: str) -> Object:
        if id_ not in self._store.orders:
            raise RefusedError(404, "order_not_found", f"Order {id_} not found")
        return self._store.orders[id_]

    def bill(self, site: str, id_: str) -> Object:
        if site != "MLB" or id_ not in self._store.bills:
            raise RefusedError(404, "not_found", "Billing info not found")
        return self._store.bills[id_]

    def shipment(self, id_: str, new: bool) -> Object:
        """Without `x-format-new: true` the older shape, where the address stands elsewhere."""
        if id_ not in self._store.shipments:
            raise RefusedError(404, "not_found_shipment_id", "Shipment not found")
        found = self._store.shipments[id_]
        if new:
            return found
        return {
            "id": found["id"],
            "status": found["status"],
            "receiver_address": found["destination"]["shipping_address"],
        }

    def invoice(self, shipment: str) -> Object:
        if shipment not in self._store.invoices:
            raise RefusedError(404, "not_found", "The shipment has no invoice")
        return self._store.invoices[shipment]

    def add_invoice(self, shipment: str, xml: bytes, kind: str) -> Object:
        sent = self.shipment(shipment, True)
        if shipment in self._store.invoices:
            raise RefusedError(400, "shipment_invoice_already_saved", "The invoice was already saved")
        if (sent["status"], sent["substatus"]) != ("ready_to_ship", "invoice_pending"):
            raise RefusedError(400, "invalid_shipment_status", "The shipment does not wait for an invoice")
        self._store.invoices[shipment] = self._read(shipment, xml, kind, self._store.number())
        sent["substatus"] = "ready_to_print"
        self._store.touch("shipments", f"/shipments/{shipment}", sent)
        return self._store.invoices[shipment]

    def replace_invoice(self, id_: str, xml: bytes, kind: str) -> Object:
        for shipment, found in self._store.invoices.items():
            if str(found["id"]) == id_:
                self._store.invoices[shipment] = self._read(shipment, xml, kind, found["id"])
                return self._store.invoices[shipment]
        raise RefusedError(404, "not_found", "Invoice not found")

    def _read(self, shipment: str, xml: bytes, kind: str, id_: int) -> Object:
        text = xml.decode()
        if kind != "application/xml":
            raise RefusedError(415, "unsupported_media_type", "Send application/xml")
        if "<nfeProc" not in text:
            raise RefusedError(400, "nfe_layout_not_supported", "The layout is not supported")
        key = re.search(r'Id="NFe([0-9A-Z]{44})"', text)
        value = re.search(r"<vNF>([0-9.]+)</vNF>", text)
        if key is None or value is None or "<cStat>100</cStat>" not in text:
            raise RefusedError(400, "invalid_nfe_cstat", "The NF-e is not authorised")
        if float(value[1]) != self._due(shipment):
            raise RefusedError(400, "nfe_order_value_divergence", "The value is not the order's")
        if any(one["fiscal_key"] == key[1] for one in self._store.invoices.values()):
            raise RefusedError(400, "duplicated_fiscal_key", "The key is of another shipment")
        moment = self._store.now()
        return {
            "id": id_,
            "sender_id": SELLER,
            "shipment_id": int(shipment),
            "fiscal_key": key[1],
            "invoice_serie": key[1][22:25].lstrip("0"),
            "invoice_number": key[1][25:34].lstrip("0"),
            "invoice_amount": float(value[1]),
            "status": "approved",
            "invoice_date": moment,
            "date_created": moment,
            "last_updated": moment,
        }

    def _due(self, shipment: str) -> float:
        """Of all orders of the shipment, with the freight that the buyer paid."""
        orders = [one for one in self._store.orders.values() if str(one["shipping"]["id"]) == shipment]
        freight = sum(p["shipping_cost"] for one in orders for p in one["payments"])
        return float(round(sum(one["total_amount"] for one in orders) + freight, 2))
