"""The shadow worker: asks the other model what production asked, and never serves its reply.

Tools are offered to the model as in the request, and the calls it makes are recorded. Nothing here could
execute a tool call.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from consumers.kafka.consumer import Handler
from consumers.kafka.messages import IncomingMessage, dead_letter, read_exchange
from consumers.kafka.producer import EventProducer
from consumers.runtime import service
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.service import Service
from shadow import wire
from shadow.openai_api import replies
from shadow.policy.relation import relation
from shadow.policy.trials import PlannedTrial, trials_for
from shadow.records import INELIGIBLE, CaptureCounts, Exchange, Reply, Trial, was_cut, with_short_detail
from shadow.redact import Redactor
from shadow.settings import Settings
from shadow.upstream import Endpoint


def run(settings: Settings) -> None:
    """Turn exchanges into trials until SIGTERM or SIGINT."""
    service.run(settings, build(settings))


def build(settings: Settings) -> Service:
    """The worker as a service of `settings`."""
    models = models_to_ask(settings)

    @asynccontextmanager
    async def open_handler(
        producer: EventProducer, health: ConsumerHealth, _stopping: asyncio.Event
    ) -> AsyncIterator[Handler]:
        async with AsyncExitStack() as stack:
            endpoints = {
                name: await stack.enter_async_context(Endpoint(name, settings.models[name])) for name in models
            }
            yield Worker(settings, endpoints, producer, health).handle

    return Service(
        name="worker",
        topics=(settings.kafka.topics.exchanges,),
        # Each endpoint limits itself. Twice as many messages in flight keep it busy while other trials of
        # its model are being sent to Kafka, or wait for a slower model.
        concurrency=2 * sum(settings.models[name].concurrency for name in models) or 1,
        health_host=settings.worker.health_host,
        health_port=settings.worker.health_port,
        open_handler=open_handler,
    )


def models_to_ask(settings: Settings) -> tuple[str, ...]:
    """The models that trials may ask: candidates, and frontiers of tasks with a ceiling or regret rate."""
    names = dict.fromkeys(name for task in settings.tasks.values() for name in task.candidates)
    names |= dict.fromkeys(task.frontier for task in settings.tasks.values() if task.ceiling_rate or task.regret_rate)
    return tuple(names)


class Worker:
    """Turns an exchange into its trials. Each planned trial becomes a trial or a dead letter."""

    def __init__(
        self, settings: Settings, endpoints: Mapping[str, Endpoint], producer: EventProducer, health: ConsumerHealth
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._producer = producer
        self._health = health
        self._redactor = Redactor.of(settings)
        self._trials: Final = health.counter(
            "shadow_worker_trials", "Trials, by how they ended.", "kind", "candidate", "outcome"
        )

    async def handle(self, message: IncomingMessage) -> None:
        """Return once every trial of `message`, or its dead letter, is on its topic."""
        identity, task = message.location, ""
        try:
            exchange = read_exchange(message)
            if isinstance(exchange, CaptureCounts):
                return
            identity, task = exchange.id, exchange.task
            planned = trials_for(exchange, self._settings)
            async with asyncio.TaskGroup() as group:
                for plan in planned:
                    group.create_task(self._run_trial(message, exchange, plan))
        except Exception as error:  # noqa: BLE001 - whatever the error, it must not stop the partition
            await self._send_dead_letter(message, error, identity, task)

    async def _run_trial(self, message: IncomingMessage, exchange: Exchange, plan: PlannedTrial) -> None:
        """Run one trial and send it to its topic, independently of the other trials of the exchange."""
        try:
            reply = await self._ask(exchange, plan)
            trial = Trial(
                exchange=exchange,
                kind=plan.kind,
                candidate=plan.candidate,
                reply=reply,
                at=wire.utc_now(),
                inclusion_probability=plan.inclusion_probability,
            )
            await self._producer.send(self._settings.kafka.topics.trials, trial)
        except Exception as error:  # noqa: BLE001 - as above
            await self._send_dead_letter(message, error, exchange.id, exchange.task)
        else:
            self._trials.labels(plan.kind, plan.candidate, _outcome(reply)).inc()

    async def _ask(self, exchange: Exchange, plan: PlannedTrial) -> Reply:
        sent_name = self._settings.sent_name(plan.model)
        if plan.unasked is not None:
            return replies.failed(sent_name, "not_asked", plan.unasked)
        max_age = timedelta(seconds=self._settings.tasks[exchange.task].max_age_s)
        age = wire.utc_now() - exchange.at
        if age > max_age:
            return replies.failed(sent_name, "expired", f"{age} old, and max_age_s is {max_age}")
        # It may expire while it waits for its turn, or because the endpoint asked for a pause.
        fresh_for_s = (max_age - age).total_seconds()
        origin = plan.candidate if plan.kind == "reverse" else self._settings.tasks[exchange.task].frontier
        reply = await self._endpoints[plan.model].ask(
            exchange.request,
            api=exchange.api,
            written_for=relation(self._settings, origin=origin, asked=plan.model),
            prompt_cut=was_cut(exchange, "request"),
            prompt_tokens=exchange.reply.usage.prompt_tokens if exchange.reply.usage else None,
            trial=True,
            fresh_for_s=fresh_for_s,
        )
        # A model may repeat or invent what was redacted from the request.
        return with_short_detail(self._redactor.reply(reply))

    async def _send_dead_letter(self, message: IncomingMessage, error: Exception, identity: str, task: str) -> None:
        letter = dead_letter(message, error, stage="worker", identity=identity, task=task)
        await self._producer.send(self._settings.kafka.topics.deadletters, letter)
        self._health.dead_letters.labels(letter.reason).inc()


def _outcome(reply: Reply) -> str:
    return f"{INELIGIBLE}{reply.ineligible}" if reply.ineligible else reply.failure or "answered"
