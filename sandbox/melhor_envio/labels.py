"""The account: its wallet, and labels from the cart to the door."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

Label = dict[str, Any]
SERVICES: dict[int, tuple[str, str, float, int]] = {
    1: ("PAC", "Correios", 21.5, 7),
    2: ("SEDEX", "Correios", 39.9, 3),
    3: (".Package", "Jadlog", 18.2, 5),
    4: (".Com", "Jadlog", 25.0, 4),
}
"""Name, company, price and business days."""
NEEDED = ("name", "address", "city", "postal_code", "state_abbr")


class RefusedError(Exception):
    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


def invalid(**fields: str) -> RefusedError:
    errors = {name.replace("__", "."): [text] for name, text in fields.items()}
    return RefusedError(422, {"message": "The given data was invalid.", "errors": errors})


class Account:
    def __init__(self) -> None:
        self.balance = 500.0
        self.labels: dict[str, Label] = {}
        self.purchases: list[list[str]] = []
        self._clock = datetime(2026, 4, 20, 12, tzinfo=UTC)

    def now(self) -> str:
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%d %H:%M:%S")

    def calculate(self, body: Any) -> list[Any]:
        if len(str(body.get("to", {}).get("postal_code", ""))) != 8:
            raise invalid(to__postal_code="O campo to.postal code é obrigatório.")
        if not body.get("products") and not body.get("volumes"):
            raise invalid(products="Informe produtos ou volumes.")
        for product in body.get("products") or ():
            if product["weight"] <= 0:
                raise invalid(products__weight="O peso é obrigatório.")
        return [self._offer(number, body) for number in SERVICES]

    def _offer(self, number: int, body: Any) -> Any:
        name, company, price, days = SERVICES[number]
        offer = {"id": number, "name": name, "company": {"id": 1, "name": company, "picture": ""}}
        if number == 3 and str(body["to"]["postal_code"]).startswith("69"):
            return offer | {"error": "Transportadora não atende este trecho."}
        return offer | {
            "price": f"{price:.2f}",
            "custom_price": f"{price:.2f}",
            "delivery_time": days,
            "custom_delivery_time": days,
            "currency": "R$",
        }

    def add(self, body: Any) -> Label:
        """The same again is another one."""
        if "note" in (body.get("options") or {}) or "note" in body:
            raise RefusedError(500, {"message": "Server Error"})
        number = int(body.get("service") or 0)
        if number not in SERVICES:
            raise invalid(service="Serviço inválido.")
        for side in ("from", "to"):
            for name in NEEDED:
                if not (body.get(side) or {}).get(name):
                    raise invalid(**{f"{side}__{name}": f"O campo {side}.{name} é obrigatório."})
        options = body["options"]
        if not options.get("non_commercial") and len((options.get("invoice") or {}).get("key", "")) != 44:
            raise invalid(options__invoice__key="A chave da NF-e é obrigatória.")
        name, company, price, days = SERVICES[number]
        if company == "Correios" and len(body["volumes"]) != 1:
            raise invalid(volumes="Os Correios aceitam um volume por etiqueta.")
        now = self.now()
        label = {
            "id": str(uuid.uuid4()),
            "protocol": f"ORD-{now[:7].replace('-', '')}{len(self.labels) + 1:05}",
            "service_id": number,
            "price": price,
            "status": "pending",
            "tracking": None,
            "self_tracking": None,
            "delivery_max": days,
            "tags": options.get("tags") or [],
            "created_at": now,
            "updated_at": now,
            **{f"{name}_at": None for name in ("paid", "generated", "posted", "delivered", "canceled")},
            "generated_key": None,
            "from": body["from"],
            "to": body["to"],
            "volumes": body["volumes"],
            "service": {"id": number, "name": name, "company": {"id": 1, "name": company}},
        }
        self.labels[label["id"]] = label
        return label

    def checkout(self, ids: list[str]) -> Any:
        found = [self._one(id_) for id_ in ids]
        # What it shows may lag behind; what it sold it knows.
        if any(label["paid_at"] for label in found):
            raise RefusedError(422, {"message": "Etiqueta já foi comprada."})
        total = sum(label["price"] for label in found)
        if total > self.balance:
            raise RefusedError(400, {"error": "Saldo insuficiente."})
        self.balance -= total
        self.purchases.append(ids)
        for label in found:
            self.move(label["id"], "released", paid_at=True)
        return {"purchase": {"id": str(uuid.uuid4()), "status": "paid", "total": total}}

    def generate(self, ids: list[str]) -> Any:
        said = {}
        for id_ in ids:
            label = self._one(id_)
            if label["status"] != "released":
                said[id_] = {"status": False, "message": "Etiqueta não está paga."}
                continue
            self.move(id_, "released", generated_at=True)
            label["generated_key"] = {"finished_at": label["generated_at"], "failed_at": None}
            label["self_tracking"] = f"ME{len(self.labels):09}BR"
            said[id_] = {"status": True, "message": "Envio gerado com sucesso"}
        return said

    def cancel(self, order: Any) -> Any:
        label = self._one(order["id"])
        done = label["status"] == "released"
        if done:
            self.balance += label["price"]
            self.move(label["id"], "released", canceled_at=True)
        return {label["id"]: {"canceled": done}}

    def remove(self, id_: str) -> None:
        if self._one(id_)["status"] != "pending":
            raise RefusedError(422, {"message": "O item não está no carrinho."})
        del self.labels[id_]

    def move(self, id_: str, status: str, **moments: bool) -> None:
        label, now = self._one(id_), self.now()
        label |= {"status": status, "updated_at": now, **dict.fromkeys(moments, now)}

    def search(self, text: str) -> list[Label]:
        """Only by these; tags are not among them."""
        return [one for one in self.labels.values() if text in _searched(one)]

    def _one(self, id_: str) -> Label:
        if id_ not in self.labels:
            raise RefusedError(404, {"message": "Not Found"})
        return self.labels[id_]


def _searched(label: Label) -> set[str | None]:
    people = {label[side].get(name) for side in ("from", "to") for name in ("document", "company_document")}
    return {label["id"], label["protocol"], label["tracking"], *people}
