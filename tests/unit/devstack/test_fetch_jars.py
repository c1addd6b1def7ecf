"""The jars of Apache Kafka are fetched once, however many processes want them at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.devstack.services.kafka import fetch_jars
from shadow.errors import DevstackError

#: Stands for Maven: counts its runs, and writes two jars with a pause between them.
MAVEN = """#!/bin/sh
for argument; do
  case "$argument" in -DoutputDirectory=*) folder="${argument#*=}" ;; esac
done
echo run >>"$RUNS"
mkdir -p "$folder"
printf whole >"$folder/lz4.jar"
sleep 0.5
[ -z "$FAILS" ] || { echo "no network"; exit 1; }
printf whole >"$folder/kafka_2.13.jar"
"""

FETCH = """
import sys
from pathlib import Path
from shadow.devstack.services.kafka import fetch_jars
fetch_jars(Path("pom.xml"), Path(sys.argv[1]))
assert sorted(jar.name for jar in Path(sys.argv[1]).iterdir()) == ["kafka_2.13.jar", "lz4.jar"]
assert all(jar.read_text() == "whole" for jar in Path(sys.argv[1]).iterdir())
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder; in `runs` under it each run of Maven leaves a line."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(MAVEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    return tmp_path


def test_one_of_several_processes_fetches_and_all_get_the_complete_folder(maven: Path) -> None:
    jars = maven / "kafka" / "libs"
    processes = [subprocess.Popen([sys.executable, "-c", FETCH, str(jars)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (maven / "runs").read_text() == "run\n"
    assert sorted(path.name for path in jars.parent.iterdir()) == ["libs", "libs.lock"]


def test_a_fetch_that_was_killed_does_not_pass_for_a_whole_one(maven: Path) -> None:
    jars = maven / "kafka" / "libs"
    with subprocess.Popen([sys.executable, "-c", FETCH, str(jars)]) as killed:
        while not (maven / "runs").exists():
            assert killed.poll() is None
        killed.kill()
    assert not jars.exists()
    fetch_jars(Path("pom.xml"), jars)
    assert (jars / "kafka_2.13.jar").read_text() == "whole"


def test_a_fetch_that_fails_says_why_and_leaves_nothing(maven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "yes")
    with pytest.raises(DevstackError, match="Maven could not fetch Apache Kafka: no network"):
        fetch_jars(Path("pom.xml"), maven / "kafka" / "libs")
    assert [path.name for path in (maven / "kafka").iterdir()] == ["libs.lock"]
