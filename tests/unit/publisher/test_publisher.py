"""Whatever a producer reports, and in whatever order: what arrived is what is counted as mirrored."""

import random
import threading
import time

import pytest
from kafka import errors

from shadow.publisher import Publisher, flow_control
from shadow.publisher import publisher as publisher_module
from tests.support.publishing import assert_accounted_for, offer, settings_for, settled

ERRORS = (errors.KafkaTimeoutError, errors.KafkaConnectionError, errors.NotEnoughReplicasError, errors.KafkaError)


class UnreliableBroker:
    """Stands in for broker and producer: what is sent may arrive or not, and be reported or not, early or late."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.arrived = set()
        self.sent = 0
        self.is_healthy = False
        self.producer = object()
        #: Reports that come later, or never.
        self.pending = []
        self.lock = threading.RLock()

    def connection(self, _settings, _log, on_connect):
        self.on_connect = on_connect
        return self

    def send(self, message, on_done):
        if not message.key.startswith(b"e"):  # the counts
            return True
        with self.lock:
            chance = 0.0 if self.is_healthy else self.random.random()
            if chance > 0.95:
                raise ZeroDivisionError
            if chance > 0.85:
                return False
            self.sent += 1
            if chance < 0.7:
                self.arrived.add(message.key)
            if chance < 0.3:
                on_done(None)
            elif chance > 0.7 and self.random.random() < 0.5:
                on_done(self.random.choice(ERRORS)())
            else:
                self.pending.append((message.key, on_done))
            return True

    def discard_producer(self):
        with self.lock:
            self.report_pending()
        self.on_connect()

    def report_pending(self):
        """Some of what was not reported yet: deliveries of what arrived, and failures of it as well."""
        with self.lock:
            self.random.shuffle(self.pending)
            reported = self.pending[: len(self.pending) // 2]
            del self.pending[: len(reported)]
            for key, on_done in reported:
                if key in self.arrived and self.random.random() < 0.5:
                    on_done(None)
                else:
                    on_done(self.random.choice(ERRORS)())

    def close(self, _timeout_s):
        self.report_pending()

    def leave_to_parent(self): ...


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(flow_control, "_UNANSWERED_S", 0.01)
    monkeypatch.setattr(flow_control, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(flow_control, "_LONGEST_PAUSE_S", 0.004)
    monkeypatch.setattr(publisher_module, "_POLL_S", 0.001)
    monkeypatch.setattr(publisher_module, "_PAUSE_AFTER_ERROR_S", 0.001)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("queue_bytes", [2**20, 2**16], ids=["with room", "over the budget"])
@pytest.mark.parametrize("seed", range(8))
def test_what_arrived_is_what_is_counted_as_mirrored(monkeypatch, seed, queue_bytes):
    broker = UnreliableBroker(seed)
    monkeypatch.setattr(publisher_module, "BrokerConnection", broker.connection)
    limits = {"queue_bytes": queue_bytes, "stalled_after_s": 0.03}
    publisher = Publisher(
        settings_for("unused:1", **limits), in_application=bool(seed % 2), raise_internal_errors=False
    )
    for number in range(120):
        offer(publisher, f"e{number}")
        if number % 10 == 0:
            broker.report_pending()
            assert_accounted_for(publisher)
            time.sleep(0.005)
    broker.is_healthy = True
    counts = settled(publisher)
    assert_accounted_for(publisher)
    broken = counts.get("dropped:delivery_failed", 0)  # the bug that is simulated: the fate of these is known
    assert counts["accepted"] == 120 == counts["mirrored"] + counts.get("dropped:byte_budget", 0) + broken
    if queue_bytes == 2**20:
        assert "dropped:byte_budget" not in counts
    assert counts["mirrored"] <= len(broker.arrived) <= counts["mirrored"] + broken
    publisher.close(1.0)
    assert publisher.counts().counts["intent"] == counts, "later reports change nothing"
