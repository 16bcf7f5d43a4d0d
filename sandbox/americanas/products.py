"""Products, and what is asked of them: since 31 March 2025 more than of `classic` accounts."""

from typing import Any

from sandbox.americanas import samples
from sandbox.americanas.orders import RefusedError
from sandbox.americanas.samples import Object

CURSOR_PAGE = 25
MOST_PER_PAGE = 100
MOST_IN_PAGES = 10_000
PRICES = ("price", "promotional_price")


class Products:
    def __init__(self, *, classic: bool) -> None:
        self._classic = classic
        self.cursor = not classic
        self.kept: dict[str, Object] = {}

    def put(self, number: int) -> None:
        made = samples.product(number, classic=self._classic)
        self.kept[made["sku"]] = made

    def page(self, url: str, params: dict[str, str]) -> Object:
        """By pages, or by the cursor `next`, whose pages are of 25 whatever was asked for."""
        every = [self._listed(one) for one in self.kept.values()]
        if self.cursor and "page" not in params:
            start = int(params.get("scroll", 0))
            found: Object = {"products": every[start : start + CURSOR_PAGE], "total": len(every)}
            more = start + CURSOR_PAGE < len(every)
            return found | {"next": f"{url}/products?scroll={start + CURSOR_PAGE}" if more else None}
        size = min(int(params.get("per_page", MOST_PER_PAGE)), MOST_PER_PAGE)
        start = (int(params.get("page", 1)) - 1) * size
        if start >= MOST_IN_PAGES:
            raise RefusedError(400, "Limite de paginação excedido")
        return {"products": every[start : start + size], "total": len(every)}

    def get(self, sku: str) -> Object:
        if sku not in self.kept:
            raise RefusedError(404, "Produto não encontrado")
        return self.kept[sku]

    def variation(self, sku: str) -> Object:
        for product in self.kept.values():
            for one in product["variations"]:
                if one["sku"] == sku:
                    found: Object = one
                    return found
        raise RefusedError(404, "Variação não encontrada")

    def create(self, body: Object) -> None:
        if not body.get("sku") or body["sku"] in self.kept:
            raise RefusedError(422, "SKU ausente ou já cadastrado")
        if not self._classic:
            self._require(body)
        variations = [self._inherited(body, one) for one in body.get("variations") or ()]
        self._check(body, *variations)
        self.kept[body["sku"]] = {**body, "variations": variations}

    def update(self, sku: str, body: Object) -> None:
        """The variations keep what they have."""
        self._check(body, whole=False)
        self.get(sku).update(body)

    def add(self, sku: str, body: Object) -> None:
        product = self.get(sku)
        self._check(made := self._inherited(product, body))
        product["variations"].append(made)

    def change(self, sku: str, body: Object) -> None:
        self._check(body, whole=False)
        self.variation(sku).update(body)

    def _require(self, body: Object) -> None:
        if body.get("brand") not in samples.BRANDS:
            raise RefusedError(422, "Marca inválida")
        if not body.get("categories") or not body["categories"][0].get("id"):
            raise RefusedError(422, "Categoria é obrigatória")

    def _check(self, *bodies: Object, whole: bool = True) -> None:
        for body in bodies if not self._classic else ():
            if any(not body.get(name) for name in PRICES if whole or name in body):
                raise RefusedError(422, "price e promotional_price não podem ser 0 ou nulos")
            if any("key" in one for one in body.get("specifications") or ()):
                raise RefusedError(422, "specifications: use id e value ou idValue")

    def _inherited(self, product: Object, body: Object) -> Object:
        names = (*PRICES, "status", "weight", "ean")
        return {**{name: product[name] for name in names if name in product}, **body}

    def _listed(self, product: Object) -> Object:
        """The list of categories left the product search in 2024."""
        return {name: value for name, value in product.items() if name != "categories"}


def listing(values: list[Any], params: dict[str, str], most: int) -> Object:
    """The lists of the OMNIK platform."""
    limit, offset = int(params.get("limit", most)), int(params.get("offset", 0))
    if limit > most:
        raise RefusedError(400, f"limit deve ser no máximo {most}")
    found = values[offset : offset + limit]
    return {"total": len(values), "limit": limit, "offset": offset, "sort": None, "values": found}
