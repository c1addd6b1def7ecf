"""The demo's folder: one demo at a time, and no folder with other files is used."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.cli.demo import folder as demo_folder
from shadow.errors import UsageError


def test_a_second_demo_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo_folder.lock(folder):
        (folder / "postgres").mkdir()
        with (
            pytest.raises(UsageError, match=r"a demo is running in .*demo; stop it or use --folder"),
            demo_folder.lock(folder),
        ):
            pytest.fail("two demos in one folder")
        assert (folder / "postgres").exists()
    with demo_folder.lock(folder):
        pass


def test_only_one_of_several_demos_started_at_once_runs(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from shadow.cli.demo import folder\n"
        "with folder.lock(Path(sys.argv[1])): print('running', flush=True); sys.stdin.readline()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "demo")]
    demos = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [line for demo in demos if demo.stdout and (line := demo.stdout.readline())]  # no line: it has ended
    assert ended == ["running\n"]
    errors = [demo.communicate("\n", timeout=30)[1] for demo in demos]
    assert sum("a demo is running in" in error for error in errors) == 2
    assert sorted(demo.returncode for demo in demos) == [0, 1, 1]


def test_files_of_an_earlier_demo_are_deleted_and_other_files_are_kept(tmp_path: Path) -> None:
    with demo_folder.lock(tmp_path / "demo"):
        pass
    for name in ("postgres", "logs", "notes"):
        (tmp_path / "demo" / name).mkdir()
        (tmp_path / "demo" / name / "file").write_text("of the last demo")
    with demo_folder.lock(tmp_path / "demo"):
        demo_folder.empty(tmp_path / "demo")
    assert not (tmp_path / "demo" / "postgres").exists()
    assert list((tmp_path / "demo" / "logs").iterdir()) == []
    assert (tmp_path / "demo" / "notes" / "file").exists()


def test_a_folder_with_other_files_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "precious.log").write_text("mine")
    with pytest.raises(UsageError, match="holds files that are not a demo's"), demo_folder.lock(tmp_path):
        pytest.fail("a folder with other files was used")
    assert [path.name for path in tmp_path.rglob("*")] == ["logs", "precious.log"]


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--folder"), demo_folder.lock(tmp_path / folder):
        pytest.fail("there is no such folder")
