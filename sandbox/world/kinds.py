"""What there is, and the natural key of each."""

from typing import Any

Record = dict[str, Any]

KINDS = {
    "categories": "slug",
    "products": "sku",
    "customers": "document",
    "stock": "sku",
    "orders": "number",
}
NAMED = {"categories", "products", "customers"}
SERVER_MADE = ("id", "version", "created_at", "updated_at", "token", "deleted")
