"""The embedded PostgreSQL against everything a laptop may do to it."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psycopg
import pytest

from shadow.devstack.services.postgres import EmbeddedPostgres, embedded_postgres, with_database
from shadow.devstack.services.processes import poll_until
from shadow.errors import DevstackError
from tests.support import services


@pytest.fixture
def folder():
    with services.service_folder("postgres test") as path:  # the space is part of the test
        yield path


def _one(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_data_survives_a_stop_a_crash_and_a_start(folder: Path) -> None:
    with embedded_postgres(folder) as url:
        _one(url, "CREATE TABLE kept AS SELECT 42 AS answer")

    server = EmbeddedPostgres(folder)
    server.start()
    try:
        assert _one(server.url, "SELECT answer FROM kept") == 42
        address = server.url
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address)
        server.start()
        assert _one(server.url, "SELECT answer FROM kept") == 42
    finally:
        server.stop()


def test_the_first_user_starts_the_server_and_the_last_one_stops_it(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    first.start()
    second.start()
    pid = first.pid
    assert second.pid == pid

    first.stop()
    assert _one(second.url, "SELECT 1") == 1

    second.stop()
    assert not _alive(pid)


_START = """
import sys
from pathlib import Path
from shadow.devstack.services.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.readline()
server.stop()
"""


def test_several_processes_that_start_it_at_once_have_one_server(folder: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", _START, str(folder / "data")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    pids = {int(user.stdout.readline()) for user in users if user.stdout}
    assert len(pids) == 1
    for user in users:
        assert _alive(*pids)
        user.communicate("\n", timeout=60)
        assert user.returncode == 0
    assert not (folder / "data" / "cluster" / "postmaster.pid").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only as root does the server run as another user")
def test_it_starts_again_after_a_folder_above_it_was_closed_to_others(folder: Path) -> None:
    with embedded_postgres(folder / "above" / "data"):
        pass
    (folder / "above").chmod(0o700)
    with embedded_postgres(folder / "above" / "data") as url:
        assert _one(url, "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_still_works(folder: Path) -> None:
    with embedded_postgres(folder / ("long" * 30), throwaway=True) as url:
        assert _one(url, "SELECT 1") == 1


def test_no_network_port_is_opened_and_only_the_owner_may_connect(folder: Path) -> None:
    with embedded_postgres(folder, throwaway=True) as url:
        assert _one(url, "SHOW listen_addresses") == ""
        assert (folder / "socket").stat().st_mode & 0o077 == 0


def test_text_is_utf8_and_time_is_utc(folder: Path) -> None:
    with embedded_postgres(folder, throwaway=True) as url:
        assert _one(url, "SHOW server_encoding") == "UTF8"
        assert _one(url, "SHOW timezone") == "UTC"
        assert _one(url, "SELECT upper('é')") == "É"


def test_a_throwaway_server_dies_with_its_process_even_if_that_is_killed(folder: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from shadow.devstack.services.postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path(sys.argv[1]), throwaway=True)
        server.start()
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    pid = int(killed.stdout)
    poll_until(lambda: not _alive(pid), timeout=15.0)


def test_removing_the_folder_ends_the_server_that_a_crash_left_over_it(folder: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from shadow.devstack.services.postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path(sys.argv[1]))
        server.start()
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    argv = [sys.executable, "-c", script, str(folder / "data")]
    left = int(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)
    assert _alive(left)
    EmbeddedPostgres(folder / "data").remove()
    assert not (folder / "data").exists()
    poll_until(lambda: not _alive(left), timeout=15.0)
    EmbeddedPostgres(folder / "data").remove()  # what is not there is removed already


def test_a_folder_that_cannot_be_made_is_one_clear_line(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(DevstackError, match=r"cannot keep its files in .*file/data: Not a directory"):
        EmbeddedPostgres(folder / "file" / "data").start()


def test_a_server_started_in_a_thread_outlives_the_thread(folder: Path) -> None:
    server = EmbeddedPostgres(folder, throwaway=True)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert _one(server.url, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_missing_wheel_is_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(DevstackError, match=r"shadow-regret\[embedded\]"):
        EmbeddedPostgres(folder).start()


def test_a_url_before_the_start_is_an_error_and_not_a_guess(folder: Path) -> None:
    with pytest.raises(DevstackError, match="no PostgreSQL is running"):
        _ = EmbeddedPostgres(folder).url


def test_each_database_is_fresh_and_gone_afterwards(postgres_server: EmbeddedPostgres) -> None:
    with services.fresh_database(postgres_server) as url:
        _one(url, "CREATE TABLE here (a int)")
    with services.fresh_database(postgres_server) as url:
        assert _one(url, "SELECT to_regclass('here')") is None
        name = _one(url, "SELECT current_database()")
    # Other tests of this session may have databases of their own; ours is gone.
    assert _one(postgres_server.url, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0


def test_a_database_name_is_quoted_in_the_url() -> None:
    url = "postgresql://postgres@/postgres?host=/a%20b"
    assert with_database(url, "x y") == "postgresql://postgres@/x%20y?host=/a%20b"
