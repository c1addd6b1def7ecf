"""The embedded broker: started, written to, frozen, killed."""

import importlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from shadow.devstack.services.broker import EmbeddedBroker, embedded_broker
from shadow.devstack.services.processes import answers, poll_until
from shadow.errors import BrokerError, DevstackError
from shadow.settings import TopicSettings
from shadow.topics import create_topics, wait_for_broker


def _round_trip(bootstrap: str, topic: str, value: bytes) -> bytes:
    producer = KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=False, acks="all")
    producer.send(topic, value).get(timeout=10)
    producer.close()
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    received = next(iter(consumer)).value
    consumer.close()
    assert isinstance(received, bytes)
    return received


def test_what_is_produced_is_consumed(broker: str, topics: TopicSettings) -> None:
    assert _round_trip(broker, topics.exchanges, b"hello") == b"hello"


def test_topics_are_created_once_with_their_partitions(broker: str, topics: TopicSettings) -> None:
    name = f"{topics.trials}.three"
    create_topics(broker, {name: 3})
    create_topics(broker, {name: 5})
    consumer = KafkaConsumer(bootstrap_servers=broker)
    assert consumer.partitions_for_topic(name) == {0, 1, 2}
    consumer.close()


def test_a_frozen_broker_goes_silent_and_wakes_up_again(tmp_path: Path) -> None:
    with embedded_broker(log=tmp_path / "log") as running:
        running.pause()
        with pytest.raises(BrokerError, match="does not answer"):
            wait_for_broker(running.bootstrap, timeout=0.5)
        running.resume()
        wait_for_broker(running.bootstrap)


def test_a_frozen_broker_can_still_be_stopped(tmp_path: Path) -> None:
    with embedded_broker(log=tmp_path / "log") as running:
        running.pause()
    assert not running.running


def test_a_killed_broker_comes_back_at_the_same_address(tmp_path: Path) -> None:
    with embedded_broker(log=tmp_path / "log") as running:
        address = running.bootstrap
        running.kill()
        assert not answers(running.port)
        running.start()
        assert running.bootstrap == address
        wait_for_broker(address)


def test_a_used_port_is_a_clear_message(tmp_path: Path) -> None:
    with embedded_broker(log=tmp_path / "log") as running:
        second = EmbeddedBroker(log=tmp_path / "second", port=running.port)
        with pytest.raises(DevstackError, match=f"port {running.port} is in use"):
            second.start()


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "tansu"
    broken.write_text("#!/bin/sh\necho out of cheese\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(broken))
    with pytest.raises(DevstackError, match="out of cheese"):
        EmbeddedBroker(log=tmp_path / "log").start()


def test_a_missing_wheel_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(DevstackError, match=r"shadow-regret\[embedded\]"):
        EmbeddedBroker(log=tmp_path / "log").start()


def test_the_broker_dies_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from shadow.devstack.services.broker import EmbeddedBroker
        broker = EmbeddedBroker(log=Path(sys.argv[1]))
        broker.start()
        print(broker.port, flush=True)
        time.sleep(60)
        """
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert answers(port)
        os.kill(parent.pid, signal.SIGKILL)
    poll_until(lambda: not answers(port), timeout=10.0)
