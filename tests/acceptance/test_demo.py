"""`shadow demo`, started as its users start it: a process of its own, stopped with Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from shadow.cli.runtime.supervisor import is_ready
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.devstack.services.processes import free_port
from shadow.store.read import ledger
from shadow.store.read.ledger import Ledger
from shadow.store.schema import engine
from tests.support.services import service_folder

EXCHANGES = 400
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder() -> Iterator[Path]:
    with service_folder("demo") as made:
        yield made / "demo"


class Demo:
    """A running `shadow demo` and what it has printed so far."""

    def __init__(self, folder: Path, *, gateway: int, dashboard: int, exchanges: int = EXCHANGES) -> None:
        self.folder = folder
        self.gateway = f"http://127.0.0.1:{gateway}"
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self._printed = folder.with_name(f"{folder.name}.txt")
        argv = command(folder, gateway, dashboard, exchanges)
        with self._printed.open("wb") as file:
            # A session of its own, as from a shell: Ctrl-C here must not reach the tests.
            self.process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=folder.parent, start_new_session=True)

    def printed(self) -> str:
        return self._printed.read_text(encoding="utf-8", errors="replace")

    def until(self, holds: Callable[[], bool], *, timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert self.process.poll() is None, f"the demo has ended:\n{self.printed()}"
            assert time.monotonic() < deadline, f"not after {timeout_s} s:\n{self.printed()}"
            time.sleep(0.2)

    def ledger(self) -> Ledger:
        database = engine.connect(EmbeddedPostgres(self.folder / "postgres").url)
        try:
            with database.connect() as connection:
                return ledger.read(connection)
        finally:
            database.dispose()

    def press_ctrl_c(self) -> int:
        """Its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def command(folder: Path, gateway: int, dashboard: int, exchanges: int = EXCHANGES) -> list[str]:
    options = {"days": 1, "exchanges": exchanges, "per-second": 20, "gateway-port": gateway, "port": dashboard}
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "shadow", "demo", "--folder", str(folder), *named]


@contextmanager
def demo(folder: Path, **options: int) -> Iterator[Demo]:
    running = Demo(folder, **options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()


def refused(argv: list[str]) -> str:
    """What a command says that does not start anything."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Starting" not in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_demo_shows_its_past_goes_on_live_stops_with_ctrl_c_and_starts_again(folder):
    ports = {"gateway": free_port(), "dashboard": free_port()}
    with demo(folder, **ports) as first:
        first.until(lambda: f"Dashboard: {first.dashboard}" in first.printed())
        assert "simulated" in first.printed()
        assert is_ready(f"{first.dashboard}/_stcore/health")
        first.until(lambda: first.ledger().compared >= EXCHANGES * 0.9)
        past = first.ledger().mirrored
        first.until(lambda: first.ledger().mirrored > past + 20)  # live traffic, through the gateway

        output = refused(command(folder.with_name("other"), **ports))
        assert f"port {ports['gateway']}" in output
        others = {"gateway": free_port(), "dashboard": free_port()}
        assert f"a demo is running in {folder}" in refused(command(folder, **others))
        assert first.ledger().mirrored > past + 20  # and what it had is still there

        children = psutil.Process(first.process.pid).children(recursive=True)
        assert len(children) >= 8  # database, broker, models, and the six services
        assert first.press_ctrl_c() == 0, first.printed()
        assert first.printed().rstrip().endswith("Stopped.")
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []

    with demo(folder, **ports) as second:
        second.until(lambda: f"Dashboard: {second.dashboard}" in second.printed())
        assert second.press_ctrl_c() == 0, second.printed()


def test_a_worker_that_dies_while_the_past_is_compared_ends_the_demo_with_its_log(folder):
    with demo(folder, gateway=free_port(), dashboard=free_port(), exchanges=200_000) as doomed:
        doomed.until(lambda: "dashboard is ready" in doomed.printed())
        doomed.until(lambda: doomed.ledger().mirrored > 0)
        children = psutil.Process(doomed.process.pid).children(recursive=True)
        next(child for child in children if "worker" in child.cmdline()).kill()
        assert doomed.process.wait(timeout=90) == 1
        assert "shadow worker has ended" in doomed.printed()
        assert "worker.log" in doomed.printed()
        assert "Traceback" not in doomed.printed()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (
            ["--frontier-url", "http://127.0.0.1:1/v1", "--frontier-model", "gpt"],
            "http://127.0.0.1:1/v1 cannot be reached",
        ),
        (
            [
                "--candidate-url",
                "http://127.0.0.1:1/v1",
                "--candidate-model",
                "small",
                "--candidate-key-env",
                "NO_SUCH",
            ],
            "NO_SUCH is not set; export it",
        ),
        (["--port", "28123", "--gateway-port", "28123"], "gateway and dashboard have the same port 28123"),
    ],
)
def test_options_that_cannot_work_are_one_clear_line_before_anything_starts(shadow, folder, options, output):
    folder.mkdir()
    (folder / "demo.lock").touch()
    (folder / "logs").mkdir()
    (folder / "logs" / "worker.log").write_text("of the last demo")
    done = shadow("demo", "--folder", folder, *options)
    assert done.code == 1
    assert output in done.err
    assert len(done.err.splitlines()) == 1
    assert (folder / "logs" / "worker.log").exists()


@pytest.mark.parametrize(
    ("port", "output"), [("99999", "or equal to 65535"), ("-1", "or equal to 1"), ("0", "or equal to 1")]
)
@pytest.mark.parametrize("option", [("demo", "--port"), ("demo", "--gateway-port"), ("dashboard", "--port")])
def test_an_invalid_port_is_refused_with_the_valid_range(shadow, monkeypatch, option, port, output):
    monkeypatch.setenv("COLUMNS", "200")
    command, name = option
    done = shadow(command, name, port)
    assert done.code == 2
    assert name in done.err
    assert output in done.err
