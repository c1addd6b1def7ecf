"""Every private member of Faust, mode and aiokafka that is used, and what it is used for.

No other file reaches into them. `INTERNALS` lists each member that we call, read, set or override and that
these libraries do not document, whether its name begins with an underscore or not. A new version may change
any of them: `tests/unit/consumers/test_faust_internals.py` compares the list with what is installed and names
each difference.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP


class Internal(NamedTuple):
    """A member of a class that is not ours.

    `shape` is the type of an attribute, or the head of a method: `async def(offsets)`.
    """

    owner: str
    name: str
    shape: str
    used_for: str


APP: Final = "faust.app.base.App"
TRANSPORT: Final = "faust.transport.drivers.aiokafka.Transport"
CONSUMER: Final = "faust.transport.drivers.aiokafka.Consumer"
CONSUMER_THREAD: Final = "faust.transport.drivers.aiokafka.AIOKafkaConsumerThread"
AIOKAFKA_CONSUMER: Final = "aiokafka.consumer.consumer.AIOKafkaConsumer"
COORDINATOR: Final = "aiokafka.consumer.group_coordinator.GroupCoordinator"

INTERNALS: Final = (
    Internal(APP, "_create_directories", "def()", "overridden: no folders are made for tables we do not have"),
    Internal(APP, "_crashed", "mode.utils.locks.Event", "wait_for_crash: nothing else reports that the app crashed"),
    Internal(APP, "crash_reason", "builtins.NoneType", "wait_for_crash: the exception that crashed the app"),
    Internal(APP, "should_stop", "builtins.bool", "tells the app's own shutdown from a consumer that was stopped"),
    Internal(APP, "consumer_generation_id", "builtins.int", "generation: which rebalance a delivery came after"),
    Internal(TRANSPORT, "Consumer", "class", "deliver_directly: replaced by a consumer that delivers to us"),
    Internal(CONSUMER, "_commit", "async def(offsets)", "commit: the public one commits Faust's acknowledgements"),
    Internal(CONSUMER, "_drain_messages", "async def(fetcher)", "overridden: delivers fetches without Faust's streams"),
    Internal(CONSUMER, "_wait_next_records", "async def(timeout)", "fetches, and waits while consumption is suspended"),
    Internal(CONSUMER, "_buffered_partitions", "builtins.set", "partitions whose records are used though not active"),
    Internal(CONSUMER, "_read_offset", "collections.defaultdict", "set to what was delivered; `perform_seek` reads it"),
    Internal(CONSUMER, "flow_active", "builtins.bool", "false from the beginning of a rebalance to its end"),
    Internal(CONSUMER, "suspend_flow", "asyncio.locks.Event", "ends the wait for room when a rebalance begins"),
    Internal(CONSUMER, "perform_seek", "async def()", "goes back to the committed offsets after a rebalance"),
    Internal(CONSUMER, "_thread", CONSUMER_THREAD, "mark_as_joined: the way to the group coordinator"),
    Internal(CONSUMER_THREAD, "_consumer", "builtins.NoneType", "mark_as_joined: aiokafka's consumer, once started"),
    Internal(AIOKAFKA_CONSUMER, "_coordinator", "builtins.NoneType", "mark_as_joined: the coordinator, once started"),
    Internal(COORDINATOR, "generation", "builtins.int", "mark_as_joined: leaves the group only if it is above 0"),
)

#: Returns when a rebalance begins.
WaitForRebalance: TypeAlias = Callable[[], Awaitable[object]]
#: Takes the records of one partition, the group's generation when they were fetched, and `WaitForRebalance`.
DeliverRecords: TypeAlias = Callable[[Sequence[Any], int, WaitForRebalance], Awaitable[None]]

#: Records of one partition that are delivered before the next partition has its turn.
_MAX_RUN: Final = 200


class App(faust.App):
    """A Faust app without folders, whose logger is Faust's and not named after this module."""

    logger = logging.getLogger("faust")

    def _create_directories(self) -> None:
        pass


def deliver_directly(app: faust.App, deliver: DeliverRecords) -> None:
    """Have the app's consumer, which is created when the app starts, give the records it fetches to `deliver`."""
    transport: Any = app.transport
    transport.Consumer = _direct_consumer(deliver)


async def wait_for_crash(app: faust.App) -> BaseException | None:
    """Return the reason once the app has crashed."""
    unsafe: Any = app
    await unsafe._crashed.wait()  # noqa: SLF001 - see INTERNALS
    reason: BaseException | None = unsafe.crash_reason
    return reason


async def commit(app: faust.App, offsets: Mapping[TP, int]) -> bool:
    """Commit, for each partition, the offset to continue from. False where the broker refuses."""
    unsafe: Any = app
    accepted: bool = await unsafe.consumer._commit(offsets)  # noqa: SLF001 - see INTERNALS
    return accepted


def generation(app: faust.App) -> int:
    """The generation of the consumer group, which rises with every rebalance."""
    unsafe: Any = app
    current: int = unsafe.consumer_generation_id
    return current


def mark_as_joined(app: faust.App) -> None:
    """Let aiokafka leave a group whose first generation is still current.

    The embedded broker numbers generations from 0, and aiokafka takes 0 for "never joined". It would stop
    without leaving, and the next consumer to join would wait until the session times out.
    """
    unsafe: Any = app
    consumer = unsafe.consumer._thread._consumer  # noqa: SLF001 - see INTERNALS
    if consumer is not None and consumer._coordinator.generation == 0:  # noqa: SLF001 - see INTERNALS
        consumer._coordinator.generation = 1  # noqa: SLF001 - see INTERNALS


def _direct_consumer(deliver: DeliverRecords) -> type[Any]:
    """Faust's consumer, except that it gives the records of each fetch to `deliver`, partition by partition.

    Faust's own way leads each message through two tasks, a channel, a queue and a stream, which costs more
    than scoring a pair. What Faust checks on that way (is consumption suspended, is the partition active,
    has the generation changed) is checked here.
    """

    class DirectConsumer(AIOKafkaConsumer):
        async def _drain_messages(self, fetcher: Any) -> None:
            try:
                while not (self.should_stop or fetcher.should_stop):
                    await self.sleep(0)
                    records, active = await self._wait_next_records(timeout=1.0)
                    fetched_in = self.app.consumer_generation_id
                    if self.should_stop or not records:
                        continue
                    if not self.flow_active:
                        await self._seek_to_committed()
                        continue
                    for tp, run in runs_in_turn(records):
                        if not self.flow_active or self.app.consumer_generation_id != fetched_in:
                            break
                        if active is None or tp in active or tp in self._buffered_partitions:
                            await deliver(run, fetched_in, self.suspend_flow.wait)
                            self._read_offset[tp] = run[-1].offset
            except (ConsumerStoppedError, asyncio.CancelledError):
                if not self.transport.app.should_stop:
                    raise

        async def _seek_to_committed(self) -> None:
            """Continue from the committed offsets, because records fetched during a rebalance are dropped.

            In the middle of a rebalance there may be no assignment to seek in. That is harmless: with the
            next assignment, consumption starts from the committed offsets anyway.
            """
            try:
                await self.perform_seek()
            except Exception as error:  # noqa: BLE001 - whatever the error, consumption must go on
                self.log.warning("cannot seek to the committed offsets: %r", error)

    return DirectConsumer


def runs_in_turn(records: Mapping[TP, Sequence[Any]]) -> Iterator[tuple[TP, Sequence[Any]]]:
    """The records in runs of up to `_MAX_RUN`, the partitions in turn, so that none waits for all of another."""
    for start in range(0, max(map(len, records.values())), _MAX_RUN):
        for tp, found in records.items():
            if run := found[start : start + _MAX_RUN]:
                yield tp, run
