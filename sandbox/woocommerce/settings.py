"""What a shop says of itself: index, settings, currency, attributes, system status."""

from sandbox.woocommerce.links import links
from sandbox.woocommerce.messages import Answer
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.store import Store

ROUTES = {
    "": ["GET"],
    "/customers": ["GET", "POST"],
    "/customers/(?P<id>[\\d]+)": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "/orders": ["GET", "POST"],
    "/orders/(?P<id>[\\d]+)": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "/orders/batch": ["POST", "PUT", "PATCH"],
    "/products": ["GET", "POST"],
    "/products/(?P<id>[\\d]+)": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "/products/batch": ["POST", "PUT", "PATCH"],
    "/products/categories": ["GET", "POST"],
    "/variations": ["GET"],
}
UNITS = {
    "products/woocommerce_weight_unit": ("Weight unit", "kg", ("kg", "g", "lbs", "oz")),
    "products/woocommerce_dimension_unit": ("Dimensions unit", "cm", ("m", "cm", "mm", "in", "yd")),
    "general/woocommerce_currency": ("Currency", "BRL", ("BRL", "EUR", "USD")),
}


def index(store: Store) -> Answer:
    """Answers without keys: no way to test them."""
    routes = {f"/wc/v3{path}": {"namespace": "wc/v3", "methods": methods} for path, methods in ROUTES.items()}
    up = {"up": [{"href": f"{store.base}/wp-json/"}]}
    return Answer(200, encode({"namespace": "wc/v3", "routes": routes, "_links": up}))


def find(store: Store, path: str) -> Record | None:
    """The fixed answer of a path, None where there is none."""
    if path.startswith("settings/"):
        return _setting(store, path.removeprefix("settings/"))
    if path == "data/currencies/current":
        found = links(store.base, "data/currencies", "BRL")
        found["self"][0]["targetHints"]["allow"] = ["GET"]
        return {"code": "BRL", "name": "Brazilian real", "symbol": "&#82;&#36;", "_links": found}
    return _system(store) if path == "system_status" else None


def _setting(store: Store, path: str) -> Record | None:
    if path not in UNITS:
        return None
    label, value, options = UNITS[path]
    group, id_ = path.split("/")
    return {
        "id": id_,
        "label": label,
        "description": "",
        "type": "select",
        "default": value,
        "options": dict.fromkeys(options, ""),
        "tip": "",
        "value": value,
        "group_id": group,
        "_links": links(store.base, f"settings/{group}", id_),
    }


def _system(store: Store) -> Record:
    environment = {"home_url": store.base, "site_url": store.base, "version": "10.5.0", "wp_version": "6.9.1"}
    counts = {"product": store.size.products, "shop_order": store.size.orders}
    return {
        "environment": environment
        | {"language": "en_US", "default_timezone": "UTC", "php_version": "8.2.36"},
        "database": {"wc_database_version": "10.5.0", "database_prefix": "wp_"},
        "active_plugins": [
            {"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": "10.5.0"}
        ],
        "inactive_plugins": [],
        "settings": {
            "api_enabled": False,
            "force_ssl": False,
            "currency": "BRL",
            "currency_symbol": "&#82;&#36;",
            "thousand_separator": ".",
            "decimal_separator": ",",
            "number_of_decimals": 2,
            "HPOS_enabled": True,
            "HPOS_sync_enabled": False,
        },
        "security": {"secure_connection": store.base.startswith("https"), "hide_errors": True},
        "pages": [],
        "post_type_counts": [{"type": name, "count": str(count)} for name, count in counts.items()],
    }
