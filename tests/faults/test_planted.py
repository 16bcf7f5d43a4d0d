"""T31: the judge judged. Bugs are planted in a copy of the tree, and the tests that should see them must."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db import embedded
from tests.faults.conftest import LONG
from tests.faults.planted import BUGS, Bug
from tests.processes import ROOT

LONGEST_SECONDS = 1200
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")


def copied(folder: Path) -> Path:
    """A fresh tree: nothing that was compiled from another one is taken for it."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(ROOT, tree, ignore=LEFT_BEHIND)
    return tree


def plant(bug: Bug, tree: Path) -> None:
    file = tree / bug.file
    file.write_text(file.read_text().replace(bug.old, bug.new))


def run(tree: Path, tests: tuple[str, ...], cluster: embedded.Server) -> str:
    """The last line of pytest, which says how many failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env={name: value for name, value in os.environ.items() if name != "FAULTS"}
        | {
            "PYTHONPATH": str(tree),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TEST_POSTGRES_SOCKETS": str(cluster.socket_folder),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return done.stdout.strip().rpartition("\n")[2] or done.stderr[-500:]


def test_every_bug_can_still_be_planted() -> None:
    """Where the code moved on, the bug moves with it."""
    moved = [bug.name for bug in BUGS if (ROOT / bug.file).read_text().count(bug.old) != 1]
    assert moved == []
    named = [name.partition("::") for bug in BUGS for name in bug.tests]
    assert [test for file, _, test in named if f"def {test}" not in (ROOT / file).read_text()] == []
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 20


@pytest.mark.skipif(not LONG, reason="the gate runs these tests anyway")
@pytest.mark.timeout(1800)
def test_without_a_bug_they_are_green(cluster: embedded.Server, tmp_path: Path) -> None:
    tests = tuple({name: None for bug in BUGS for name in bug.tests})
    said = run(copied(tmp_path), tests, cluster)
    assert re.match(r"\d+ passed", said), said


@pytest.mark.skipif(not LONG, reason="make faults plants them all")
@pytest.mark.timeout(3600)
def test_planted_bugs_are_caught(cluster: embedded.Server, tmp_path: Path) -> None:
    started, missed = time.monotonic(), []
    for bug in BUGS:
        tree = copied(tmp_path)
        plant(bug, tree)
        said = run(tree, bug.tests, cluster)
        print(f"  {bug.name}: {said}", flush=True)
        if not re.match(r"\d+ failed", said):
            missed.append(f"{bug.name}: {said}")
    assert missed == []
    seconds = time.monotonic() - started
    print(f"T31 pass caught={len(BUGS)}/{len(BUGS)} {seconds:.0f}s")
