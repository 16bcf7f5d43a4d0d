"""`dlt`'s own REST source from the same shop, merged by id into PostgreSQL; in an environment of its own.

Nested lists stay JSON columns: one table, as on our side. Prints records and the seconds of the pipeline.
"""

import json
import os
import sys
import time
from typing import Any
from urllib.parse import quote

import dlt
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import AuthConfigBase
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from dlt.sources.rest_api import rest_api_source
from requests_oauthlib import OAuth1


@configspec
class Signed(AuthConfigBase):  # type: ignore[misc]  # dlt is not installed where types are checked
    """OAuth 1.0a in the query: the shop is on plain HTTP."""

    def __call__(self, request: Any) -> Any:
        sign = OAuth1(os.environ["SHOP_KEY"], os.environ["SHOP_SECRET"], signature_type="QUERY")
        return sign(request)


def main(url: str, host: str, database: str) -> None:
    pages: Any = PageNumberPaginator(base_page=1, total_path=None, stop_after_empty_page=True)
    source = rest_api_source(
        {
            "client": {"base_url": f"{url}/wp-json/wc/v3/", "auth": Signed(), "paginator": pages},
            "resources": [
                {
                    "name": "products",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "max_table_nesting": 0,
                    "endpoint": {
                        "path": "products",
                        "params": {"per_page": 100, "orderby": "id", "order": "asc"},
                    },
                }
            ],
        }
    )
    # dlt writes the host into an address as it stands; the folder of a socket has to be quoted there.
    address = {
        "host": quote(host, safe=""),
        "port": 5432,
        "username": "postgres",
        "password": "-",
        "database": database,
    }
    destination = dlt.destinations.postgres(address)
    pipeline = dlt.pipeline(f"bench_{database}", destination=destination, dataset_name="shop")
    began = time.perf_counter()
    pipeline.run(source)
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client, client.execute_query("SELECT count(*) FROM products") as cursor:
        print(json.dumps({"records": cursor.fetchone()[0], "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
