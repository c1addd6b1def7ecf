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

from shadow.cli.together import is_ready
from shadow.devstack.postgres import EmbeddedPostgres
from shadow.devstack.processes import free_port
from shadow.store import engine, ledger
from shadow.store.ledger import Ledger
from tests.services import service_folder

EXCHANGES = 400
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder() -> Iterator[Path]:
    with service_folder("demo") as made:
        yield made


class Demo:
    """A running `shadow demo` and what it has printed so far."""

    def __init__(self, folder: Path, *, gateway: int, dashboard: int) -> None:
        self.folder = folder
        self.gateway = f"http://127.0.0.1:{gateway}"
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self._printed = folder / "printed.txt"
        argv = command(folder, gateway, dashboard)
        with self._printed.open("wb") as file:
            # A session of its own, as from a shell: Ctrl-C here must not reach the tests.
            self.process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=folder, start_new_session=True)

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


def command(folder: Path, gateway: int, dashboard: int) -> list[str]:
    options = {"days": 1, "exchanges": EXCHANGES, "per-second": 20, "gateway-port": gateway, "port": dashboard}
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "shadow", "demo", "--folder", str(folder), *named]


@contextmanager
def demo(folder: Path, **ports: int) -> Iterator[Demo]:
    running = Demo(folder, **ports)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()


def test_the_demo_shows_its_past_goes_on_live_stops_with_ctrl_c_and_starts_again(folder):
    ports = {"gateway": free_port(), "dashboard": free_port()}
    with demo(folder, **ports) as first:
        first.until(lambda: f"Dashboard: {first.dashboard}" in first.printed())
        assert "simulated" in first.printed()
        assert is_ready(f"{first.dashboard}/_stcore/health")
        first.until(lambda: first.ledger().compared >= EXCHANGES * 0.9)
        past = first.ledger().mirrored
        first.until(lambda: first.ledger().mirrored > past + 20)  # live traffic, through the gateway

        again = subprocess.run(
            command(folder / "other", **ports), capture_output=True, text=True, check=False, timeout=60
        )
        assert again.returncode != 0
        assert f"port {ports['gateway']}" in again.stderr
        assert "Traceback" not in again.stderr

        children = psutil.Process(first.process.pid).children(recursive=True)
        assert len(children) >= 8  # database, broker, models, and the six services
        assert first.press_ctrl_c() == 0, first.printed()
        assert first.printed().rstrip().endswith("Stopped.")
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []

    with demo(folder, **ports) as second:
        second.until(lambda: f"Dashboard: {second.dashboard}" in second.printed())
        assert second.press_ctrl_c() == 0, second.printed()
