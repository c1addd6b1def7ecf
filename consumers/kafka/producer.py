"""Send events, and wait until the broker has them, however long it is away."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiokafka
import msgspec
import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shadow import wire
from shadow.backoff import Backoff
from shadow.errors import WireError
from shadow.records import Reply, Trial
from shadow.settings import BROKER_MESSAGE_BYTES, KafkaSettings

#: Bytes of a message beside its value: the key, the headers, and the envelope of the record.
_ENVELOPE_BYTES: Final = 4_096

log = structlog.get_logger()


class EventProducer:
    """A Kafka producer whose `send` returns only when the broker has the event.

    `report_problem(text)` is called when the broker refuses or is away, `report_problem(None)` when it is
    back. Consumption pauses in between, because its handlers wait in `send`. A message above `max_bytes`, the largest
    that the topics accept, is compressed.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        source: str,
        report_problem: Callable[[str | None], None],
        max_bytes: int = BROKER_MESSAGE_BYTES,
    ) -> None:
        self._kafka = kafka
        self._source = source
        self._report_problem = report_problem
        self._max_bytes = max_bytes
        self._producer: aiokafka.AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, waiting for the broker as long as it takes."""
        backoff = Backoff()
        while True:
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=self._kafka.bootstrap_servers,
                acks="all",
                max_request_size=self._max_bytes,
                max_batch_size=2**18,
                # Trials come one by one as models answer; a short wait sends them together.
                linger_ms=5,
                request_timeout_ms=15_000,
            )
            try:
                await producer.start()
            except KafkaError as error:
                await producer.stop()
                await self._wait(backoff, error)
            except asyncio.CancelledError:
                await producer.stop()
                raise
            else:
                self._producer = producer
                self._report_problem(None)
                return

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def send(self, topic: str, event: wire.Event) -> None:
        """Return once the broker has `event`.

        A trial that is too large is sent without its reasoning, which is compared with nothing. Raises WireError
        for an event that no broker can accept: `unencodable` or `too_large`.
        """
        if self._producer is None:
            raise RuntimeError("start the producer before sending")
        message = wire.encode(event, source=self._source)
        limit = self._max_bytes - _ENVELOPE_BYTES
        if len(message.value) > limit:
            message = await asyncio.to_thread(wire.compressed, message, limit=limit)
        backoff = Backoff()
        while True:
            try:
                await self._producer.send_and_wait(topic, key=message.key, value=message.value, headers=message.headers)
            except MessageSizeTooLargeError as error:
                if isinstance(event, Trial) and (event.reply.reasoning or event.exchange.reply.reasoning):
                    await self.send(topic, _without_reasoning(event))
                    return
                raise WireError("too_large", f"{len(message.value)} bytes: {error}") from None
            except KafkaError as error:
                await self._wait(backoff, error)
            else:
                if backoff.failures:
                    self._report_problem(None)
                return

    async def _wait(self, backoff: Backoff, error: Exception) -> None:
        self._report_problem(f"Kafka: {type(error).__name__}: {error}")
        log.warning("the broker does not accept messages; trying again", action="send_retry", error=repr(error))
        await backoff.wait()


def _without_reasoning(trial: Trial) -> Trial:
    def cleared(reply: Reply) -> Reply:
        return msgspec.structs.replace(reply, reasoning=None)

    exchange = msgspec.structs.replace(trial.exchange, reply=cleared(trial.exchange.reply))
    return msgspec.structs.replace(trial, exchange=exchange, reply=cleared(trial.reply))
