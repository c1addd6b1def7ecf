"""The one file that knows Faust: bytes come out, offsets go in, everything else is ours.

Faust's own acknowledging is switched off (`acks=False`). It commits past messages that are
still in hand, acknowledges what raised, and acknowledges what it skipped in a rebalance. We
take its deliveries and commit, through its consumer, what `consumers.kafka.offset_tracker` found finished.

The App runs on our event loop, not under `faust worker`, which would listen on all addresses.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP

from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import TopicPartition
from shadow.settings import KafkaSettings

#: Returns when a rebalance begins.
Wait: TypeAlias = Callable[[], Awaitable[object]]
Deliver: TypeAlias = Callable[[Sequence[IncomingMessage], int], Awaitable[None] | None]

_DAY_S: Final = 86_400.0
#: So many records of a partition are handed over at once.
_RUN: Final = 200


class ConsumerCrashedError(Exception):
    """Faust ended by itself, or never got going."""


class FaustConsumer:
    """One Faust App from its start to its end.

    `deliver(messages, generation)` is called with messages of one partition, in its order, and
    what it returns is awaited before the next of any; where either raises, reading ends.
    `assigned(partitions)` says what is ours from now on, and `revoked()` is awaited before it may
    become somebody else's.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        topics: Sequence[str],
        deliver: Deliver,
        assigned: Callable[[set[TopicPartition]], None],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._app: Any = _app(kafka, group)
        transport: Any = self._app.transport
        transport.Consumer = _consumer_class(self._hand_over)
        self._deliver = deliver
        self._assigned = assigned
        self._revoked = revoked
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting: asyncio.Task[None] | None = None
        schema: Any = faust.Schema(key_type=bytes, value_type=bytes, allow_empty=True)
        self._app.agent(self._app.topic(*topics, acks=False, schema=schema), name="consume")(self._consume)
        self._app.on_partitions_assigned.connect(self._on_assigned)
        self._app.on_partitions_revoked.connect(self._on_revoked)

    async def run(self) -> None:
        """Read until cancelled. Raises ConsumerCrashedError when Faust, the broker or `deliver` fails."""
        self._starting = asyncio.create_task(self._app.start())
        self._starting.add_done_callback(self._started)
        crashed = asyncio.create_task(self._app._crashed.wait())  # noqa: SLF001 - there is no public sign of it
        try:
            await asyncio.wait({crashed, self._fault}, return_when=asyncio.FIRST_COMPLETED)
            reason = self._fault.exception() if self._fault.done() else self._app.crash_reason
            raise ConsumerCrashedError(repr(reason))
        finally:
            crashed.cancel()

    async def stop(self) -> None:
        """Leave the group and end every thread. May take as long as a request's timeout."""
        if self._starting is not None:
            self._starting.cancel()
        if not self._fault.done():
            self._fault.cancel()
        _be_counted_as_joined(self._app)
        await self._app.stop()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit, for each partition, the offset to go on from. False where the broker refuses."""
        wanted = {TP(*partition): offset for partition, offset in offsets.items()}
        done: bool = await self._app.consumer._commit(wanted)  # noqa: SLF001 - the public one takes Faust's own offsets
        return done

    def log_end(self, partition: TopicPartition) -> int | None:
        """One past the last offset of `partition`; None where it is not known, or not ours."""
        consumer, wanted = self._app.consumer, TP(*partition)
        end: int | None = consumer.highwater(wanted) if wanted in consumer.assignment() else None
        return end

    def is_current(self, generation: int) -> bool:
        """Whether a message of `generation` is still ours; if not, it will be delivered again."""
        return bool(generation == self._app.consumer_generation_id)

    async def _hand_over(self, records: Sequence[Any], generation: int, suspended: Wait) -> None:
        """Deliver `records`; where that has to wait, no longer than until a rebalance begins.

        Nothing is delivered behind a message that fell: what is finished there would be committed
        past it.
        """
        if self._fault.done():
            return
        try:
            waiting = self._deliver([_incoming(record) for record in records], generation)
            if waiting is not None:
                await _first_of(waiting, suspended())
        except Exception as fault:  # noqa: BLE001 - a message fell: only a new reading delivers it again
            self._fail(fault)

    @staticmethod
    async def _consume(stream: Any) -> None:
        """Faust subscribes to what its agents read; this one never gets anything."""
        async for _ in stream:
            pass

    def _started(self, starting: "asyncio.Task[None]") -> None:
        if not starting.cancelled() and (fault := starting.exception()):
            self._fail(fault)

    def _fail(self, fault: BaseException) -> None:
        if not self._fault.done():
            self._fault.set_exception(fault)

    async def _on_assigned(self, *arguments: Any, **_: Any) -> None:
        assigned: set[TP] = arguments[-1]
        self._assigned({TopicPartition(tp.topic, tp.partition) for tp in assigned})

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        await self._revoked()


def request_timeout_s(kafka: KafkaSettings) -> float:
    """Longest wait for an answer of the broker; Faust wants it longer than the session."""
    return kafka.session_timeout_s + 10.0


def _incoming(record: Any) -> IncomingMessage:
    return IncomingMessage(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value or b"",
        headers=record.headers or (),
        timestamp_ms=record.timestamp or 0,
    )


def _app(kafka: KafkaSettings, group: str) -> faust.App:
    session_s = kafka.session_timeout_s
    return _App(
        group,
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
        # It waits for acknowledgements that never come this way, and without a deadline.
        stream_wait_empty=False,
        # We commit ourselves, and know ourselves when something is stuck.
        broker_commit_interval=_DAY_S,
        broker_commit_livelock_soft_timeout=_DAY_S,
        stream_processing_timeout=_DAY_S,
        # While the database is away nothing is polled, and that is no reason to leave the group.
        broker_max_poll_interval=_DAY_S,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 3),
        broker_request_timeout=request_timeout_s(kafka),
    )


def _consumer_class(hand_over: Callable[[Sequence[Any], int, Wait], Awaitable[None]]) -> type[Any]:
    """Faust's consumer, handing the records of each fetch straight to us, partition by partition.

    Its own way leads through two tasks, a channel, a queue and a stream for each message, which
    costs more than scoring a pair does. What it looks at on that way (is reading suspended, is
    this partition being read, did the group change meanwhile) is looked at here.
    """

    class DirectConsumer(AIOKafkaConsumer):
        async def _drain_messages(self, fetcher: Any) -> None:
            try:
                while not (self.should_stop or fetcher.should_stop):
                    await self.sleep(0)
                    records, active = await self._wait_next_records(timeout=1.0)
                    generation = self.app.consumer_generation_id
                    if self.should_stop or not records:
                        continue
                    if not self.flow_active:
                        await self._go_back()
                        continue
                    for tp, found in _in_turns(records):
                        if not self.flow_active or self.app.consumer_generation_id != generation:
                            break
                        if active is None or tp in active or tp in self._buffered_partitions:
                            await hand_over(found, generation, self.suspend_flow.wait)
                            self._read_offset[tp] = found[-1].offset
            except (ConsumerStoppedError, asyncio.CancelledError):
                if not self.transport.app.should_stop:
                    raise

        async def _go_back(self) -> None:
            """Read on from what is committed, for what was read in a rebalance is dropped.

            In the middle of one there may be no assignment to go back in. Then nothing is amiss:
            with the next assignment reading starts from what is committed anyway.
            """
            try:
                await self.perform_seek()
            except Exception as fault:  # noqa: BLE001 - whatever it was, it must not end the reading
                self.log.warning("cannot go back to what is committed: %r", fault)

    return DirectConsumer


def _in_turns(records: Mapping[TP, Sequence[Any]]) -> Iterator[tuple[TP, Sequence[Any]]]:
    """Every partition's records, a run of each in turn: none waits until another is done with."""
    for start in range(0, max(map(len, records.values())), _RUN):
        for tp, found in records.items():
            if run := found[start : start + _RUN]:
                yield tp, run


async def _first_of(*waits: Awaitable[object]) -> None:
    """Return, or raise, with the first that ends; cancel the other."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


class _App(faust.App):
    logger = logging.getLogger("faust")  # else it is named after this module, and as talkative

    def _create_directories(self) -> None:
        """Faust would make folders for its tables; we have none."""


def _be_counted_as_joined(app: Any) -> None:
    """Let aiokafka leave a group it is the first to have joined.

    The embedded broker numbers generations from 0, and aiokafka takes 0 for "never joined": it
    would go without a word, and whoever comes next would wait for the session to time out.
    """
    consumer = app.consumer._thread._consumer  # noqa: SLF001 - there is no public way to it
    if consumer is not None and consumer._coordinator.generation == 0:  # noqa: SLF001 - as above
        consumer._coordinator.generation = 1  # noqa: SLF001 - as above
