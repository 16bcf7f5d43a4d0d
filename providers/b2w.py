"""B2W Marketplace by SkyHub, for accounts of the time before the OMNIK platform: the same host, headers,
queue and actions as `providers.americanas`, products with free brands and attributes by name.

Historic docs: https://skyhub.gelato.io/docs/versions/1.1
"""

from dataclasses import replace

from core.entities import Entity
from core.spec import Probe
from providers.americanas import AMERICANAS, CREDENTIALS, LIMITS, RESOURCES
from providers.americanas.products import Products
from providers.americanas.unmapping import Shape

B2W = replace(
    AMERICANAS,
    key="b2w",
    name="B2W (SkyHub, histórico)",
    category="legacy",
    settings=(*CREDENTIALS, *LIMITS),
    probe=Probe(path="statuses"),
    resources={
        **RESOURCES,
        Entity.PRODUCTS: replace(
            RESOURCES[Entity.PRODUCTS], writing=Products(Shape(by_attribute=False)).writing
        ),
    },
)
