"""A real Apache Kafka on loopback, one node in KRaft mode, from a folder of jars.

It keeps acknowledged messages over a crash, which the embedded broker does not. Needs Java 17 or
newer; `fetch_jars` also needs Maven.
"""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from shadow.devstack.services.processes import ServerProcess, answers, claim_port, free_port, launch, tail
from shadow.errors import BrokerError, DevstackError
from shadow.topics import wait_for_broker

# 16 bytes in base64. Any value will do, because no second node joins the cluster.
_CLUSTER_ID = "c2hhZG93LWRldnN0YWNrIQ"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dirs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
# A killed broker can only register again after its session has timed out (9 s by default).
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""

_LOG4J = """\
Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: STDOUT}}
"""


class ApacheKafka(ServerProcess):
    """One broker with its data in `data_dir`, which survives stop, kill and start.

    `jars` is a folder that `fetch_jars` has filled. `port` 0 chooses a free port and keeps it over
    restarts, so that clients can reconnect.
    """

    def __init__(self, *, jars: Path, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir.absolute()
        super().__init__("Apache Kafka", self.data_dir / "server.log")
        self._jars = jars.absolute()
        self.port = port
        self._controller_port = 0

    @property
    def bootstrap(self) -> str:
        """The address for a Kafka client's `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self, timeout: float = 60.0) -> None:
        """Start it and wait until it answers. Raises DevstackError if it does not within `timeout` seconds."""
        java = find_java()
        if not _has_kafka(self._jars):
            raise DevstackError(f"there is no Apache Kafka in {self._jars}: run `make kafka` once, which fetches it")
        self.port = claim_port(self.port, self.name)
        self._controller_port = self._controller_port or free_port()
        properties = self._write_settings()
        run = [
            java,
            *("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC"),
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.yaml'}",
            *("-cp", f"{self._jars}/*"),
        ]
        self._format_storage(run, properties)
        # SIGTERM, so that Kafka closes its log in order even if this process is killed.
        self.launch([*run, "kafka.Kafka", str(properties)], death_signal=signal.SIGTERM)
        self.wait_until(self._answers, timeout)

    def _write_settings(self) -> Path:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "log4j2.yaml").write_text(_LOG4J)
        properties = self.data_dir / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                controller_port=self._controller_port,
                log_dirs=self.data_dir / "logs",
            )
        )
        return properties

    def _format_storage(self, run: list[str], properties: Path) -> None:
        if (self.data_dir / "logs" / "meta.properties").exists():
            return
        tool = [*run, "kafka.tools.StorageTool", "format"]
        argv = [*tool, "--cluster-id", _CLUSTER_ID, "--config", str(properties)]
        if launch(argv, log=self.log).wait() != 0:
            raise DevstackError(f"Apache Kafka could not format {self.data_dir}: {tail(self.log)}")

    def _answers(self) -> bool:
        if not answers(self.port):
            return False
        try:
            wait_for_broker(self.bootstrap, timeout=0.0)
        except BrokerError:
            return False
        return True


def find_java() -> str:
    """The path of `java`. Raises DevstackError if it is not on PATH."""
    java = shutil.which("java")
    if java is None:
        raise DevstackError("Apache Kafka needs Java 17 or newer, and there is no `java` on PATH: install a JRE")
    return java


def fetch_jars(pom: Path, jars: Path) -> None:
    """Fill the folder `jars` with the dependencies of `pom`, by Maven, unless it is filled already.

    Several processes may ask at once: one fetches, and the others wait for it. Raises DevstackError
    if Maven is absent or fails.
    """
    if _has_kafka(jars):
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise DevstackError("fetching Apache Kafka needs Maven, and there is no `mvn` on PATH: install Maven")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(jars.with_name(f"{jars.name}.lock")):
        if _has_kafka(jars):
            return  # another process has fetched them in the meantime
        # Into a folder of our own, which is renamed when complete: `jars` is never half full.
        with tempfile.TemporaryDirectory(
            dir=jars.parent.absolute(), prefix=f"{jars.name}.", suffix=".unfinished", ignore_cleanup_errors=True
        ) as folder:
            fetched = Path(folder) / "jars"
            _run_maven(maven, pom, fetched)
            shutil.rmtree(jars, ignore_errors=True)
            fetched.rename(jars)


def _has_kafka(jars: Path) -> bool:
    return any(jars.glob("kafka_*.jar"))


def _run_maven(maven: str, pom: Path, folder: Path) -> None:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    done = subprocess.run(  # noqa: S603 - a program found on PATH with arguments of our own
        [maven, "-q", "-B", "-f", str(pom), *goal], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        detail = " | ".join(done.stdout.strip().splitlines()[:3])
        raise DevstackError(f"Maven could not fetch Apache Kafka: {detail}")
    if not _has_kafka(folder):
        raise DevstackError(f"Maven fetched no Apache Kafka: {pom} does not name it")
