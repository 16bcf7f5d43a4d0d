"""Providers for a worker (CLOUDTOSYS_PROVIDERS): the product `POISON` ends the process that maps it."""

import os
import signal
from dataclasses import replace

from core.entities import Entity
from core.records import Record
from core.spec import Raw, Settings
from providers.woocommerce import WOOCOMMERCE

POISON = 137
PRODUCTS = WOOCOMMERCE.resources[Entity.PRODUCTS]


def deadly(raw: Raw, settings: Settings) -> Record:
    if raw["id"] == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    return PRODUCTS.map(raw, settings)


PROVIDERS = (
    replace(
        WOOCOMMERCE,
        resources={**WOOCOMMERCE.resources, Entity.PRODUCTS: replace(PRODUCTS, map=deadly)},
    ),
)
