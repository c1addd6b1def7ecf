"""`make` sets up once, also when two of it run at the same time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: Stands for Python: runs code, makes a virtual environment that holds itself, and notes all other calls.
PYTHON = f"""#!/bin/sh
case "$1 $2" in
  -c*) exec "{sys.executable}" "$@" ;;
  "-m venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *) echo "$2" >>calls; sleep 0.3 ;;
esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_two_that_set_up_at_once_do_it_once(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-bootstrap.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    argv = ["make", f"PYTHON={python}", "setup"]
    both = [subprocess.Popen(argv, cwd=tmp_path, env=env) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert (tmp_path / "calls").read_text().split() == ["pip", "uv", "uv"]
