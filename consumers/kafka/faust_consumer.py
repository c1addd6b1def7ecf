"""A Faust app that only delivers bytes and commits offsets.

Faust's own acknowledgement is switched off (`acks=False`): it commits past messages that are still in
flight, acknowledges those whose handling raised, and those that it skipped in a rebalance. This class
takes Faust's deliveries, and commits through Faust's consumer the offsets that
`consumers.kafka.offset_tracker` found finished.

The app runs on our event loop, not under `faust worker`, which would listen on all addresses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import faust
from faust.types import TP

from consumers.kafka import faust_internals
from consumers.kafka.faust_internals import WaitForRebalance
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import TopicPartition
from consumers.runtime.waiting import first_of
from shadow.errors import ConsumerCrashedError
from shadow.settings import KafkaSettings

Deliver: TypeAlias = Callable[[Sequence[IncomingMessage], int], Awaitable[None] | None]

_DAY_S: Final = 86_400.0


class FaustConsumer:
    """One Faust app from its start to its end.

    `deliver(messages, generation)` is called with messages of one partition, in their order. If it returns
    an awaitable, that is awaited before the next call. If either raises, consumption ends.
    `on_assigned(partitions)` is called with all partitions that are assigned from now on, and
    `on_revoked()` is awaited before any may be assigned to another consumer.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        topics: Sequence[str],
        deliver: Deliver,
        on_assigned: Callable[[set[TopicPartition]], None],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._app: Any = _create_app(kafka, group)
        faust_internals.deliver_directly(self._app, self._deliver_records)
        self._deliver = deliver
        self._assigned = on_assigned
        self._revoked = on_revoked
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting: asyncio.Task[None] | None = None
        schema: Any = faust.Schema(key_type=bytes, value_type=bytes, allow_empty=True)
        self._app.agent(self._app.topic(*topics, acks=False, schema=schema), name="consume")(self._subscribe)
        self._app.on_partitions_assigned.connect(self._on_assigned)
        self._app.on_partitions_revoked.connect(self._on_revoked)

    async def run(self) -> None:
        """Consume until cancelled. Raises ConsumerCrashedError when Faust, the broker or `deliver` fails."""
        self._starting = asyncio.create_task(self._app.start())
        self._starting.add_done_callback(self._started)
        crashed = asyncio.create_task(faust_internals.wait_for_crash(self._app))
        try:
            ends: list[asyncio.Future[Any]] = [crashed, self._failure]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            reason = self._failure.exception() if self._failure.done() else crashed.result()
            raise ConsumerCrashedError(repr(reason))
        finally:
            crashed.cancel()

    async def stop(self) -> None:
        """Leave the group and end every thread. May take as long as a request's timeout."""
        if self._starting is not None:
            self._starting.cancel()
        if not self._failure.done():
            self._failure.cancel()
        faust_internals.mark_as_joined(self._app)
        await self._app.stop()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit, for each partition, the offset to continue from. False where the broker refuses."""
        return await faust_internals.commit(
            self._app, {TP(*partition): offset for partition, offset in offsets.items()}
        )

    def log_end(self, partition: TopicPartition) -> int | None:
        """One past the last offset of `partition`; None where it is unknown or not assigned."""
        consumer, tp = self._app.consumer, TP(*partition)
        end: int | None = consumer.highwater(tp) if tp in consumer.assignment() else None
        return end

    def is_current(self, generation: int) -> bool:
        """Whether messages delivered in `generation` are still assigned; if not, they will be delivered again."""
        return generation == faust_internals.generation(self._app)

    async def _deliver_records(self, records: Sequence[Any], generation: int, rebalance: WaitForRebalance) -> None:
        """Deliver `records`. If that has to wait, it waits no longer than until a rebalance begins.

        Delivers nothing after a failure: a later message that finishes would be committed, and with it
        the one that failed.
        """
        if self._failure.done():
            return
        try:
            waiting = self._deliver([_to_message(record) for record in records], generation)
            if waiting is not None:
                await first_of(waiting, rebalance())
        except Exception as error:  # noqa: BLE001 - whatever the error, only a new session gets these messages again
            self._fail(error)

    @staticmethod
    async def _subscribe(stream: Any) -> None:
        """An agent that receives nothing: Faust subscribes to the topics of its agents."""
        async for _ in stream:
            pass

    def _started(self, starting: "asyncio.Task[None]") -> None:
        if not starting.cancelled() and (error := starting.exception()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _on_assigned(self, *arguments: Any, **_: Any) -> None:
        assigned: set[TP] = arguments[-1]
        self._assigned({TopicPartition(tp.topic, tp.partition) for tp in assigned})

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        await self._revoked()


def request_timeout_s(kafka: KafkaSettings) -> float:
    """Longest wait for a response of the broker; Faust requires it to be longer than the session timeout."""
    return kafka.session_timeout_s + 10.0


def _to_message(record: Any) -> IncomingMessage:
    return IncomingMessage(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value or b"",
        headers=record.headers or (),
        timestamp_ms=record.timestamp or 0,
    )


def _create_app(kafka: KafkaSettings, group: str) -> faust.App:
    session_s = kafka.session_timeout_s
    return faust_internals.App(
        group,
        broker=[f"aiokafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        table_standby_replicas=0,  # otherwise Faust uses its own assignor, which plans for tables
        # Bytes only: some of Faust's codecs run code that is in a message.
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        # Would wait for Faust's acknowledgements, which are switched off, and without a deadline.
        stream_wait_empty=False,
        # Offsets are committed, and stalls detected, in `consumers.kafka.membership`.
        broker_commit_interval=_DAY_S,
        broker_commit_livelock_soft_timeout=_DAY_S,
        stream_processing_timeout=_DAY_S,
        # While the database is away nothing is polled, and that is no reason to leave the group.
        broker_max_poll_interval=_DAY_S,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 3),
        broker_request_timeout=request_timeout_s(kafka),
    )
