"""Every system has its page for admins."""

from pathlib import Path

import pytest

from core.spec import Provider
from providers.registry import PROVIDERS

PAGES = Path(__file__).parents[2] / "docs" / "providers"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.key)
def test_the_page_names_every_setting_and_entity(provider: Provider) -> None:
    page = (PAGES / f"{provider.key}.md").read_text()
    for setting in provider.settings:
        assert setting.label in page, setting.name
    for entity in provider.resources:
        assert f"| {entity.label} |" in page
