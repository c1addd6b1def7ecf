"""What worker and scorer have in common: health, topics, a producer, signals, an orderly shutdown."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import structlog

from consumers.kafka.consumer import Consumer, Handler, Subscription
from consumers.kafka.producer import EventProducer
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.shutdown import run_until_signalled
from consumers.runtime.waiting import unless_stopping
from shadow.backoff import Backoff
from shadow.errors import BrokerError
from shadow.garbage_collection import collect_less_often
from shadow.settings import Settings
from shadow.topics import create_topics

#: Opens what a service needs besides Kafka, for as long as it runs, and yields its handler. The event is set
#: when the service is asked to stop; it then waits for the messages in flight.
OpenHandler: TypeAlias = Callable[[EventProducer, ConsumerHealth, asyncio.Event], AbstractAsyncContextManager[Handler]]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One kind of consumer: reads `topics`, with at most `concurrency` messages in flight."""

    name: Literal["worker", "scorer"]
    topics: Sequence[str]
    concurrency: int
    health_host: str
    health_port: int
    open_handler: OpenHandler


def run(settings: Settings, service: Service) -> None:
    """Serve until SIGTERM or SIGINT. Raises ShadowError when it cannot start or continue."""
    collect_less_often()
    abandoned = run_until_signalled(partial(serve, settings, service))
    if abandoned:
        # Faust's threads wait for a broker that does not answer, and would keep the process alive.
        sys.stderr.flush()
        os._exit(0)


async def serve(
    settings: Settings, service: Service, stopping: asyncio.Event, health: ConsumerHealth | None = None
) -> bool:
    """Serve until `stopping` is set. True if threads were abandoned that never end."""
    health = health or ConsumerHealth(service.name)
    source = f"shadow-{service.name}/{socket.gethostname()}/{os.getpid()}"
    report_problem = partial(health.set_problem, "producer")
    producer = EventProducer(
        settings.kafka,
        source=source,
        report_problem=report_problem,
        max_bytes=settings.publisher.topic_bytes,
    )
    endpoint = await health.serve(service.health_host, service.health_port)
    try:
        async with AsyncExitStack() as stack:
            await unless_stopping(stopping, _connect(settings, producer, health))
            opening = stack.enter_async_context(service.open_handler(producer, health, stopping))
            handle = await unless_stopping(stopping, opening)
            if handle is None:
                return False
            subscription = Subscription(
                group=f"{settings.kafka.group_prefix}-{service.name}",
                topics=service.topics,
                concurrency=service.concurrency,
                handle=handle,
            )
            consumer = Consumer(settings.kafka, subscription, health)
            log.info("started", action="started", service=service.name, topics=list(service.topics))
            await consumer.run(stopping)
        log.info("stopped", action="stopped", service=service.name)
        return consumer.abandoned
    finally:
        await producer.stop()
        await endpoint.cleanup()


async def _connect(settings: Settings, producer: EventProducer, health: ConsumerHealth) -> None:
    """Wait for the broker, and create the topics that do not exist yet."""
    names = settings.kafka.topics
    partitions = dict.fromkeys((names.exchanges, names.trials, names.deadletters), settings.kafka.partitions)
    backoff = Backoff()
    while True:
        try:
            await asyncio.to_thread(
                create_topics,
                settings.kafka.bootstrap_servers,
                partitions,
                replication=settings.kafka.replication,
                max_message_bytes=settings.publisher.topic_bytes,
                timeout=2.0,
            )
        except BrokerError as error:
            health.set_problem("producer", str(error))
            log.warning("waiting for the broker", action="waiting_for_broker", error=str(error))
            await backoff.wait()
        else:
            break
    await producer.start()
