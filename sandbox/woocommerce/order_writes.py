"""Writes to orders: lines, totals, stock, trash, and the odd things a running shop does."""

from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.woocommerce import orders
from sandbox.woocommerce.checks import ORDER, check, loose
from sandbox.woocommerce.dates import seconds
from sandbox.woocommerce.lists import ORDER_STATUSES
from sandbox.woocommerce.messages import RefusedError, crash
from sandbox.woocommerce.meta import merged
from sandbox.woocommerce.php import Record
from sandbox.woocommerce.product_writes import ProductWrites
from sandbox.woocommerce.store import Store

PLAIN = (
    *("payment_method", "payment_method_title", "transaction_id", "customer_note", "customer_id"),
    *("parent_id", "currency", "created_via"),
)
TAKES_STOCK = {"processing", "completed", "on-hold"}


def invalid_id(status: int) -> RefusedError:
    return RefusedError(status, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")


class OrderWrites:
    """`trusted` writes come from a batch: there an unknown status makes the order pending."""

    def __init__(self, store: Store, products: ProductWrites) -> None:
        self._store, self._products = store, products

    def create(self, body: Any, *, trusted: bool = False) -> Record:
        changes = loose(body) if trusted else check(body, ORDER)
        _refuse_empty_lines(changes)
        record = orders.blank(self._store.new_id())
        self._apply(record, changes)
        if changes.get("coupon_lines"):
            self._leave_draft(record, changes["coupon_lines"])
        if changes.get("set_paid"):
            record["status"] = "processing" if record["status"] == "pending" else record["status"]
        return self._keep(record, None)

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record:
        before = self._store.orders.get(id_)
        if before is None:
            raise invalid_id(400 if trusted else 404)
        changes = loose(body) if trusted else check(body, ORDER)
        _refuse_empty_lines(changes)
        record = self._store.orders.record(id_)
        self._apply(record, changes)
        if changes.get("set_paid") and record["status"] == "pending":
            record["status"] = "processing"
        return self._keep(record, before)

    def delete(self, id_: int, *, force: bool) -> Record:
        """Without force into the trash; the answer still shows the old status."""
        record = self._store.orders.get(id_)
        if record is None:
            raise invalid_id(404)
        if force:
            self._store.remove("orders", id_)
            return record
        if record["status"] == "trash":
            words = "The order has already been deleted."
            raise RefusedError(410, "woocommerce_rest_already_trashed", words)
        status = {"key": "_wp_trash_meta_status", "value": f"wc-{record['status']}"}
        moment = {"key": "_wp_trash_meta_time", "value": str(self._store.clock.now())}
        meta = merged(record["meta_data"], [status, moment], self._store)
        self._store.write("orders", record | {"status": "trash", "meta_data": meta})
        return record

    def _apply(self, record: Record, changes: Record) -> None:
        record |= {name: changes[name] for name in PLAIN if name in changes}
        for name in ("billing", "shipping"):
            if isinstance(changes.get(name), dict):
                record[name] = record[name] | changes[name]
        if "status" in changes:
            record["status"] = changes["status"] if changes["status"] in ORDER_STATUSES else "pending"
        if "meta_data" in changes:
            record["meta_data"] = merged(record["meta_data"], changes["meta_data"], self._store)
        for item in changes.get("line_items") or ():
            record["line_items"] = self._with_line(record["line_items"], item)
        for item in changes.get("shipping_lines") or ():
            defaults = {"method_title": "", "method_id": "", "instance_id": ""}
            record["shipping_lines"] = self._with_extra(record["shipping_lines"], item, defaults)
        for item in changes.get("fee_lines") or ():
            defaults = {"name": "", "tax_class": "", "amount": ""}
            record["fee_lines"] = self._with_extra(record["fee_lines"], item, defaults)

    def _with_line(self, lines: list[Record], item: Record) -> list[Record]:
        """A line without id is added; quantity 0 of a known one takes it away."""
        known = next((line for line in lines if line["id"] == item.get("id")), None)
        if known is None:
            return [*lines, self._line(item)]
        if item.get("quantity") == 0:
            return [line for line in lines if line is not known]
        quantity = int(item["quantity"] if "quantity" in item else known["quantity"])
        unit = Decimal(known["subtotal"]) / (known["quantity"] or 1)
        subtotal = item.get("subtotal", f"{unit * quantity:.2f}")
        total: Any = item.get("total", subtotal)
        price = round(float(_decimal(total)) / quantity, 6) if quantity else 0
        changed = known | {"quantity": quantity, "subtotal": subtotal, "total": total, "price": price}
        return [changed if line is known else line for line in lines]

    def _line(self, item: Record) -> Record:
        """A line of an unknown product is empty and costs nothing."""
        variation_id = int(item.get("variation_id") or 0)
        sought = variation_id or int(item.get("product_id") or 0)
        kind = self._store.kind_of(sought)
        found = self._store.shelves[kind].record(sought) if kind else {}
        parent = self._store.products.get(found["parent_id"]) if found.get("type") == "variation" else None
        name = found.get("name", "")
        line = orders.line(
            self._store.new_id("rows"),
            name=f"{parent['name']} - {name}" if parent else name,
            product_id=parent["id"] if parent else found.get("id", 0),
            variation_id=sought if parent else 0,
            quantity=int(item.get("quantity", 1)),
            price=found.get("price", ""),
            sku=found.get("sku"),
            parent_name=parent["name"] if parent else None,
            image=orders.line_image(found.get("images", [])),
        )
        total = item.get("total", item.get("subtotal"))
        if total is None:
            return line
        subtotal = f"{_decimal(item.get('subtotal', total)):.2f}"
        quantity = line["quantity"] or 1
        price = round(float(_decimal(total)) / quantity, 6)
        return line | {"subtotal": subtotal, "total": f"{_decimal(total):.2f}", "price": price}

    def _with_extra(self, lines: list[Record], item: Record, defaults: Record) -> list[Record]:
        money = {"total": "0.00", "total_tax": "0.00", "taxes": [], "tax_status": "taxable", "meta_data": []}
        known = next((line for line in lines if line["id"] == item.get("id")), None)
        if known is None:
            known = {"id": self._store.new_id("rows"), **defaults, **money}
            lines = [*lines, known]
        changed = known | {name: value for name, value in item.items() if name in known and name != "id"}
        changed["total"] = f"{_decimal(changed['total']):.2f}"
        return [changed if line is known else line for line in lines]

    def _leave_draft(self, record: Record, coupons: list[Record]) -> None:
        """This shop has no coupons: the call fails and leaves a draft in the list all the same."""
        record["status"] = "checkout-draft"
        draft = self._keep(record, None)
        code = coupons[0].get("code", "")
        words = f"Coupon &quot;{code}&quot; cannot be applied because it does not exist."
        raise RefusedError(400, "woocommerce_rest_invalid_coupon", words, new_draft_order_id=draft["id"])

    def _keep(self, record: Record, before: Record | None) -> Record:
        now = self._store.clock.now()

        def known(name: str) -> int | None:
            written = record.get(f"date_{name}_gmt")
            return seconds(written) if written else None

        status = record["status"]
        paid = known("paid") or (now if status in {"processing", "completed"} else None)
        completed = known("completed") or (now if status == "completed" else None)
        created = known("created") or now
        dates = {"created": created, "modified": now, "completed": completed, "paid": paid}
        took = before is not None and before["status"] in TAKES_STOCK
        if status in TAKES_STOCK and not took:
            for line in record["line_items"]:
                self._products.take_stock(line["variation_id"] or line["product_id"], line["quantity"])
        return self._store.write("orders", orders.finished(record, dates, self._store.base))


def _refuse_empty_lines(changes: Record) -> None:
    """A new line of quantity 0 kills the request of a running shop."""
    lines = changes.get("line_items")
    for item in lines if isinstance(lines, list) else ():
        if isinstance(item, dict) and item.get("quantity") == 0 and not item.get("id"):
            raise crash()


def _decimal(written: object) -> Decimal:
    try:
        return Decimal(str(written))
    except InvalidOperation:
        return Decimal(0)
