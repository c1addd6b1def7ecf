"""Runs several `shadow` services as children of one command: starts, watches and stops them together.

`shadow up` and `shadow demo` use it. Each service is the command that an operator would run by
itself, in its own process, with its own log.
"""

import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shadow.devstack.services.processes import ServerProcess, answers, tail
from shadow.errors import UsageError

#: Longest wait for a service to be ready. Streamlit and Faust take seconds to import.
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """One child: `shadow NAME ARGUMENTS…`; ready once GET `ready_url` answers 200."""

    name: str
    port: int
    ready_url: str
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def refuse_used_ports(services: Sequence[Service]) -> None:
    """Raise UsageError for the first service whose port another service has, or another program uses."""
    wanted: dict[int, str] = {}
    for service in services:
        if not service.port:
            continue
        other = wanted.setdefault(service.port, service.name)
        if other != service.name:
            raise UsageError(
                f"{other} and {service.name} have the same port {service.port}: set another port for one of them"
            )
        if answers(service.port):
            raise UsageError(
                f"port {service.port}, which {service.name} needs, is in use: "
                f"stop what listens there, or set another port for {service.name}"
            )


@contextmanager
def running(
    services: Sequence[Service], *, logs: Path, announce: Callable[[str], None]
) -> Iterator[list[ServerProcess]]:
    """Start `services` side by side, yield when all are ready, stop them in reverse order."""
    refuse_used_ports(services)
    with ExitStack() as stack:
        children: list[ServerProcess] = []
        for service in services:
            child = ServerProcess(f"shadow {service.name}", logs / f"{service.name}.log")
            stack.callback(child.stop)
            child.launch(
                [sys.executable, "-m", "shadow", service.name, *service.arguments],
                env=service.env,
                # Faust and uvicorn end in order when asked to; a parent that dies asks them too.
                death_signal=signal.SIGTERM,
            )
            children.append(child)
        for service, child in zip(services, children, strict=True):
            child.wait_until(partial(is_ready, service.ready_url), START_TIMEOUT_S)
            announce(f"{service.name} is ready")
        yield children


def watch(children: Sequence[ServerProcess], stop: threading.Event, *, every_s: float = 0.5) -> None:
    """Return when `stop` is set. Raises UsageError as soon as a child has ended by itself."""
    while not stop.wait(every_s):
        refuse_ended(children)


def refuse_ended(children: Sequence[ServerProcess]) -> None:
    """Raise UsageError, with the end of its log, for the first child that has ended by itself."""
    for child in children:
        if not child.running:
            raise UsageError(f"{child.name} has ended: {tail(child.log)} (the whole log: {child.log})")


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that everything can stop in order. A second signal interrupts."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():  # a second Ctrl-C
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_ready(url: str) -> bool:
    """Whether GET `url` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own services' addresses
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
