"""What commands read and write, for tests that run them."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a command did: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def tasks_of(file: Path | str) -> Any:
    """The evidence itself, without the moment it was written and the crossings, which `shadow report` alone tells."""
    tasks = json.loads(Path(file).read_text() if isinstance(file, Path) else file)["tasks"]
    return [{name: value for name, value in task.items() if not name.startswith("worst_crossings")} for task in tasks]
