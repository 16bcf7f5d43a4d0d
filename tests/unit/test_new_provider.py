"""What docs/new-provider.md shows works as it is printed, and what it names is there."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.entities import Direction, Entity
from core.spec import Provider

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "new-provider.md").read_text()


def test_the_example_is_a_provider() -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(code, "docs/new-provider.md", "exec"), found)
    provider: Provider = found["EXAMPLE"]
    resource = provider.resources[Entity.PRODUCTS]
    assert resource.directions == {Direction.IMPORT}
    record = resource.map({"id": 7, "sku": "A", "name": "Caneca", "price": "12.5"}, {})
    assert (record.external_id, getattr(record, "price", None)) == ("7", Decimal("12.50"))


def test_what_it_names_is_there() -> None:
    for path in re.findall(r"`((?:core|tests|providers|docs|sandbox)/[\w/.-]+\.\w+)`", PAGE):
        assert (ROOT / path).exists(), path
    for row in re.findall(r"^\|.*\|$", PAGE.split("## Which piece")[1], re.MULTILINE)[2:]:
        for key in re.findall(r"`(\w+)`", row.split("|")[3]):
            places = (ROOT / "providers" / key, ROOT / "providers" / f"{key}.py")
            assert any(place.exists() for place in places), key
