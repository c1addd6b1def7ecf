"""A broker that is dead, frozen, slow or never there changes nothing for the caller.

No test looks at how long a call took: that it never waits is shown by what it does not depend
on. The caller's thread gets through any number of offers while the broker cannot answer one.
"""

import threading
import time

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


@pytest.fixture(params=[True, False], ids=["in an application", "in a process of ours"])
def make(request):
    made = []

    def make(bootstrap, **limits):
        made.append(Publisher(settings_for(bootstrap, **limits), raise_bugs=True, is_guest=request.param))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close(0.2)


def delivers(publisher, name):
    """Whether an exchange offered now arrives, rather than being dropped."""
    before = publisher.snapshot().counts.get("intent", {}).get("mirrored", 0)
    offer(publisher, name)
    return settled(publisher).get("mirrored", 0) == before + 1


def test_a_broker_that_was_never_there_costs_counted_drops_and_bounded_bytes(make):
    publisher = make(f"127.0.0.1:{free_port()}", queue_bytes=2**20)
    taken = offer(publisher, *(f"e{n}" for n in range(5_000)), text="x" * 1_000)
    assert_accounted_for(publisher)
    assert 0 < taken < 5_000, "over the budget it drops at once, and does not wait"
    counts = settled(publisher)
    assert counts["accepted"] == 5_000
    assert counts["dropped:byte_budget"] == 5_000 - taken
    assert counts["dropped:delivery_timeout"] == taken


def test_a_broker_that_comes_later_gets_what_is_still_fresh(make, tmp_path):
    broker = EmbeddedBroker(log=tmp_path / "broker.log", port=free_port())
    publisher = make(broker.bootstrap, delivery_timeout_s=20.0)
    offer(publisher, "early")
    time.sleep(0.5)
    try:
        broker.start()
        create_topics(broker.bootstrap, {TOPICS.exchanges: 1})
        assert settled(publisher) == {"accepted": 1, "mirrored": 1}
    finally:
        broker.kill()


def test_a_frozen_broker_costs_counted_drops_and_delivery_resumes_by_itself(broker, make):
    publisher = make(broker.bootstrap, queue_bytes=2**20)
    assert delivers(publisher, "before")
    broker.pause()
    try:
        for wave in range(5):
            offer(publisher, *(f"e{wave}-{n}" for n in range(500)), text="x" * 1_000)
            assert_accounted_for(publisher)
            time.sleep(0.3)
        counts = settled(publisher)
        assert counts["accepted"] == 2_501
        assert counts["mirrored"] == 1
        assert counts["dropped:byte_budget"] > 0
    finally:
        broker.resume()
    poll_until(lambda: delivers(publisher, "after"), timeout=10)
    assert_accounted_for(publisher)


def test_a_freeze_that_is_short_loses_nothing(broker, make):
    publisher = make(broker.bootstrap, delivery_timeout_s=15.0, stalled_after_s=20.0)
    assert delivers(publisher, "before")
    broker.pause()
    offer(publisher, *(f"e{n}" for n in range(100)))
    time.sleep(1)
    broker.resume()
    assert settled(publisher) == {"accepted": 101, "mirrored": 101}


def test_a_producer_that_delivers_nothing_for_too_long_is_replaced(broker, make):
    # A delivery timeout above the watchdog's: only a new producer can end this.
    publisher = make(broker.bootstrap, delivery_timeout_s=60.0, stalled_after_s=1.0)
    assert delivers(publisher, "before")
    first = publisher._connection.courier
    broker.pause()
    try:
        offer(publisher, "stuck")
        poll_until(lambda: publisher._connection.courier is not first, timeout=10)
        assert_accounted_for(publisher)
    finally:
        broker.resume()
    assert settled(publisher) == {"accepted": 2, "mirrored": 2}, "what was stuck is sent again"
    publisher.close()
    exchanges, _ = arrived(broker.bootstrap, TOPICS.exchanges)
    assert {e.id for e in exchanges} == {"before", "stuck"}


def test_a_broker_that_is_killed_and_comes_back_is_found_again(broker, make):
    publisher = make(broker.bootstrap)
    assert delivers(publisher, "before")
    broker.kill()
    offer(publisher, *(f"lost-{n}" for n in range(50)))
    counts = settled(publisher)
    assert counts["accepted"] == 51
    assert counts["mirrored"] + counts.get("dropped:delivery_timeout", 0) == 51
    broker.start()  # in memory: it comes back empty
    create_topics(broker.bootstrap, {TOPICS.exchanges: 2})
    poll_until(lambda: delivers(publisher, "after"), timeout=10)
    publisher.close()
    exchanges, told = arrived(broker.bootstrap, TOPICS.exchanges)
    assert "after" in {e.id for e in exchanges}
    assert told[-1].counts == publisher.counts().counts, "counts are cumulative: an outage loses none"


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
        assert snapshot.counts["intent"]["dropped:queue_full"] > 0
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
    first = publisher._connection.courier
    offer(publisher, "stuck")
    poll_until(lambda: publisher._connection.courier is not first, timeout=10)
    broker.resume()
    settled(publisher)
    publisher.close()
    kafka = [name for name in before if "network-thread" in name]
    poll_until(lambda: not {t.name for t in threading.enumerate()} & set(kafka), timeout=10)
