"""The `_links` of each kind of record."""

from sandbox.woocommerce.php import Record

API = "/wp-json/wc/v3"
WRITABLE = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def links(base: str, collection: str, id_: object, **more: str) -> Record:
    """`collection` and the values of `more` are paths below the API."""
    found: Record = {
        "self": [{"href": f"{base}{API}/{collection}/{id_}", "targetHints": {"allow": WRITABLE}}],
        "collection": [{"href": f"{base}{API}/{collection}"}],
    }
    return found | {name: [{"href": f"{base}{API}/{path}"}] for name, path in more.items()}
