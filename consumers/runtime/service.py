"""What worker and scorer have in common: health, topics, a producer, signals, an orderly end."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import structlog

from consumers.kafka.producer import EventProducer
from consumers.kafka.stream import Consumer, Handler, Subscription
from consumers.runtime.backoff import Backoff
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.shutdown import run_until_signalled, unless_stopping
from shadow.errors import BrokerError
from shadow.settings import Settings
from shadow.topics import create_topics

#: Opens what a service needs besides Kafka, for as long as it runs, and yields its handler. The event
#: is set when it is told to stop; what is in hand is waited for then.
Opening: TypeAlias = Callable[[EventProducer, ConsumerHealth, asyncio.Event], AbstractAsyncContextManager[Handler]]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One kind of consumer: `topics` in, at most `concurrency` messages in hand at once."""

    name: Literal["worker", "scorer"]
    topics: Sequence[str]
    concurrency: int
    health_host: str
    health_port: int
    open: Opening


def run(settings: Settings, service: Service) -> None:
    """Serve until SIGTERM or SIGINT. Raises ShadowError when it cannot start or go on."""
    spare_the_collector()
    abandoned = run_until_signalled(partial(serve, settings, service))
    if abandoned:
        # Faust's threads wait for a broker that does not answer, and would keep us alive.
        sys.stderr.flush()
        os._exit(0)


def spare_the_collector() -> None:
    """Have garbage looked for less often, and not in what is imported.

    What is imported stays, and what a batch makes goes with it; looking through both again and
    again cost a third of the processor.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def serve(
    settings: Settings, service: Service, stopping: asyncio.Event, health: ConsumerHealth | None = None
) -> bool:
    """Serve until `stopping` is set. True if threads were left behind that never end."""
    health = health or ConsumerHealth(service.name)
    source = f"shadow-{service.name}/{socket.gethostname()}/{os.getpid()}"
    outbox = EventProducer(settings.kafka, source=source, report_problem=partial(health.set_problem, "producer"))
    endpoint = await health.serve(service.health_host, service.health_port)
    try:
        async with AsyncExitStack() as stack:
            await unless_stopping(stopping, _connect(settings, outbox, health))
            handle = await unless_stopping(stopping, stack.enter_async_context(service.open(outbox, health, stopping)))
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
        await outbox.stop()
        await endpoint.cleanup()


async def _connect(settings: Settings, outbox: EventProducer, health: ConsumerHealth) -> None:
    """Wait for the broker, and make the topics that are not there yet."""
    names = settings.kafka.topics
    wanted = dict.fromkeys((names.exchanges, names.trials, names.deadletters), settings.kafka.partitions)
    backoff = Backoff()
    while True:
        try:
            await asyncio.to_thread(
                create_topics,
                settings.kafka.bootstrap_servers,
                wanted,
                replication=settings.kafka.replication,
                timeout=2.0,
            )
        except BrokerError as fault:
            health.set_problem("producer", str(fault))
            log.warning("waiting for the broker", action="waiting_for_broker", error=str(fault))
            await backoff.wait()
        else:
            break
    await outbox.start()
