"""Services that run together: no port twice, none unwatched, and an orderly stop."""

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.cli.runtime.supervisor import Service, refuse_used_ports, stop_on_signals, watch
from shadow.devstack.services.processes import ServerProcess, free_port
from shadow.errors import UsageError


def service(name: str, port: int) -> Service:
    return Service(name=name, port=port, ready_url=f"http://127.0.0.1:{port}/readyz")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess("shadow worker", tmp_path / "worker.log")
    process.launch(["/bin/sh", "-c", "echo no more room; exec sleep 60"])
    process.wait_until(lambda: process.log.read_text() != "", timeout=10)
    yield process
    process.kill()


def test_a_port_in_use_is_named_with_the_service_that_needs_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port}, which gateway needs, is in use"):
            refuse_used_ports([service("worker", free_port()), service("gateway", port)])


def test_two_services_are_not_given_one_port() -> None:
    port = free_port()
    with pytest.raises(UsageError, match=f"worker and gateway have the same port {port}"):
        refuse_used_ports([service("worker", port), service("scorer", free_port()), service("gateway", port)])


def test_free_ports_and_port_zero_are_accepted() -> None:
    refuse_used_ports([service("worker", 0), service("scorer", 0), service("gateway", free_port())])


def test_a_child_that_ends_by_itself_is_reported_with_the_end_of_its_log(child: ServerProcess) -> None:
    child.kill()
    with pytest.raises(UsageError, match=r"shadow worker has ended: no more room .*worker\.log"):
        watch([child], threading.Event(), every_s=0.01)


def test_watching_ends_on_request_and_leaves_the_children_running(child: ServerProcess) -> None:
    stop = threading.Event()
    stop.set()
    watch([child], stop)
    assert child.running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_the_stop_and_a_second_one_insists(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before
