"""An Apache Kafka that is away for a while loses nothing of what SDK and gateway captured."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from openai import OpenAI

from shadow import mirror
from shadow.devstack.services.kafka import ApacheKafka
from shadow.devstack.services.processes import poll_until
from shadow.publisher import Publisher
from shadow.records import CaptureCounts
from shadow.settings import Settings
from shadow.topics import create_topics
from tests.faults.test_gateway_process import Gateway
from tests.support import scripted, services
from tests.support.publishing import arrived
from tests.support.scripted import ScriptedEndpoint

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PER_SECOND = 15
FROZEN_S = 60
BUDGET = 2**20


class Traffic:
    """Asks `client` numbered questions at a steady rate from a thread, and keeps what went wrong."""

    def __init__(self, name: str, client: OpenAI, *, text: str = ""):
        self.name = name
        self.asked = 0
        self.errors: list[Exception] = []
        self._client = client
        self._text = text
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(1 / PER_SECOND):
            question = f"{self.name} {self.asked} {self._text}"
            try:
                self._client.chat.completions.create(
                    model="intent-model", messages=[{"role": "user", "content": question}]
                )
            except Exception as error:  # noqa: BLE001 - counted
                self.errors.append(error)
            self.asked += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Stand:
    """Three ways of capture in front of one Kafka, each with a topic of its own: SDK, SDK with 1 MiB, gateway."""

    def __init__(self, stack: ExitStack, kafka: ApacheKafka, folder: Path):
        self.kafka = kafka
        self.topics = {name: services.unique_topics() for name in ("sdk", "small", "gateway")}
        create_topics(kafka.bootstrap, {topics.exchanges: 4 for topics in self.topics.values()})
        root = stack.enter_context(services.serving(ScriptedEndpoint([scripted.chat("hi")])))
        self.final: dict[str, dict[str, int]] = {}
        self.publishers = {"sdk": Publisher(self._settings("sdk")), "small": Publisher(self._settings("small", BUDGET))}
        for publisher in self.publishers.values():
            stack.callback(publisher.close)
        config = folder / "shadow.toml"
        config.write_text(
            f'[models.big]\nbase_url = "{root}/v1"\n[tasks.intent]\nfrontier = "big"\naliases = ["intent-model"]\n'
            f'[kafka]\nbootstrap_servers = "{kafka.bootstrap}"\n'
            f'[kafka.topics]\nexchanges = "{self.topics["gateway"].exchanges}"\n'
        )
        self.gateway = Gateway(config, folder / "gateway.log")
        stack.callback(self.gateway.process.wait)
        stack.callback(self.gateway.process.kill)
        plain = [
            stack.enter_context(OpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0))
            for url in (root, root, self.gateway.url)
        ]
        sdk, small = (mirror(plain[n], task="intent", publisher=p) for n, p in enumerate(self.publishers.values()))
        self.traffic = [
            Traffic("sdk", sdk),
            Traffic("small", small, text="x" * 4_000),
            Traffic("gateway", plain[2]),
        ]

    def _settings(self, name: str, queue_bytes: int = 64 * 2**20) -> Settings:
        return Settings.model_validate(
            {
                "kafka": {
                    "bootstrap_servers": self.kafka.bootstrap,
                    "topics": {"exchanges": self.topics[name].exchanges},
                },
                "publisher": {"queue_bytes": queue_bytes},
            }
        )

    def counts(self, name: str) -> dict[str, int]:
        if name == "gateway":
            return self.gateway.capture()
        return self.publishers[name].counts().counts.get("intent", {})

    def wait_until_all_have_an_outcome(self) -> None:
        def are_settled() -> bool:
            for traffic in self.traffic:
                counts = self.counts(traffic.name)
                settled = sum(number for outcome, number in counts.items() if outcome != "accepted")
                if not counts["accepted"] == settled == traffic.asked:
                    return False
            return True

        poll_until(are_settled, timeout=30.0)

    def close(self) -> None:
        self.final = {name: dict(self.counts(name)) for name in self.topics}
        for publisher in self.publishers.values():
            publisher.close()
        assert self.gateway.stop() == 0

    def arrived(self, name: str) -> tuple[dict[str, set[str]], CaptureCounts]:
        """The ids under which each question of `name` arrived, and the last counts."""
        exchanges, counts = arrived(self.kafka.bootstrap, self.topics[name].exchanges)
        ids: dict[str, set[str]] = {}
        for exchange in exchanges:
            ids.setdefault(exchange.request["messages"][0]["content"].rsplit(" ", 1)[0], set()).add(exchange.id)
        return ids, counts[-1]


@pytest.fixture
def stand(apache_kafka: ApacheKafka, tmp_path: Path):
    with ExitStack() as stack:
        yield Stand(stack, apache_kafka, tmp_path)


def run(stand: Stand, disturb) -> None:
    """Traffic before, while and after `disturb()`; then until everything has an outcome."""
    with ExitStack() as stack:
        for traffic in stand.traffic:
            stack.enter_context(traffic)
        time.sleep(3)
        disturb()
        time.sleep(3)
    stand.wait_until_all_have_an_outcome()


def assert_nothing_was_lost(stand: Stand, traffic: Traffic) -> None:
    assert traffic.errors == []
    assert stand.final[traffic.name] == {"accepted": traffic.asked, "mirrored": traffic.asked}
    ids, _ = stand.arrived(traffic.name)
    assert sorted(ids) == sorted(f"{traffic.name} {number}" for number in range(traffic.asked))
    assert all(len(of_one) == 1 for of_one in ids.values()), "what came twice has the same id"


def assert_drops_are_exact(stand: Stand, traffic: Traffic) -> None:
    assert traffic.errors == []
    counts = stand.final[traffic.name]
    ids, last = stand.arrived(traffic.name)
    assert set(counts) == {"accepted", "mirrored", "dropped:byte_budget"}
    assert counts["accepted"] == traffic.asked == counts["mirrored"] + counts["dropped:byte_budget"]
    assert len(ids) == counts["mirrored"], "what arrived is counted as mirrored, and nothing else is"
    assert last.counts == {"intent": counts}


def test_a_kafka_that_is_frozen_for_a_minute_loses_nothing_and_over_the_budget_what_is_counted(stand: Stand):
    def freeze() -> None:
        stand.kafka.pause()
        try:
            time.sleep(FROZEN_S)
        finally:
            stand.kafka.resume()
        for publisher in stand.publishers.values():
            snapshot = publisher.snapshot()
            assert snapshot.bytes <= publisher.settings.publisher.queue_bytes

    run(stand, freeze)
    stand.close()
    sdk, small, gateway = stand.traffic
    assert_nothing_was_lost(stand, sdk)
    assert_nothing_was_lost(stand, gateway)
    assert_drops_are_exact(stand, small)


def test_a_kafka_that_is_killed_and_started_again_loses_nothing(stand: Stand):
    def restart() -> None:
        stand.kafka.kill()
        time.sleep(12)  # longer than the delivery timeout
        stand.kafka.start()

    run(stand, restart)
    stand.close()
    for traffic in stand.traffic:
        if traffic.name == "small" and "dropped:byte_budget" in stand.final["small"]:
            assert_drops_are_exact(stand, traffic)
        else:
            assert_nothing_was_lost(stand, traffic)
