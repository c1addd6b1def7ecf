"""How long commands take to start, against only importing numpy, msgspec, typer and rich."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from shadow.cli import COMMANDS

ROUNDS = 3
LIBRARIES = ("-c", "import numpy, msgspec, typer, rich")
EXAMPLE = Path(__file__).parents[2] / "docs" / "shadow.example.toml"

PAIR = {
    "id": "1",
    "task": "sums",
    "at": "2026-09-01T00:00:00Z",
    "request": {"messages": [{"role": "user", "content": "2 + 2?"}]},
    "frontier": {"model": "big", "content": "4"},
    "candidate": {"model": "small", "content": "4"},
}


def measure():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        file.write_text(json.dumps(PAIR) + "\n")
        replay = against_libraries("replay", file, "--dry-run")
        check = against_libraries("check", "--file-only", "--config", EXAMPLE)
        slowest, name = max((against_libraries(name, "--help"), name) for name in COMMANDS)
    return [
        ("a dry run of `replay` on one line", f"{replay:.1f} ×", "≤ 4 ×"),
        ("`check` of the file only", f"{check:.1f} ×", "≤ 2 ×"),
        (f"the slowest help, of `{name}`", f"{slowest:.1f} ×", "≤ 2 ×"),
    ]


def against_libraries(*arguments):
    """The time of `shadow ARGUMENTS` over that of the imports, in turns, so that both meet the same machine."""
    command = ("-m", "shadow", *map(str, arguments))
    return median(seconds(command) / seconds(LIBRARIES) for _ in range(ROUNDS))


def seconds(arguments):
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started
