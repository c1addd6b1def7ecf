"""What producer and consumer do while the broker is frozen, away or stuck."""

import asyncio
import secrets

import pytest

from consumers import worker
from consumers.batches import BatchWriter
from consumers.kafka.consumer import Consumer, Subscription
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.producer import EventProducer
from consumers.runtime import service
from consumers.runtime.health import ConsumerHealth
from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.broker import EmbeddedBroker
from shadow.errors import BrokerError
from shadow.records import DeadLetter, Exchange, Trial
from shadow.topics import create_topics
from tests.support.consuming import (
    an_exchange,
    committed,
    produce,
    put_exchanges,
    read,
    read_until,
    settings_for,
    until,
)
from tests.support.services import service_folder, unique_topics


@pytest.fixture
def own_broker():
    """A broker this test may freeze and kill."""
    with service_folder("broker") as folder:
        broker = EmbeddedBroker(log=folder / "broker.log")
        broker.start()
        yield broker
        broker.stop()


async def test_what_is_sent_to_a_frozen_broker_is_there_once_it_wakes(own_broker):
    topics = unique_topics()
    create_topics(own_broker.bootstrap, {topics.exchanges: 4})
    settings = settings_for(own_broker.bootstrap, topics)
    problems: list[str | None] = []
    producer = EventProducer(settings.kafka, source="test", report_problem=problems.append)
    await producer.start()
    try:
        own_broker.pause()
        sending = asyncio.create_task(producer.send(topics.exchanges, an_exchange(1)))
        await asyncio.sleep(0.3)
        assert not sending.done()
        own_broker.resume()
        await sending
    finally:
        await producer.stop()
    assert [exchange.id for exchange in await read(own_broker.bootstrap, topics.exchanges, Exchange)] == ["exchange-1"]


async def test_a_worker_started_before_its_broker_waits_for_it(own_broker, serve):
    topics = unique_topics()
    settings = settings_for(own_broker.bootstrap, topics, candidate_url=serve(echo_app()) + "/v1")
    own_broker.kill()
    stopping, health = asyncio.Event(), ConsumerHealth("worker")
    serving = asyncio.create_task(service.serve(settings, worker.build(settings), stopping, health))
    await until(lambda: any("does not answer" in problem for problem in health.problems))
    await asyncio.to_thread(own_broker.start)
    await until(lambda: bool(health.concurrency._value.get()) and not health.problems)
    await put_exchanges(own_broker.bootstrap, topics, [an_exchange(1)])  # to topics the worker has made
    await read_until(own_broker.bootstrap, topics.trials, Trial, bool)
    stopping.set()
    assert await serving is False


async def test_asked_to_stop_while_the_broker_is_away_a_worker_stops(own_broker):
    settings = settings_for(own_broker.bootstrap, unique_topics())
    own_broker.kill()
    stopping, health = asyncio.Event(), ConsumerHealth("worker")
    serving = asyncio.create_task(service.serve(settings, worker.build(settings), stopping, health))
    await until(lambda: bool(health.problems))
    stopping.set()
    assert await asyncio.wait_for(serving, 20) is False


async def test_commits_that_stop_end_the_process_instead_of_being_hidden(broker, topics, monkeypatch):
    async def refused(*_):
        return False

    monkeypatch.setattr("consumers.kafka.membership.Membership.commit", refused)

    async def handle(_message):
        return

    kafka = settings_for(broker, topics).kafka
    subscription = Subscription(
        group="stuck", topics=(topics.exchanges,), concurrency=4, handle=handle, stalled_after_s=0.5
    )
    await put_exchanges(broker, topics, [an_exchange(1)])
    with pytest.raises(BrokerError, match="commits stopped"):
        await Consumer(kafka, subscription, ConsumerHealth("worker")).run(asyncio.Event())


async def test_a_message_whose_handler_raises_is_not_committed_and_is_delivered_again(broker, topics):
    seen: list[str] = []
    done = asyncio.Event()

    async def handle(message):
        seen.append(message.location)
        if len(seen) == 1:
            raise ValueError("an error without a dead letter")
        done.set()

    kafka = settings_for(broker, topics).kafka
    subscription = Subscription(group="tripping", topics=(topics.exchanges,), concurrency=4, handle=handle)
    await put_exchanges(broker, topics, [an_exchange(1)])
    await Consumer(kafka, subscription, ConsumerHealth("worker")).run(done)
    assert len(seen) == 2
    assert len(set(seen)) == 1


async def test_a_message_whose_handling_was_cancelled_is_delivered_again(broker, topics):
    seen, done = [], asyncio.Event()

    def handle(message):
        seen.append(message.location)
        handled = asyncio.get_running_loop().create_future()
        if len(seen) == 1:
            handled.cancel()
        else:
            done.set()
            handled.set_result(None)
        return handled

    kafka = settings_for(broker, topics).kafka
    subscription = Subscription(group="given-up", topics=(topics.exchanges,), concurrency=4, handle=handle)
    await put_exchanges(broker, topics, [an_exchange(1)])
    await Consumer(kafka, subscription, ConsumerHealth("worker")).run(done)
    assert len(seen) == 2
    assert len(set(seen)) == 1


async def test_a_consumer_restarted_beside_a_stuck_database_still_commits_everything(broker, topics):
    there, stopping = asyncio.Event(), asyncio.Event()
    written: set[int] = set()
    begun = handled = 0

    async def write(messages):
        nonlocal begun
        begun += 1
        await there.wait()
        written.update(message.offset for message in messages)

    batches: BatchWriter[IncomingMessage] = BatchWriter(write, size=100, linger_s=0.02)

    def handle(message):
        nonlocal handled
        handled += 1
        if handled == 4:
            raise ValueError("the consumer breaks")
        return batches.add(message)

    async def produce_one():
        await produce(broker, topics.exchanges, [(b"same partition", b"x")])

    kafka = settings_for(broker, topics).kafka
    group, health = "beside-a-stuck-database", ConsumerHealth("scorer")
    subscription = Subscription(group=group, topics=(topics.exchanges,), concurrency=100, handle=handle)
    writing = [asyncio.create_task(batches.run()) for _ in range(2)]
    consuming = asyncio.create_task(Consumer(kafka, subscription, health).run(stopping))
    for busy in (1, 2):  # a batch for each writer
        await produce_one()
        await until(lambda busy=busy: begun == busy)  # type: ignore[misc]
    await produce_one()  # and one that no writer is free for
    await until(lambda: handled == 3)
    await produce_one()
    await until(lambda: handled == 8)  # all four again, in the next session
    there.set()
    await until(lambda: health.messages.labels(topics.exchanges)._value.get() == 4)
    stopping.set()
    await consuming
    for one in writing:
        one.cancel()
    assert written == {0, 1, 2, 3}
    assert await committed(broker, group, topics.exchanges) == 4


async def test_messages_in_flight_never_exceeds_its_limit_of_bytes(broker, topics, monkeypatch):
    monkeypatch.setattr("consumers.kafka.consumer.MAX_IN_FLIGHT_BYTES", 1_000)
    in_flight: list[int] = []
    totals, full, stopping = [], asyncio.Event(), asyncio.Event()

    async def handle(message):
        in_flight.append(len(message.value))
        totals.append(sum(in_flight))
        await full.wait()
        await asyncio.sleep(0)
        in_flight.remove(len(message.value))
        if len(totals) == 20:
            stopping.set()

    kafka = settings_for(broker, topics).kafka
    subscription = Subscription(group="bytes", topics=(topics.exchanges,), concurrency=100, handle=handle)
    await produce(broker, topics.exchanges, [(None, b"x" * 400)] * 20)
    consuming = asyncio.create_task(Consumer(kafka, subscription, ConsumerHealth("worker")).run(stopping))
    await until(lambda: len(in_flight) == 2)
    full.set()
    await consuming
    assert len(totals) == 20
    assert max(totals) == 800


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice, taken note of
async def test_a_message_of_five_megabytes_becomes_a_dead_letter_and_the_partition_goes_on(own_broker, serve):
    # Apache Kafka refuses it at the producer; the embedded broker, and a generous cluster, take it.
    topics = unique_topics()
    settings = settings_for(own_broker.bootstrap, topics, candidate_url=serve(echo_app()) + "/v1")
    create_topics(own_broker.bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), 4))
    # It does not become small enough when it is compressed.
    huge = {"messages": [{"role": "user", "content": secrets.token_urlsafe(3_700_000)}]}
    await put_exchanges(own_broker.bootstrap, topics, [an_exchange(0, request=huge), *map(an_exchange, range(1, 9))])
    stopping, health = asyncio.Event(), ConsumerHealth("worker")
    serving = asyncio.create_task(service.serve(settings, worker.build(settings), stopping, health))
    await until(lambda: health.messages.labels(topics.exchanges)._value.get() == 9)
    stopping.set()
    await serving
    (letter,) = await read(own_broker.bootstrap, topics.deadletters, DeadLetter)
    assert (letter.id, letter.reason) == ("exchange-0", "too_large")
    assert len(await read(own_broker.bootstrap, topics.trials, Trial)) == 8
