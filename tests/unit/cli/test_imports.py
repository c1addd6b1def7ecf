"""Commands load no more than they need, so that `--help` and small jobs start quickly.

Timed in `tests/benchmarks/startup.py`; here the modules are counted, which no load on the machine changes.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shadow.cli import COMMANDS

EXAMPLE = Path(__file__).parents[3] / "docs" / "shadow.example.toml"

#: Modules that take longer to import than Typer and Rich together.
HEAVY = (
    "aiohttp", "alembic", "faust", "genai_prices", "jsonschema", "kafka", "numpy", "openai", "pandas", "psycopg",
    "regex", "scipy", "sqlalchemy", "streamlit", "structlog", "uvicorn",
)  # fmt: skip

PROBE = """
import json, sys
from shadow import cli
sys.argv = ["shadow", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
sys.stdout.flush()
sys.stderr.write("\\nLOADED " + json.dumps(sorted({name.partition(".")[0] for name in sys.modules} | set(sys.modules))))
"""

PAIR = {
    "id": "1",
    "task": "sums",
    "at": "2026-09-01T00:00:00Z",
    "request": {"messages": [{"role": "user", "content": "2 + 2?"}]},
    "frontier": {"model": "big", "content": "4"},
    "candidate": {"model": "small", "content": "4"},
}


def loaded(*arguments: object, folder: Path) -> set[str]:
    """The modules that `shadow ARGUMENTS` has imported when it ends."""
    argv = [sys.executable, "-c", PROBE, *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.rpartition("LOADED ")[2]))


@pytest.mark.parametrize("name", [*COMMANDS, "judge run", "label import", ""])
def test_help_loads_nothing_that_a_command_runs(name: str, tmp_path: Path) -> None:
    modules = loaded(*name.split(), "--help", folder=tmp_path)
    assert modules & {*HEAVY, "scoring", "shadow.store", "shadow.settings"} == set()


def test_checking_the_file_alone_loads_no_client_and_no_statistics(tmp_path: Path) -> None:
    allowed = {"regex"}  # pydantic-settings loads the settings of redaction
    assert loaded("check", "--file-only", "--config", EXAMPLE, folder=tmp_path) & set(HEAVY) <= allowed


def test_a_replay_that_stores_nothing_loads_no_database_and_no_client(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n")
    modules = loaded("replay", "pairs.jsonl", "--dry-run", folder=tmp_path)
    assert modules & set(HEAVY) <= {"numpy", "scipy", "regex"}
    assert modules & {"scipy.stats", "scipy.optimize", "scipy.sparse", "shadow.store"} == set()
