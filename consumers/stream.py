"""The one file that knows Faust: bytes in, a coroutine per message, acknowledgement out.

Faust's own acknowledging is switched off (`acks=False`). It commits past messages that are
still in hand, acknowledges what raised, and acknowledges what it skipped in a rebalance; so
`Acks` computes what is finished, and that alone is committed, with Faust's consumer.

The App runs on our event loop, not under `faust worker`, which would listen on all addresses.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import faust
import structlog
from faust.types import TP

from consumers.acks import Acks, Partition, Prefix
from consumers.backoff import Backoff
from consumers.health import Health
from consumers.incoming import Incoming
from shadow.errors import BrokerError
from shadow.settings import Kafka

Handler: TypeAlias = Callable[[Incoming], Awaitable[None]]

COMMIT_EVERY_S: Final = 0.2
SAY_WAITING_EVERY_S: Final = 5.0
#: Who ran so long was well, and is started again without a long wait.
LONG_LIFE_S: Final = 60.0
#: Longest time Faust gets to leave the group; after it the process leaves without.
STOP_S: Final = 5.0
_DAY_S: Final = 86_400.0

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """What a consumer reads and how. `handle` returns when a message's effects are durable,
    and buries its own faults: one that escapes it ends the consumer, unacknowledged.
    """

    group: str
    topics: Sequence[str]
    concurrency: int
    handle: Handler
    drain_s: float = 5.0
    stalled_after_s: float = 120.0


class Consumer:
    """Reads until told to stop, starting again whenever Faust or the broker breaks."""

    def __init__(self, kafka: Kafka, subscription: Subscription, health: Health) -> None:
        self._kafka = kafka
        self._subscription = subscription
        self._health = health
        #: Faust did not end within its deadline: its threads would keep the process alive.
        self.abandoned = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Return once `stopping` is set and the group was left.

        Raises BrokerError when commits or deliveries have stopped although there is more to
        read: Faust is stuck then, and only a new process helps.
        """
        backoff = Backoff()
        while not stopping.is_set():
            life = _Life(self._kafka, self._subscription, self._health)
            born_at = time.monotonic()
            try:
                await life.live(stopping)
            except _CrashedError as fault:
                self._health.trouble("consumer", f"consumer: {fault}")
                log.warning("the consumer broke; starting it again", action="consumer_restart", error=str(fault))
                if time.monotonic() - born_at > LONG_LIFE_S:
                    backoff = Backoff()
                await _either(backoff.wait(), stopping.wait())
            finally:
                self.abandoned = self.abandoned or life.abandoned


class _CrashedError(Exception):
    """Faust ended by itself."""


class _Life:
    """One App from its start to its end."""

    def __init__(self, kafka: Kafka, subscription: Subscription, health: Health) -> None:
        self._subscription = subscription
        self._health = health
        self._acks = Acks()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(subscription.concurrency)
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._assigned: set[Partition] | None = None
        self._moved_at = time.monotonic()
        self.abandoned = False
        self._app = _app(kafka, subscription)
        topic = self._app.topic(
            *subscription.topics,
            acks=False,
            schema=faust.Schema(key_type=bytes, value_type=bytes, allow_empty=True),
        )
        self._app.agent(topic, name="consume")(self._consume)
        self._app.on_partitions_assigned.connect(self._on_assigned)
        self._app.on_partitions_revoked.connect(self._on_revoked)
        health.concurrency.set(subscription.concurrency)

    async def live(self, stopping: asyncio.Event) -> None:
        self._health.trouble("partitions", "waiting for partitions")
        starting = asyncio.create_task(self._app.start())
        starting.add_done_callback(self._started)
        orderly = False
        try:
            crashed = self._app._crashed.wait()  # noqa: SLF001 - there is no public sign of it
            await _either(self._watch(), crashed, _wait(self._fault), stopping.wait())
            orderly = stopping.is_set()
            if not orderly:
                raise _CrashedError(repr(self._app.crash_reason))
        finally:
            await self._end(starting, orderly=orderly)

    def _started(self, starting: "asyncio.Task[None]") -> None:
        if not starting.cancelled() and (fault := starting.exception()):
            self._fail(fault)

    def _fail(self, fault: BaseException) -> None:
        if not self._fault.done():
            self._fault.set_exception(_CrashedError(repr(fault)))

    async def _end(self, starting: "asyncio.Task[None]", *, orderly: bool) -> None:
        """Finish what is in hand, commit it, leave the group; each within a deadline."""
        self._closed = True
        if self._tasks and orderly:
            await asyncio.wait(self._tasks, timeout=self._subscription.drain_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._fault.cancel()
        try:
            async with asyncio.timeout(STOP_S):
                if orderly:
                    await self._commit()
                starting.cancel()
                _be_counted_as_joined(self._app)
                await self._app.stop()
        except TimeoutError:
            log.warning("left without saying goodbye: the broker does not answer", action="abandoned")
            self.abandoned = True

    async def _consume(self, stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await self._slots.acquire()
                if not self._accept(event.message):
                    self._slots.release()
        except Exception as fault:  # noqa: BLE001 - a message fell: only a new reading delivers it again
            self._fail(fault)

    def _accept(self, message: Any) -> bool:
        """Start handling `message`, unless it is not ours any more or in hand already."""
        if self._closed or message.generation_id != self._app.consumer_generation_id:
            return False  # never arrived as far as `Acks` knows, so never acknowledged
        partition = Partition(message.topic, message.partition)
        prefix = self._acks.arrive(partition, message.offset, message.generation_id)
        if prefix is None and self._acks.forget_if_beyond(partition, self._log_end(partition)):
            prefix = self._acks.arrive(partition, message.offset, message.generation_id)
        if prefix is None:
            return False
        incoming = Incoming(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            key=message.key,
            value=message.value or b"",
            headers=dict(message.headers or ()),
            at=datetime.fromtimestamp(message.timestamp or 0, UTC),
        )
        self._health.take(1)
        task = asyncio.create_task(self._handle(incoming, prefix))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return True

    async def _handle(self, incoming: Incoming, prefix: Prefix) -> None:
        try:
            await self._subscription.handle(incoming)
        except Exception as fault:  # whatever it was, the message is not acknowledged
            log.exception("a handler raised", action="handler_fault", topic=incoming.topic, offset=incoming.offset)
            self._fail(fault)
        else:
            prefix.finish(incoming.offset)
            self._health.messages.labels(incoming.topic).inc()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()
        self._health.take(-1)

    async def _watch(self) -> None:
        """Commit what is finished and look at the lag, until something is stuck for too long."""
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            now = time.monotonic()
            if self._assigned is None and now - said_at > SAY_WAITING_EVERY_S:
                said_at = now
                log.info("waiting for partitions: a consumer that died keeps them for its session timeout",
                         action="waiting_for_partitions", group=self._subscription.group)  # fmt: skip
            uncommitted = bool(self._acks.due()) and not await self._commit()
            idle_with_lag = bool(self._measure_lag()) and not self._tasks
            if self._assigned is None or not (uncommitted or idle_with_lag):
                self._moved_at = time.monotonic()
            elif now - self._moved_at > self._subscription.stalled_after_s:
                what = "commits" if uncommitted else "deliveries"
                raise BrokerError(f"{what} stopped {now - self._moved_at:.0f} s ago although there is more to read")

    async def _commit(self) -> bool:
        """Commit every finished prefix. False where the broker did not take it."""
        due = self._acks.due()
        owned = {TP(*partition): offset for partition, offset in due.items() if partition in (self._assigned or ())}
        consumer: Any = self._app.consumer
        if owned and not await consumer._commit(owned):  # noqa: SLF001 - the public one commits Faust's own offsets
            return False
        self._acks.committed(due)
        return True

    def _measure_lag(self) -> int:
        total = 0
        for partition, position in self._acks.positions().items():
            lag = max(0, (self._log_end(partition) or 0) - position)
            self._health.lag.labels(*partition).set(lag)
            total += lag
        return total

    def _log_end(self, partition: Partition) -> int | None:
        consumer = self._app.consumer
        return consumer.highwater(TP(*partition)) if TP(*partition) in consumer.assignment() else None

    async def _on_assigned(self, *arguments: Any, **_: Any) -> None:
        assigned: set[TP] = arguments[-1]
        self._assigned = {Partition(tp.topic, tp.partition) for tp in assigned}
        self._acks.keep(self._assigned)
        self._health.lag.clear()
        self._health.trouble("partitions", None)
        self._health.trouble("consumer", None)
        log.info("partitions assigned", action="assigned", count=len(assigned), group=self._subscription.group)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """What is finished is committed before somebody else takes over, or they would redo it."""
        if not self._closed:
            await self._commit()


def _app(kafka: Kafka, subscription: Subscription) -> faust.App:
    session_s = kafka.session_timeout_s
    return _App(
        subscription.group,
        broker=[f"aiokafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        table_standby_replicas=0,  # else Faust's own assignor is used, which plans for tables
        # Bytes only: some of Faust's codecs run code that a message brings along.
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=2 * subscription.concurrency,
        stream_wait_empty=False,
        # We commit ourselves, and know ourselves when something is stuck.
        broker_commit_interval=_DAY_S,
        broker_commit_livelock_soft_timeout=_DAY_S,
        stream_processing_timeout=_DAY_S,
        # While the database is away nothing is polled, and that is no reason to leave the group.
        broker_max_poll_interval=_DAY_S,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 3),
        broker_request_timeout=session_s + 10.0,
    )


def _be_counted_as_joined(app: Any) -> None:
    """Let aiokafka leave a group it is the first to have joined.

    The embedded broker numbers generations from 0, and aiokafka takes 0 for "never joined": it
    would go without a word, and whoever comes next would wait for the session to time out.
    """
    consumer = app.consumer._thread._consumer  # noqa: SLF001 - there is no public way to it
    if consumer is not None and consumer._coordinator.generation == 0:  # noqa: SLF001 - as above
        consumer._coordinator.generation = 1  # noqa: SLF001 - as above


class _App(faust.App):
    logger = logging.getLogger("faust")  # else it is named after this module, and as talkative

    def _create_directories(self) -> None:
        """Faust would make folders for its tables; we have none."""


async def _wait(future: "asyncio.Future[None]") -> None:
    await future


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return, or raise, with the first that ends; cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
