"""axe over a page that is open: what it finds that is serious or critical."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{rule['id']}: {node['html']}"
        for rule in found.response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
