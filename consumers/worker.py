"""The shadow worker: asks the other model what production asked, and never serves the answer.

Tools are offered to the model as in the request, and what it calls is recorded; nothing here
could execute a tool call.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from consumers.kafka.messages import IncomingMessage, dead_letter, read_exchange
from consumers.kafka.producer import EventProducer
from consumers.kafka.stream import Handler
from consumers.runtime import service
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.service import Service
from shadow import wire
from shadow.openai_api import replies
from shadow.policy.trials import PlannedTrial, trials_for
from shadow.records import CaptureCounts, Exchange, Reply, Trial
from shadow.redact import Redactor
from shadow.settings import Settings
from shadow.upstream import Endpoint


def run(settings: Settings) -> None:
    """Answer exchanges until SIGTERM or SIGINT."""
    service.run(settings, build(settings))


def build(settings: Settings) -> Service:
    """The worker as a service of `settings`."""
    wanted = asked_models(settings)

    @asynccontextmanager
    async def opening(
        outbox: EventProducer, health: ConsumerHealth, _stopping: asyncio.Event
    ) -> AsyncIterator[Handler]:
        async with AsyncExitStack() as stack:
            endpoints = {
                name: await stack.enter_async_context(Endpoint(name, settings.models[name])) for name in wanted
            }
            yield Worker(settings, endpoints, outbox, health).handle

    return Service(
        name="worker",
        topics=(settings.kafka.topics.exchanges,),
        # Each endpoint limits itself. Twice as many in hand keep it busy while others of its
        # trials are being delivered, or wait for a slower model.
        concurrency=2 * sum(settings.models[name].concurrency for name in wanted) or 1,
        health_host=settings.worker.health_host,
        health_port=settings.worker.health_port,
        open=opening,
    )


def asked_models(settings: Settings) -> tuple[str, ...]:
    """The models some trial may be put to: candidates, and frontiers where a rate asks for them."""
    asked = dict.fromkeys(name for task in settings.tasks.values() for name in task.candidates)
    asked |= dict.fromkeys(task.frontier for task in settings.tasks.values() if task.ceiling_rate or task.regret_rate)
    return tuple(asked)


class Worker:
    """Turns one exchange into its trials. Every exchange leaves a trial or a dead letter."""

    def __init__(
        self, settings: Settings, endpoints: Mapping[str, Endpoint], outbox: EventProducer, health: ConsumerHealth
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._producer = outbox
        self._health = health
        self._redactor = Redactor.of(settings)
        self._trials: Final = health.counter(
            "shadow_worker_trials", "Trials held, by how they ended.", "kind", "candidate", "outcome"
        )

    async def handle(self, message: IncomingMessage) -> None:
        """Return once every trial of `message` is on its topic, or its dead letter is."""
        identified, task = message.location, ""
        try:
            exchange = read_exchange(message)
            if isinstance(exchange, CaptureCounts):
                return
            identified, task = exchange.id, exchange.task
            planned = trials_for(exchange, self._settings)
            async with asyncio.TaskGroup() as group:
                for plan in planned:
                    group.create_task(self._hold(message, exchange, plan))
        except Exception as fault:  # noqa: BLE001 - whatever it was, it must not stop the partition
            await self._bury(message, fault, identified, task)

    async def _hold(self, message: IncomingMessage, exchange: Exchange, plan: PlannedTrial) -> None:
        """Hold one trial and put it on its topic, without regard to how the others fare."""
        try:
            reply = await self._reply(exchange, plan)
            trial = Trial(
                exchange=exchange,
                kind=plan.kind,
                candidate=plan.candidate,
                reply=reply,
                at=wire.utc_now(),
                inclusion_probability=plan.inclusion_probability,
            )
            await self._producer.send(self._settings.kafka.topics.trials, trial)
        except Exception as fault:  # noqa: BLE001 - as above
            await self._bury(message, fault, exchange.id, exchange.task)
        else:
            self._trials.labels(plan.kind, plan.candidate, reply.failure or "answered").inc()

    async def _reply(self, exchange: Exchange, plan: PlannedTrial) -> Reply:
        sent_name = self._settings.sent_name(plan.model)
        if plan.unasked is not None:
            return replies.failed(sent_name, "not_asked", plan.unasked)
        max_age = timedelta(seconds=self._settings.tasks[exchange.task].max_age_s)
        age = wire.utc_now() - exchange.at
        if age > max_age:
            return replies.failed(sent_name, "expired", f"{age} old, and max_age_s is {max_age}")
        # It may get too old while it waits for its turn, or for the end of a silence.
        fresh_for_s = (max_age - age).total_seconds()
        reply = await self._endpoints[plan.model].ask(exchange.request, api=exchange.api, fresh_for_s=fresh_for_s)
        # A model may repeat or make up what was taken out of the request.
        return self._redactor.reply(reply)

    async def _bury(self, message: IncomingMessage, fault: Exception, identified: str, task: str) -> None:
        letter = dead_letter(message, fault, stage="worker", identity=identified, task=task)
        await self._producer.send(self._settings.kafka.topics.deadletters, letter)
        self._health.dead_letters.labels(letter.reason).inc()
