"""`shadow up`, started as an operator starts it: everything together, and everything gone together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.processes import free_port, poll_until

pytestmark = pytest.mark.timeout(240)

#: In the order in which they start, which is the order in which they need each other.
SERVICES = ("scorer", "worker", "monitor", "gateway", "dashboard")


class Up:
    """A running `shadow up`, and what it has printed so far."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._printed = folder / "printed.txt"
        self.logs = folder / ".shadow" / "logs"
        with self._printed.open("wb") as file:
            # A session of its own, as from a shell: Ctrl-C here must not reach the tests.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shadow", "up"],
                stdout=file,
                stderr=file,
                cwd=folder,
                env={**os.environ, **env},
                start_new_session=True,
            )

    def printed(self) -> str:
        return self._printed.read_text()

    def children(self) -> dict[str, psutil.Process]:
        """Its services by name."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            name = child.cmdline()[-1]
            assert name in SERVICES, child.cmdline()
            found[name] = child
        return found

    def stopped_at(self, service: str) -> str:
        """The time at which a service logged that it had stopped in order."""
        lines = [json.loads(line) for line in (self.logs / f"{service}.log").read_text().splitlines() if "{" in line]
        (output,) = [line["timestamp"] for line in lines if line.get("event") == "stopped"]
        return str(output)


def ports() -> str:
    """Tables that give every service a port of its own."""
    keys = {"gateway": "port", "dashboard": "port"}
    return "".join(f"[{name}]\n{keys.get(name, 'health_port')} = {free_port()}\n" for name in SERVICES)


@contextmanager
def everything_ready(folder: Path, broker: str, postgres_url: str, model: str) -> Iterator[Up]:
    (folder / "shadow.toml").write_text(
        f'[models.big]\nbase_url = "{model}/v1"\n[models.small]\nbase_url = "{model}/v1"\n'
        f'[tasks.intent]\nfrontier = "big"\ncandidates = ["small"]\n'
        f'[kafka]\ngroup_prefix = "{folder.name}"\nsession_timeout_s = 3\n{ports()}'
    )
    up = Up(folder, {"SHADOW_KAFKA": broker, "SHADOW_POSTGRES": postgres_url})
    try:
        poll_until(lambda: "Dashboard: " in up.printed(), timeout=120, alive=lambda: up.process.poll() is None)
        yield up
    except TimeoutError as late:
        raise AssertionError(up.printed()) from late
    finally:
        if up.process.poll() is None:
            up.process.kill()  # the services end when their parent does
            up.process.wait()


def test_all_services_get_ready_and_ctrl_c_ends_them_in_order(tmp_path, broker, postgres_url, serve):
    with everything_ready(tmp_path, broker, postgres_url, serve(echo_app())) as up:
        assert [name for name in SERVICES if f"{name} is ready" in up.printed()] == list(SERVICES)
        children = up.children()
        assert set(children) == set(SERVICES)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(timeout=60) == 0, up.printed()
        assert up.printed().rstrip().endswith("Stopped.")
        _, alive = psutil.wait_procs(list(children.values()), timeout=10)
        assert alive == []
        # Whoever needs another ends before it.
        order = [up.stopped_at(name) for name in ("gateway", "monitor", "worker", "scorer")]
        assert order == sorted(order)


def test_a_service_that_dies_ends_the_others_and_names_its_log(tmp_path, broker, postgres_url, serve):
    with everything_ready(tmp_path, broker, postgres_url, serve(echo_app())) as up:
        children = up.children()
        children["worker"].kill()
        assert up.process.wait(timeout=60) == 1
        last = up.printed().splitlines()[-1]
        assert last.startswith("shadow: shadow worker has ended: ")
        assert "worker.log" in last
        assert "Traceback" not in up.printed()
        _, alive = psutil.wait_procs(list(children.values()), timeout=10)
        assert alive == []


@pytest.mark.parametrize("logs", ["taken", "/proc/nowhere"])
def test_logs_that_cannot_be_written_are_one_clear_line(shadow, tmp_path, logs):
    (tmp_path / "taken").write_text("")
    (tmp_path / "shadow.toml").write_text(ports())
    done = shadow("up", "--logs", logs)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert f"shadow: shadow scorer cannot log to {logs}/scorer.log: " in done.err


def test_two_services_with_one_port_are_refused_before_any_starts(shadow, tmp_path):
    (tmp_path / "shadow.toml").write_text("[gateway]\nport = 28123\n[dashboard]\nport = 28123\n")
    done = shadow("up")
    assert done.code == 1
    assert done.err == ("shadow: gateway and dashboard have the same port 28123: set another port for one of them\n")
    assert not (tmp_path / ".shadow").exists()
