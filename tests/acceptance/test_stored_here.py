"""What `shadow replay` stored without a database being named, through the other commands."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import launch
from shadow.cli.runtime.storage import EMBEDDED
from shadow.cli.runtime.supervisor import is_ready
from shadow.devstack.services.processes import free_port, poll_until
from shadow.settings import POSTGRES_VARIABLE
from tests.acceptance.commands import Result, write

#: The file by which a running PostgreSQL tells others about itself.
RUNNING = EMBEDDED / "cluster" / "postmaster.pid"

PAIRS = [
    {
        "id": str(n),
        "task": "sums",
        "at": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "request": {"messages": [{"role": "user", "content": f"{n} + 0?"}]},
        "frontier": {"model": "big", "content": str(n)},
        "candidate": {"model": "small", "content": str(n)},
    }
    for n in range(20)
]


@pytest.fixture
def replayed(shadow: Callable[..., Result], tmp_path: Path) -> Callable[..., Result]:
    """The command line in a folder in which pairs were replayed, and nothing is configured."""
    assert shadow("replay", write(tmp_path / "pairs.jsonl", PAIRS), "--scorer", "numeric").code == 0
    return shadow


@pytest.mark.usefixtures("empty_page_caches")
def test_what_was_replayed_without_a_database_is_on_the_dashboard(
    replayed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def serve(_host: str, _port: int) -> None:
        app = AppTest.from_file(str(launch.APP), default_timeout=60).run()
        assert not app.exception
        seen.extend(str(each.value) for part in (app.subheader, app.markdown, app.caption) for each in part)

    monkeypatch.setenv(POSTGRES_VARIABLE, "")  # so that it is as it was after the test
    monkeypatch.setattr("dashboard.launch.serve", serve)
    done = replayed("dashboard", "--port", free_port())
    assert done.code == 0, done.err
    assert "sums" in "\n".join(seen)
    assert not RUNNING.exists()  # it ran for as long as the pages were served


def test_the_database_of_the_dashboard_ends_with_it(replayed: Callable[..., Result], tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "shadow", "dashboard", "--port", str(port)]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            poll_until(
                lambda: is_ready(f"http://127.0.0.1:{port}/_stcore/health"),
                timeout=60,
                alive=lambda: process.poll() is None,
            )
            assert RUNNING.exists()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not RUNNING.exists()


def test_what_was_replayed_can_be_pruned_and_watched(replayed: Callable[..., Result], tmp_path: Path) -> None:
    assert "Nothing to delete" in replayed("prune").out
    (tmp_path / "shadow.toml").write_text("[monitor]\nsettle_s = 0.5\nlateness_s = 1\n")
    done = replayed("monitor", "--once")
    assert done.code == 0, done.err
    assert "0.5 s" in done.err  # it reports what it waits for before it waits
    assert done.out.startswith("sums: processed up to 20")
    assert "0 incidents open" in done.out


def test_several_replays_at_once_share_one_database_and_store_each_pair_once(tmp_path: Path) -> None:
    """The first of them makes the database, while the others wait for it; each may be the last to leave."""
    file = write(tmp_path / "pairs.jsonl", PAIRS)
    argv = [sys.executable, "-m", "shadow", "replay", str(file), "--scorer", "numeric"]
    env = {name: value for name, value in os.environ.items() if name != POSTGRES_VARIABLE}
    replays = [
        subprocess.Popen(argv, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    summaries = [replay.communicate(timeout=100)[1] for replay in replays]
    assert [replay.returncode for replay in replays] == [0, 0, 0], summaries
    new = [int(found[1]) for found in (re.search(r"(\d+) pairs newly stored", each) for each in summaries) if found]
    assert sum(new) == len(PAIRS), summaries
    assert not (tmp_path / RUNNING).exists()
