"""What is offered arrives: redacted, in the wire format, counted, and drained at exit."""

import logging
import os
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from shadow import wire
from shadow.errors import DroppedError
from shadow.publisher import Publisher
from shadow.records import Exchange
from shadow.settings import RedactionSettings
from tests.support.publishing import (
    Source,
    arrived,
    assert_accounted_for,
    exchange,
    messages,
    offer,
    settings_for,
    settled,
)


@pytest.fixture(params=[True, False], ids=["in an application", "in a service"])
def make(broker, topics, request):
    made = []

    def make(**limits):
        made.append(Publisher(settings_for(broker, topics, **limits), in_application=request.param))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close(5)


def test_what_is_offered_arrives_once_and_is_counted(make, broker, topics):
    publisher = make()
    ids = [f"e{n}" for n in range(300)]
    assert offer(publisher, *ids) == 300
    assert settled(publisher) == {"accepted": 300, "mirrored": 300}
    publisher.count_sampled_out("intent")
    publisher.close()
    exchanges, counts = arrived(broker, topics.exchanges)
    assert sorted(e.id for e in exchanges) == sorted(ids)
    assert counts[-1].counts == {"intent": {"accepted": 300, "mirrored": 300, "sampled_out": 1}}
    assert counts[-1].source == publisher.source


def test_messages_are_cloud_events_keyed_by_exchange(make, broker, topics):
    publisher = make()
    offer(publisher, "one")
    settled(publisher)
    message = messages(broker, topics.exchanges)[0]
    headers = dict(message.headers)
    assert (message.key, headers["ce_id"], headers["ce_type"]) == (b"one", b"one", b"shadow.exchange.v1")
    assert headers["ce_source"].decode() == publisher.source
    assert wire.decode(Exchange, message.value).id == "one"


def test_nothing_private_leaves_the_process(make, broker, topics):
    publisher = make()
    offer(publisher, "one", text="I am a@example.com, card 4111 1111 1111 1111, key sk-proj-Ab12Cd34Ef56Gh78")
    settled(publisher)
    raw = messages(broker, topics.exchanges)[0].value
    assert b"I am [email], card [card], key [secret]" in raw
    assert b"example.com" not in raw


def test_a_private_name_of_a_task_is_neither_in_exchanges_nor_in_counts(make, broker, topics):
    task = "mail of a@example.com"
    publisher = make()
    publisher.offer(Source(lambda: msgspec.structs.replace(exchange("one", "hello"), task=task), task=task, size=300))
    settled(publisher)
    publisher.close()
    assert b"example.com" not in b"".join(message.value for message in messages(broker, topics.exchanges))
    (only,), counts = arrived(broker, topics.exchanges)
    assert (only.task, counts[-1].counts) == ("mail of [email]", {"mail of [email]": {"accepted": 1, "mirrored": 1}})


def test_a_message_above_the_limit_is_truncated_and_flagged(make, broker, topics):
    publisher = make(max_message_bytes=5_000)
    offer(publisher, "big", text="x" * 100_000)
    assert settled(publisher)["mirrored"] == 1
    (only,), _ = arrived(broker, topics.exchanges)
    assert (only.truncated, only.cut) == (True, ("request",))


def test_a_message_above_the_limit_that_compresses_well_stays_whole(make, broker, topics):
    publisher = make(max_message_bytes=5_000)
    offer(publisher, "big", text="and so on " * 3_000)
    assert settled(publisher)["mirrored"] == 1
    (only,), _ = arrived(broker, topics.exchanges)
    assert not only.truncated
    assert "and so on " * 3_000 in str(only.request)


def test_every_reason_to_drop_is_counted(make):
    publisher = make(queue_bytes=2**16, queue_items=50)
    publisher._raise_internal_errors = False

    def refuse():
        raise DroppedError("unencodable")

    def broken():
        raise ZeroDivisionError

    for build in (refuse, broken):
        publisher.offer(Source(build))
    publisher.refuse("intent", "nothing_to_mirror")
    assert not publisher.offer(Source(refuse, size=2**16))
    counts = settled(publisher)
    publisher.close()
    assert not publisher.offer(Source(refuse))
    assert publisher.counts().counts["intent"] == counts | {"accepted": 5, "dropped:closed": 1}
    assert counts == {
        "accepted": 4,
        "dropped:byte_budget": 1,
        "dropped:unencodable": 1,
        "dropped:build_failed": 1,
        "dropped:nothing_to_mirror": 1,
    }


def test_an_exchange_on_which_an_own_pattern_takes_too_long_is_dropped_and_the_others_go_on(
    broker, topics, monkeypatch, caplog
):
    monkeypatch.setattr("shadow.redact.custom_patterns._TIMEOUT_S", 0.2)
    slow = settings_for(broker, topics).model_copy(
        update={"redaction": RedactionSettings(patterns={"slow": r"(a|a)+$"})}
    )
    publisher = Publisher(slow)
    offer(publisher, "e1")
    offer(publisher, "e2", text="a" * 60 + "b")
    offer(publisher, "e3")
    assert settled(publisher) == {"accepted": 3, "mirrored": 2, "dropped:not_redacted": 1}
    publisher.close()
    assert {exchange.id for exchange in arrived(broker, topics.exchanges)[0]} == {"e1", "e3"}
    assert "redaction.patterns.slow" in caplog.text


def test_an_exchange_that_cannot_be_mirrored_does_not_hold_up_its_batch(make, broker, topics):
    publisher = make()
    publisher._raise_internal_errors = False

    def build(number):
        if number % 7 == 0:
            raise ZeroDivisionError
        if number % 7 == 1:
            raise DroppedError("unencodable")
        if number % 7 == 2:
            raise DroppedError("nothing_to_mirror")
        return exchange(f"e{number}", text="\ud800" if number % 7 == 3 else "hello")

    for number in range(140):
        publisher.offer(Source(build, (number,)))
    assert settled(publisher) == {
        "accepted": 140,
        "mirrored": 60,
        "dropped:build_failed": 20,
        "dropped:unencodable": 40,
        "dropped:nothing_to_mirror": 20,
    }
    arrived_ids = [one.id for one in arrived(broker, topics.exchanges)[0]]
    assert sorted(arrived_ids) == sorted(f"e{number}" for number in range(140) if number % 7 > 3)


def test_an_internal_error_is_raised_by_close_under_tests_and_nowhere_else(broker, topics):
    strict = Publisher(settings_for(broker, topics), raise_internal_errors=True)
    strict.offer(Source(lambda: 1 / 0))  # type: ignore[arg-type, return-value] # the bug
    settled(strict)
    with pytest.raises(ZeroDivisionError):
        strict.close()
    lenient = Publisher(settings_for(broker, topics), raise_internal_errors=False)
    lenient.offer(Source(lambda: 1 / 0))  # type: ignore[arg-type, return-value] # the bug
    settled(lenient)
    lenient.close()


def test_many_threads_offer_and_every_exchange_is_accounted_for(make):
    publisher = make()

    def work(name):
        for number in range(200):
            offer(publisher, f"{name}-{number}")
            if number % 50 == 0:
                assert_accounted_for(publisher)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settled(publisher) == {"accepted": 1000, "mirrored": 1000}


def test_counts_are_reported_at_an_interval_and_only_when_they_changed(make, broker, topics):
    publisher = make(counts_every_s=0.1)
    offer(publisher, "one")
    settled(publisher)
    time.sleep(0.8)
    publisher.close()
    _, counts = arrived(broker, topics.exchanges)
    assert 1 <= len(counts) <= 3
    assert counts[-1].counts == {"intent": {"accepted": 1, "mirrored": 1}}


def test_the_kafka_client_may_not_log_payloads_even_if_asked_to(make, caplog):
    logging.getLogger("kafka").setLevel(logging.DEBUG)
    logging.getLogger("kafka.producer.kafka").setLevel(logging.DEBUG)
    caplog.handler.setLevel(logging.DEBUG)
    publisher = make()
    offer(publisher, "one", text="canary-in-the-payload")
    settled(publisher)
    assert "canary-in-the-payload" not in caplog.text
    assert logging.getLogger("kafka").getEffectiveLevel() >= logging.INFO
    assert logging.getLogger("kafka.producer.kafka").getEffectiveLevel() >= logging.INFO


def test_making_a_publisher_starts_nothing():
    before = threading.active_count()
    publisher = Publisher(settings_for("127.0.0.1:1"))
    assert threading.active_count() == before
    publisher.close()


EXITING = """
import sys
from tests.support.publishing import offer, settings_for
from shadow.publisher import Publisher
from shadow.settings import TopicSettings
publisher = Publisher(settings_for(sys.argv[1], TopicSettings(exchanges=sys.argv[2])))
offer(publisher, *(f"e{n}" for n in range(500)))
"""

FORKING = """
import os, sys
from tests.support.publishing import offer, settings_for, settled
from shadow.publisher import Publisher
from shadow.settings import TopicSettings
publisher = Publisher(settings_for(sys.argv[1], TopicSettings(exchanges=sys.argv[2])))
if "early" in sys.argv:
    offer(publisher, "before")
    settled(publisher)
child = os.fork()
offer(publisher, *(f"{'child' if child == 0 else 'parent'}-{n}" for n in range(50)))
if child:
    assert os.waitpid(child, 0)[1] == 0
offer(publisher, "the last exchange of " + ("child" if child == 0 else "parent"))
counts = settled(publisher)
assert counts["accepted"] == counts["mirrored"], counts
"""

POOL = """
import multiprocessing, sys
from tests.support.publishing import offer, settings_for
from shadow.publisher import Publisher
from shadow.settings import TopicSettings
publisher = Publisher(settings_for(sys.argv[1], TopicSettings(exchanges=sys.argv[2])))
def work(name):
    offer(publisher, *(f"{name}-{n}" for n in range(20)))
children = [multiprocessing.get_context("fork").Process(target=work, args=(name,)) for name in "ab"]
for child in children:
    child.start()
for child in children:
    child.join()
"""


def run(code, *args):
    command = [sys.executable, "-W", "ignore", "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_a_process_that_ends_delivers_what_it_had_accepted(broker, topics):
    run(EXITING, broker, topics.exchanges)
    exchanges, counts = arrived(broker, topics.exchanges)
    assert len({e.id for e in exchanges}) == 500
    assert counts[-1].counts == {"intent": {"accepted": 500, "mirrored": 500}}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("when", ["early", "late"])
def test_parent_and_child_of_a_fork_both_deliver(broker, topics, when):
    run(FORKING, broker, topics.exchanges, when)
    exchanges, counts = arrived(broker, topics.exchanges)
    expected = {f"{who}-{n}" for who in ("parent", "child") for n in range(50)}
    expected |= {"the last exchange of parent", "the last exchange of child"} | (
        {"before"} if when == "early" else set()
    )
    assert {e.id for e in exchanges} == expected
    last = {c.source: c.counts["intent"] for c in counts}
    assert len(last) == 2, "each process counts for itself"
    assert sum(c["mirrored"] for c in last.values()) == len(expected)


def test_a_topic_that_comes_later_is_found(broker, topics):
    from shadow.topics import create_topics

    late = topics.model_copy(update={"exchanges": topics.exchanges + ".late"})
    publisher = Publisher(settings_for(broker, late, delivery_timeout_s=15))
    offer(publisher, "one")
    time.sleep(0.5)
    create_topics(broker, {late.exchanges: 1})
    assert settled(publisher)["mirrored"] == 1
    publisher.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_children_of_multiprocessing_deliver_before_they_end(broker, topics):
    run(POOL, broker, topics.exchanges)
    exchanges, _ = arrived(broker, topics.exchanges)
    assert {e.id for e in exchanges} == {f"{name}-{n}" for name in "ab" for n in range(20)}
