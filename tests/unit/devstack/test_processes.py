"""Starting, polling and claiming ports: the small parts every service is built on."""

import socket
import time
from pathlib import Path

import pytest

from shadow.devstack.services.processes import ServerProcess, answers, claim_port, free_port, poll_until, tail
from shadow.errors import DevstackError


def test_polling_ends_as_soon_as_the_process_is_gone() -> None:
    with pytest.raises(TimeoutError):
        poll_until(lambda: False, timeout=3_600.0, alive=lambda: False)


def test_a_free_port_is_free_and_a_used_one_is_named() -> None:
    port = free_port()
    assert not answers(port)
    assert claim_port(port, "it") == port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(DevstackError, match=f"port {port} is in use"):
        claim_port(port, "it")


def test_a_missing_log_is_reported_and_a_long_one_shortened(tmp_path: Path) -> None:
    assert "no output" in tail(tmp_path / "log")
    (tmp_path / "log").write_text("\n".join(f"line {n}" for n in range(100)))
    assert tail(tmp_path / "log", lines=2) == "line 98 | line 99"


def test_a_process_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    process = ServerProcess("stubborn", tmp_path / "log")
    process.launch(["/bin/sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"])
    process.wait_until(lambda: "ready" in process.log.read_text(), timeout=10.0)
    process.stop(timeout=0.2)
    assert not process.running


def test_a_process_is_not_started_twice(tmp_path: Path) -> None:
    process = ServerProcess("single", tmp_path / "log")
    process.launch(["/bin/sleep", "60"])
    with pytest.raises(DevstackError, match="already running"):
        process.launch(["/bin/sleep", "60"])
    process.kill()


@pytest.mark.parametrize("log", ["file/log", "folder", "/proc/nowhere/log"])
def test_a_log_that_cannot_be_written_is_one_clear_line(tmp_path: Path, log: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    process = ServerProcess("the worker", tmp_path / log)
    with pytest.raises(DevstackError, match=f"the worker cannot log to .*{log}: "):
        process.launch(["/bin/sleep", "60"])
    assert not process.running


def test_what_was_never_started_has_no_pid_and_is_easily_stopped(tmp_path: Path) -> None:
    process = ServerProcess("absent", tmp_path / "log")
    process.stop()
    with pytest.raises(DevstackError, match="was not started"):
        _ = process.pid


def test_the_environment_and_the_folder_reach_the_program(tmp_path: Path) -> None:
    process = ServerProcess("sh", tmp_path / "log")
    process.launch(["/bin/sh", "-c", "echo $GREETING from $PWD"], env={"GREETING": "hello"}, cwd=tmp_path)
    deadline = time.monotonic() + 10
    while process.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.log.read_text().strip() == f"hello from {tmp_path}"
