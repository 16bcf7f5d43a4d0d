"""The categories that a shop begins with; 15 is the one for products without any."""

from sandbox.woocommerce.links import links
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.timeline import ById, Ordered, Timeline

UNCATEGORIZED = 15
ROOTS = 5


class Categories:
    """Ids from 15: five roots, the rest below them."""

    kind = "categories"

    def __init__(self, base: str, *, count: int) -> None:
        self.base = base
        self.time = Timeline(UNCATEGORIZED, max(1, count), 0)

    def __contains__(self, id_: int) -> bool:
        return id_ in self.time

    def order(self, by: str) -> Ordered | None:
        return ById(self.time) if by == "id" else None

    def created(self, id_: int) -> int:
        return 0

    def modified(self, id_: int) -> int:
        return 0

    def record(self, id_: int) -> Record:
        parent = 0 if id_ < UNCATEGORIZED + ROOTS else UNCATEGORIZED + id_ % ROOTS
        default = id_ == UNCATEGORIZED
        return {
            "id": id_,
            "name": f"Categoria {id_} &amp; cia" if not default else "Uncategorized",
            "slug": f"categoria-{id_}" if not default else "uncategorized",
            "parent": parent,
            "description": "",
            "display": "default",
            "image": None,
            "menu_order": 0,
            "count": 0,
            "_links": category_links(self.base, id_, parent),
        }

    def facts(self, id_: int) -> Record:
        return self.record(id_)

    def body(self, id_: int) -> str:
        return encode(self.record(id_))


def category_links(base: str, id_: int, parent: int) -> Record:
    up = {"up": f"products/categories/{parent}"} if parent else {}
    return links(base, "products/categories", id_, **up)
