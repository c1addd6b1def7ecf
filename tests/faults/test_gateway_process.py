"""`shadow gateway` as it runs in production: a process, a broker that dies, a signal to stop."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.processes import answers, free_port, poll_until
from shadow.records import Exchange
from shadow.settings import Settings, load
from shadow.topics import create_topics
from shadow.wire import TYPES, decode
from tests.support import scripted, services
from tests.support.gateways import kafka_messages
from tests.support.scripted import ScriptedEndpoint


class Gateway:
    """A running `shadow gateway`."""

    def __init__(self, settings: Path, log: Path) -> None:
        self.port = free_port()
        self.log = log
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "shadow", "gateway", "--config", str(settings), "--port", str(self.port)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        poll_until(lambda: answers(self.port), timeout=30.0, alive=lambda: self.process.poll() is None)

    def ask(self, times: int) -> list[str]:
        with OpenAI(base_url=f"{self.url}/v1", api_key="sk-x", max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "hello"}]
            answered = [client.chat.completions.create(model="intent-model", messages=messages) for _ in range(times)]
        return [answer.choices[0].message.content or "" for answer in answered]

    def capture(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/readyz") as response:
            counts: dict[str, int] = json.load(response)["capture"].get("intent", {})
            return counts

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of this test's own, to be killed."""
    running = EmbeddedBroker(log=tmp_path / "broker.log")
    running.start()
    create_topics(running.bootstrap, {"shadow.exchanges": 2})
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    with ExitStack() as stack:
        endpoint = stack.enter_context(services.serving(ScriptedEndpoint([scripted.chat("hi")])))

        def gateway(bootstrap: str, *, drain_s: float = 20.0) -> Gateway:
            config = tmp_path / "shadow.toml"
            config.write_text(
                f'[models.big]\nbase_url = "{endpoint}/v1"\n[tasks.intent]\nfrontier = "big"\n'
                f'aliases = ["intent-model"]\n[kafka]\nbootstrap_servers = "{bootstrap}"\n'
                f"[publisher]\ndrain_timeout_s = {drain_s}\n"
            )
            running = Gateway(config, tmp_path / "gateway.log")
            stack.callback(running.process.wait)
            stack.callback(running.process.kill)
            return running

        yield gateway


def exchanges(bootstrap: str) -> list[Exchange]:
    settings = Settings.model_validate({"kafka": {"bootstrap_servers": bootstrap}})
    return [decode(Exchange, value) for kind, value in kafka_messages(settings) if kind == TYPES[Exchange]]


def test_a_stopped_gateway_has_delivered_everything_it_served(start, broker: EmbeddedBroker):
    gateway = start(broker.bootstrap)
    gateway.ask(20)
    assert gateway.stop() == 0
    assert len({exchange.id for exchange in exchanges(broker.bootstrap)}) == 20
    assert "Traceback" not in gateway.log.read_text()


def test_a_broker_that_dies_and_comes_back_is_never_felt_by_the_clients(start, broker: EmbeddedBroker):
    gateway = start(broker.bootstrap)
    gateway.ask(5)
    poll_until(lambda: gateway.capture().get("mirrored") == 5, timeout=20.0)
    broker.kill()
    assert gateway.ask(10) == ["hi"] * 10
    broker.start()
    create_topics(broker.bootstrap, {"shadow.exchanges": 2})

    def mirrored_again() -> bool:
        gateway.ask(1)
        return bool(gateway.capture()["mirrored"] > 5)

    poll_until(mirrored_again, timeout=30.0)
    assert gateway.stop() == 0


def test_a_gateway_without_any_broker_is_ready_and_stops_in_time(start):
    gateway = start(f"127.0.0.1:{free_port()}", drain_s=0.5)
    assert gateway.ask(3) == ["hi"] * 3
    poll_until(lambda: gateway.capture().get("accepted") == 3, timeout=20.0)
    assert gateway.stop() == 0


def test_a_killed_gateway_still_delivers_what_it_had_handed_over(start, broker: EmbeddedBroker):
    gateway = start(broker.bootstrap)
    gateway.ask(10)
    poll_until(lambda: gateway.capture().get("accepted") == 10, timeout=20.0)
    gateway.process.kill()
    poll_until(lambda: len(exchanges(broker.bootstrap)) == 10, timeout=20.0)


def test_a_used_port_is_one_clear_line(start, tmp_path: Path):
    gateway = start(f"127.0.0.1:{free_port()}", drain_s=0.5)
    again = subprocess.run(
        [sys.executable, "-m", "shadow", "gateway", "-c", str(tmp_path / "shadow.toml"), "--port", str(gateway.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert again.returncode == 1
    assert again.stdout == ""
    [line] = again.stderr.splitlines()
    assert line.startswith(f"shadow: cannot listen on 127.0.0.1:{gateway.port}: ")
    assert "--port" in line


def test_settings_that_name_no_endpoint_are_one_clear_line(tmp_path: Path):
    empty = tmp_path / "shadow.toml"
    empty.write_text("")
    assert load(empty).tasks == {}
    completed = subprocess.run(
        [sys.executable, "-m", "shadow", "gateway", "-c", str(empty)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr.startswith("shadow: gateway: nothing to forward to")
