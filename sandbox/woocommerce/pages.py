"""One page of a list: the records as that list shows them, totals, and links to the neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from sandbox.woocommerce.fields import cut
from sandbox.woocommerce.links import API, links
from sandbox.woocommerce.messages import Answer, Request
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.store import Store
from sandbox.woocommerce.variations import as_product


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    size: int
    total: int

    @property
    def count(self) -> int:
        return -(-self.total // self.size)


def page_of(store: Store, request: Request, path: str, kind: str, ids: Sequence[int], page: Page) -> Answer:
    show = bodies(store, kind, path)
    body = f"[{','.join(map(show, ids))}]"
    fields = request.many("_fields")
    headers = [("X-WP-Total", str(page.total)), ("X-WP-TotalPages", str(page.count))]
    neighbours = _neighbours(f"{store.base}{API}/{path}", request, kind, page, bool(ids))
    if neighbours:
        headers.append(("Link", neighbours))
    return Answer(200, cut(body, fields) if fields and ids else body, headers)


def bodies(store: Store, kind: str, path: str = "") -> Callable[[int], str]:
    """How the records of a list are shown: most as they are kept."""
    if kind == "products":
        return lambda id_: store.products.body(id_) if id_ in store.products else _as_product(store, id_)
    if kind == "variations" and path == "variations":
        return lambda id_: _flat(store, id_)
    if kind == "categories":
        return lambda id_: encode(category(store, id_))
    return store.shelves[kind].body


def category(store: Store, id_: int) -> Record:
    return store.categories.record(id_) | {"count": store.category_counts()[id_]}


def _as_product(store: Store, id_: int) -> str:
    variation = store.variations.record(id_)
    return encode(as_product(variation, store.products.record(variation["parent_id"]), store.base))


def _flat(store: Store, id_: int) -> str:
    """The links of `/variations` know no parent: the running shop shows `products/0`."""
    found = links(store.base, "variations", id_, up="products/0")
    del found["self"][0]["targetHints"]
    return encode(store.variations.record(id_) | {"_links": found})


def _neighbours(url: str, request: Request, kind: str, page: Page, filled: bool) -> str:
    found = []
    if page.number > 1:
        found.append((min(page.number - 1, page.count), "prev"))
    if page.number < page.count:
        found.append((page.number + 1, "next"))
    return ", ".join(f'<{url}?{_query(request, kind, number, filled)}>; rel="{rel}"' for number, rel in found)


def _query(request: Request, kind: str, page: int, filled: bool) -> str:
    """The parameters as the shop repeats them: orders add what the shop assumed."""
    pairs = [(name, value) for name, value in request.pairs if name != "_method"]
    if kind not in {"customers", "categories"}:
        pairs = [
            (name, "1" if name == "dates_are_gmt" and request.yes(name) else value) for name, value in pairs
        ]
    if kind == "orders":
        pairs = [(name, value) for name, value in pairs if not name.startswith("status")]
        pairs += [(f"status[{n}]", value) for n, value in enumerate(request.many("status") or ["any"])]
        pairs += [("dp", "2"), ("context", "view")] if filled else []
    if any(name == "page" for name, _ in pairs):
        pairs = [(name, str(page) if name == "page" else value) for name, value in pairs]
    else:
        pairs.append(("page", str(page)))
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
