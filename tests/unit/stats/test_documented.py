"""Promises of docs/statistics.md: every function that it names exists."""

import re
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "statistics.md"


def test_every_function_in_the_table_exists():
    cells = [line.split("|")[2] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = 0
    for cell in cells:
        module = ""
        for name in re.findall(r"`([a-z_.]+)`", cell):
            module = name.rpartition(".")[0] or module  # a name without its module is in that of the name before
            assert hasattr(import_module(f"scoring.stats.{module}"), name.rpartition(".")[2]), name
            found += 1
    assert found >= 20
