"""The customers that a shop begins with."""

import hashlib
import re
from collections.abc import Callable

from sandbox.woocommerce import people
from sandbox.woocommerce.dates import local, text
from sandbox.woocommerce.links import links
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.timeline import ByCreated, ById, Ordered, Timeline

FIRST_CUSTOMER = 2
_EMAIL = re.compile(r"cliente(\d+)@cliente\.exemplo\.test")
ORDERS: dict[str, Callable[[Timeline], Ordered]] = {"id": ById, "registered_date": ByCreated}


class Customers:
    """Ids from 2 (1 is the administrator of the site)."""

    kind = "customers"

    def __init__(self, base: str, *, count: int, seed: int) -> None:
        self.base = base
        self.time = Timeline(FIRST_CUSTOMER, count, seed)

    def __contains__(self, id_: int) -> bool:
        return id_ in self.time

    def order(self, by: str) -> Ordered | None:
        found = ORDERS.get(by)
        return found(self.time) if found else None

    def created(self, id_: int) -> int:
        return self.time.created(id_)

    def modified(self, id_: int) -> int:
        return self.time.modified(id_)

    def by_email(self, email: str) -> int | None:
        found = _EMAIL.fullmatch(email)
        return int(found[1]) if found and int(found[1]) in self else None

    def record(self, id_: int) -> Record:
        person = people.billing(id_)
        created, modified = self.created(id_), self.modified(id_)
        return {
            "id": id_,
            "date_created": local(created),
            "date_created_gmt": text(created),
            "date_modified": local(modified),
            "date_modified_gmt": text(modified),
            "email": person["email"],
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "role": "customer",
            "username": f"cliente{id_}",
            "billing": person,
            "shipping": people.shipping(id_),
            "is_paying_customer": True,
            "avatar_url": avatar(person["email"]),
            "meta_data": people.brazilian(id_, "billing_", id_ * 10),
            "_links": links(self.base, "customers", id_),
        }

    def facts(self, id_: int) -> Record:
        return self.record(id_)

    def body(self, id_: int) -> str:
        return encode(self.record(id_))


def avatar(email: str) -> str:
    digest = hashlib.sha256(email.lower().encode()).hexdigest()
    return f"https://secure.gravatar.com/avatar/{digest}?s=96&d=mm&r=g"


def display_name(record: Record) -> str:
    return f"{record['first_name']} {record['last_name']}".strip() or str(record["username"])
