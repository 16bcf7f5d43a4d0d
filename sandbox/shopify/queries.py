"""The fields of `QueryRoot`."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify import views
from sandbox.shopify.graph import Object, RefusedError
from sandbox.shopify.store import Store

SCOPES = (
    *("write_products", "write_inventory", "read_locations", "write_orders", "write_customers"),
    "write_merchant_managed_fulfillment_orders",
)


class Queries:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.scopes: list[str] = list(SCOPES)
        self.bulk: dict[str, Object] = {}

    def roots(self) -> dict[str, Callable[..., Any]]:
        return {
            "shop": lambda: {
                "id": "gid://shopify/Shop/1",
                "name": "Loja Teste",
                "myshopifyDomain": "loja-teste.myshopify.com",
                "currencyCode": "BRL",
                "ianaTimezone": "America/Sao_Paulo",
            },
            "currentAppInstallation": lambda: {"accessScopes": [{"handle": name} for name in self.scopes]},
            "locations": lambda: list(self._store.kinds["Location"].values()),
            "products": self._products,
            "productVariants": self._variants,
            "collections": self._list("Collection", views.collection, "products"),
            "customers": self._list("Customer", views.customer, "customers", by_day=True),
            "orders": self._orders,
            "order": self._node,
            "productsCount": self._count(self._products),
            "collectionsCount": self._count(self._list("Collection", views.collection, "products")),
            "customersCount": self._count(self._list("Customer", views.customer, "customers", by_day=True)),
            "ordersCount": self._count(self._orders),
            "nodes": lambda ids: [self._node(id_) for id_ in ids],
            "node": self._node,
        }

    def demand(self, scope: str) -> None:
        if not {f"read_{scope}", f"write_{scope}"} & set(self.scopes):
            raise RefusedError(
                f"Access denied. Required access: `read_{scope}` access scope.", "ACCESS_DENIED"
            )

    def _products(self, query: str | None = None, sortKey: str = "") -> list[Object]:  # noqa: N803
        self.demand("products")
        found = [one for one in self._store.every("Product") if views.fits(one, query)]
        return [views.product(self._store, one) for one in found]

    def _variants(self, query: str | None = None) -> list[Object]:
        self.demand("products")
        pairs = [pair for pair in self._store.variants() if views.fits(pair[1], query)]
        return [views.variant(self._store, *pair) for pair in pairs]

    def _orders(self, query: str | None = None, sortKey: str = "") -> list[Object]:  # noqa: N803
        self.demand("orders")
        # Only open ones, unless the status is asked for.
        asked = query if query and "status:" in query else f"{query or ''} status:open".strip()
        return [views.order(one) for one in self._store.every("Order") if views.fits(one, asked)]

    def _list(
        self, kind: str, view: Callable[[Any], Object], scope: str, *, by_day: bool = False
    ) -> Callable[..., list[Object]]:
        def found(query: str | None = None, sortKey: str = "") -> list[Object]:  # noqa: N803
            self.demand(scope)
            every = self._store.every(kind)
            return [view(one) for one in every if views.fits(one, query, by_day=by_day)]

        return found

    def _count(self, found: Callable[..., list[Object]]) -> Callable[..., Object]:
        def count(query: str | None = None, limit: int = 10_000) -> Object:
            return {"count": min(limit, len(found(query=query))), "precision": "EXACT"}

        return count

    def _node(self, id: str) -> Object | None:  # noqa: A002 - the schema's name
        kind = id.removeprefix("gid://shopify/").partition("/")[0]
        if kind == "ProductVariant":
            pair = self._store.variant(id)
            return pair and views.variant(self._store, *pair)
        record = self._store.kinds.get(kind, {}).get(id)
        if record is None:
            return None
        match kind:
            case "Product":
                return views.product(self._store, record)
            case "Collection":
                return views.collection(record)
            case "Customer":
                return views.customer(record)
            case "Order":
                return views.order(record)
        return None
