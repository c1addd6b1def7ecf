"""A broker that is dead, frozen, slow or never there changes nothing for the caller.

No test looks at how long a call took: that it never waits is shown by what it does not depend
on. The caller's thread gets through any number of offers while the broker cannot answer one.
"""

import gc
import threading
import time
from pathlib import Path

import pytest

from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.processes import free_port, poll_until
from shadow.publisher import Publisher
from shadow.settings import TopicSettings
from shadow.topics import create_topics
from tests.support.publishing import arrived, assert_accounted_for, offer, settings_for, settled

TOPICS = TopicSettings()


@pytest.fixture
def broker(tmp_path):
    """A broker of this test's own, to be disturbed."""
    broker = EmbeddedBroker(log=tmp_path / "broker.log")
    broker.start()
    create_topics(broker.bootstrap, {TOPICS.exchanges: 2})
    yield broker
    broker.kill()  # what it holds is in memory only


@pytest.fixture(params=[True, False], ids=["in an application", "in a service"])
def make(request):
    made = []

    def make(bootstrap, **limits):
        made.append(
            Publisher(settings_for(bootstrap, **limits), raise_internal_errors=True, in_application=request.param)
        )
        return made[-1]

    yield make
    for publisher in made:
        publisher.close(0.2)


def delivers(publisher, name):
    """Whether an exchange offered now arrives, rather than being dropped."""
    before = publisher.snapshot().counts.get("intent", {}).get("mirrored", 0)
    offer(publisher, name)
    return settled(publisher).get("mirrored", 0) == before + 1


def open_sockets() -> int:
    """How many sockets this process has open."""
    return sum(descriptor.is_socket() for descriptor in Path("/dev/fd").iterdir())


def test_a_broker_that_was_never_there_costs_counted_drops_and_bounded_bytes(make):
    publisher = make(f"127.0.0.1:{free_port()}", queue_bytes=2**20)
    assert offer(publisher, *(f"e{n}" for n in range(5_000)), text="x" * 1_000) == 5_000, "the oldest give way"
    time.sleep(3)  # longer than the delivery timeout
    assert_accounted_for(publisher)
    snapshot = publisher.snapshot()
    kept = snapshot.queued["intent"]
    assert kept > 2**20 // 4_000
    assert snapshot.counts["intent"] == {"accepted": 5_000, "dropped:byte_budget": 5_000 - kept}
    publisher.close(0.2)
    assert publisher.counts().counts["intent"]["dropped:closed"] == kept


def test_a_broker_that_refuses_connections_leaves_no_socket_open(make, broker):
    publisher = make(broker.bootstrap)
    assert delivers(publisher, "before")
    gc.collect()
    gc.disable()  # as a host application may have done
    try:
        connected = open_sockets()
        broker.kill()
        offer(publisher, "after")
        time.sleep(3)
        assert open_sockets() <= connected + 1, "one attempt may be under way"
    finally:
        gc.enable()


def test_a_broker_that_comes_later_gets_the_newest_that_fit(make, tmp_path):
    broker = EmbeddedBroker(log=tmp_path / "broker.log", port=free_port())
    publisher = make(broker.bootstrap, delivery_timeout_s=0.5, queue_bytes=2**20)
    offer(publisher, *(f"e{n}" for n in range(1_000)), text="x" * 1_000)
    time.sleep(2)
    try:
        broker.start()
        create_topics(broker.bootstrap, {TOPICS.exchanges: 1})
        counts = settled(publisher)
        publisher.close()
        mirrored = counts["mirrored"]
        assert counts == {"accepted": 1_000, "mirrored": mirrored, "dropped:byte_budget": 1_000 - mirrored}
        exchanges, _ = arrived(broker.bootstrap, TOPICS.exchanges)
        # No more than were being encoded when the others gave way is older.
        newest = {f"e{n}" for n in range(1_000 - mirrored + 32, 1_000)}
        assert newest <= {exchange.id for exchange in exchanges}
        assert len({exchange.id for exchange in exchanges}) == mirrored
    finally:
        broker.kill()


def test_a_broker_that_is_frozen_for_longer_than_every_timeout_loses_nothing(broker):
    settings = settings_for(broker.bootstrap, delivery_timeout_s=1.0, stalled_after_s=2.5)
    publishers = [Publisher(settings, in_application=in_application) for in_application in (True, False)]
    ids = [f"e{n}" for n in range(120)]
    for number, publisher in enumerate(publishers):
        assert delivers(publisher, f"before-{number}")
    broker.pause()
    try:
        for name in ids:
            for number, publisher in enumerate(publishers):
                offer(publisher, f"{name}-{number}")
            time.sleep(0.1)
        for publisher in publishers:
            assert_accounted_for(publisher)
            assert publisher.snapshot().counts["intent"] == {"accepted": 121, "mirrored": 1}
    finally:
        broker.resume()
    for publisher in publishers:
        assert settled(publisher) == {"accepted": 121, "mirrored": 121}
        publisher.close()
    exchanges, counts = arrived(broker.bootstrap, TOPICS.exchanges)
    assert {exchange.id for exchange in exchanges} == {f"{name}-{n}" for name in ("before", *ids) for n in (0, 1)}
    assert counts[-1].counts == {"intent": {"accepted": 121, "mirrored": 121}}


def test_a_frozen_broker_over_the_budget_costs_exactly_the_counted_drops(broker, make):
    publisher = make(broker.bootstrap, queue_bytes=2**20)
    assert delivers(publisher, "before")
    broker.pause()
    ids = [f"e{wave}-{n}" for wave in range(5) for n in range(500)]
    try:
        for wave in range(5):
            offer(publisher, *ids[wave * 500 : wave * 500 + 500], text="x" * 1_000)
            assert_accounted_for(publisher)
            time.sleep(0.6)
        counts = publisher.snapshot().counts["intent"]
        assert counts["dropped:byte_budget"] > 1_000
        assert set(counts) == {"accepted", "mirrored", "dropped:byte_budget"}
    finally:
        broker.resume()
    counts = settled(publisher, timeout=10)
    publisher.close()
    exchanges, _ = arrived(broker.bootstrap, TOPICS.exchanges)
    arrived_ids = {exchange.id for exchange in exchanges}
    assert len(arrived_ids) == counts["mirrored"], "what arrived is counted as mirrored, and nothing else is"
    assert counts["accepted"] == counts["mirrored"] + counts["dropped:byte_budget"]
    assert set(ids[-150:]) <= arrived_ids, "the newest had room"


def test_a_producer_that_delivers_nothing_for_too_long_is_replaced(broker, make):
    # The delivery timeout is the longer one: only a new producer can end this.
    publisher = make(broker.bootstrap, delivery_timeout_s=60.0, stalled_after_s=1.0)
    assert delivers(publisher, "before")
    first = publisher._connection.producer
    broker.pause()
    try:
        offer(publisher, "stuck")
        poll_until(lambda: publisher._connection.producer is not first, timeout=10)
        assert_accounted_for(publisher)
    finally:
        broker.resume()
    assert settled(publisher) == {"accepted": 2, "mirrored": 2}, "what was stuck is sent again"
    publisher.close()
    exchanges, _ = arrived(broker.bootstrap, TOPICS.exchanges)
    assert {e.id for e in exchanges} == {"before", "stuck"}


def test_a_broker_that_is_killed_gets_what_waited_when_it_comes_back(broker, make):
    publisher = make(broker.bootstrap)
    assert delivers(publisher, "before")
    broker.kill()
    waiting = [f"e{n}" for n in range(50)]
    offer(publisher, *waiting)
    time.sleep(3)  # longer than the delivery timeout
    assert publisher.snapshot().queued == {"intent": 50}
    broker.start()  # in memory: it comes back empty
    create_topics(broker.bootstrap, {TOPICS.exchanges: 2})
    assert settled(publisher) == {"accepted": 51, "mirrored": 51}
    publisher.close()
    exchanges, counts = arrived(broker.bootstrap, TOPICS.exchanges)
    assert {exchange.id for exchange in exchanges} == set(waiting)
    assert counts[-1].counts == publisher.counts().counts, "counts are cumulative: an outage loses none"


def test_threads_get_through_while_the_broker_is_frozen(broker, make):
    publisher = make(broker.bootstrap, delivery_timeout_s=30.0, stalled_after_s=60.0, queue_items=1_000)
    assert delivers(publisher, "before")
    broker.pause()
    try:
        threads = [threading.Thread(target=offer, args=(publisher, *map(str, range(2_000)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in threads)
        snapshot = publisher.snapshot()
        assert snapshot.counts["intent"]["accepted"] == 8_001
        assert snapshot.counts["intent"]["dropped:queue_full"] > 6_000
        assert_accounted_for(publisher)
    finally:
        broker.resume()


@pytest.mark.parametrize("state", ["frozen", "killed", "never there"])
def test_closing_keeps_its_deadline_whatever_the_broker_does(broker, make, state):
    publisher = make(f"127.0.0.1:{free_port()}" if state == "never there" else broker.bootstrap)
    if state != "never there":
        assert delivers(publisher, "before")
    if state == "frozen":
        broker.pause()
    elif state == "killed":
        broker.kill()
    offer(publisher, *(f"e{n}" for n in range(100)))
    closing = threading.Thread(target=publisher.close, args=(0.5,))
    closing.start()
    closing.join(timeout=5)
    assert not closing.is_alive()
    snapshot = publisher.snapshot()
    assert snapshot.bytes == 0
    assert snapshot.counts["intent"].get("dropped:closed", 0) > 0
    assert_accounted_for(publisher)
    if state == "frozen":
        broker.resume()


def test_an_abandoned_producer_leaves_no_thread_behind(broker, make):
    publisher = make(broker.bootstrap, delivery_timeout_s=60.0, stalled_after_s=0.5)
    assert delivers(publisher, "before")
    before = {thread.name for thread in threading.enumerate()}
    broker.pause()
    first = publisher._connection.producer
    offer(publisher, "stuck")
    poll_until(lambda: publisher._connection.producer is not first, timeout=10)
    broker.resume()
    settled(publisher)
    publisher.close()
    kafka = [name for name in before if "network-thread" in name]
    poll_until(lambda: not {t.name for t in threading.enumerate()} & set(kafka), timeout=10)
