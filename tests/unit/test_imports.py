"""Who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"cli", "core", "db", "deployments", "flows", "providers", "sandbox", "tasks", "web"}
ALLOWED = {
    "core": set(),
    "providers": {"core"},
    "db": {"core"},
    "tasks": {"core", "db", "providers"},
    "flows": {"core", "tasks"},
    "deployments": {"core", "db"},
    "web": {"core", "db", "providers"},
    "sandbox": set(),
}
ONLY_IN = {
    "prefect": {"tasks", "flows", "deployments"},
    "sqlalchemy": {"db", "tasks", "deployments"},
    "fastapi": {"web"},
}
SOURCES = {"providers/legacy/tables.py", "web/wiring.py"}
"""Where SQLAlchemy reaches the external system itself, and the engine's type that the console passes on."""
LONGEST_FILE = 400


def modules(folder: str) -> Iterator[Path]:
    return (ROOT / folder).rglob("*.py")


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_follow_the_design(folder: str) -> None:
    for path in modules(folder):
        names = imported(path)
        assert names & OURS <= ALLOWED[folder] | {folder}, path
        for library, folders in ONLY_IN.items():
            allowed = folder in folders or (
                library == "sqlalchemy" and str(path.relative_to(ROOT)) in SOURCES
            )
            assert library not in names or allowed, path


@pytest.mark.parametrize("folder", ["core", "providers"])
def test_no_broad_except(folder: str) -> None:
    assert [path for path in modules(folder) if "except Exception" in path.read_text()] == []


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_files_stay_short(folder: str) -> None:
    long = [path for path in modules(folder) if len(path.read_text().splitlines()) > LONGEST_FILE]
    assert [path for path in long if "versions" not in path.parts] == []
