"""A file that a command writes is there whole or not at all, also when several write it at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.cli.output.files import open_output
from shadow.errors import UsageError

WRITE = """
import sys, time
from pathlib import Path
from shadow.cli.output.files import open_output
with open_output(Path(sys.argv[1])) as stream:
    for _ in range(20):
        stream.write(sys.argv[2].encode() * 10_000)
        stream.flush()
        time.sleep(0.01)
"""


def test_concurrent_writers_of_a_file_leave_the_complete_text_of_one(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(file), letter]) for letter in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    content = file.read_text()
    assert len(content) == 200_000
    assert len(set(content)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("old")
    with pytest.raises(TypeError), open_output(file) as stream:
        stream.write("new")  # type: ignore[call-overload]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("pairs.jsonl", "old")]


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"), open_output(tmp_path / "no" / "pairs.jsonl"):
        pytest.fail("there is no such folder")
