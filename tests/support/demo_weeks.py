"""The weeks of the demo without its services: its world through the scorers, and then through the detectors."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from scoring.compare import scored
from scoring.judge import Judge, JudgeVerdict, build_question, price_of
from scoring.monitor import detectors
from scoring.monitor.detectors import Rules
from scoring.monitor.events import Opened
from shadow.aggregates.counting import count, dimensions_of, judged
from shadow.aggregates.tally import Cell, Tally, combination, spread
from shadow.cli.demo.settings import Models, Ports, write_settings
from shadow.devstack.model_servers.judge import judge_app
from shadow.devstack.model_servers.process import SimulatedModels
from shadow.devstack.simulation import timeline
from shadow.devstack.simulation.traffic import past_exchanges
from shadow.devstack.simulation.world import World
from shadow.policy.trials import trials_for
from shadow.records import Comparison, Reply, Trial
from shadow.settings import Settings, load

SIMULATED: Final = Models(
    frontier_url=None,
    frontier_name=None,
    frontier_key_env=None,
    candidate_url=None,
    candidate_name=None,
    candidate_key_env=None,
)


class Alarm(NamedTuple):
    """What a detector opened: `source` is whose regret it watches, where it is regret; `at` is event time."""

    task: str
    detector: str
    subject: str
    kind: str
    source: str
    at: datetime


def demo_settings(folder: Path, world: World) -> Settings:
    """The settings that the demo writes for itself."""
    models = SimulatedModels(world, log=folder / "models.log")
    ports = Ports.beside(gateway=8080, dashboard=8501)
    return load(write_settings(folder / "shadow.toml", SIMULATED, ports, models))


def pairs(world: World, settings: Settings, most: int) -> Iterator[tuple[Trial, Comparison]]:
    """What the worker and the scorer make of the past, every trial its own try."""
    roles: Mapping[str, Any] = {"shadow": "candidate", "reverse": "frontier", "ceiling": "frontier"}
    for exchange in past_exchanges(world, settings, count=most, span=timeline.HISTORY):
        for plan in trials_for(exchange, settings):
            if plan.unasked is None:
                reply = world.reply_of(roles[plan.kind], exchange.request, exchange.at, attempt=plan.kind)
            else:
                reply = Reply(model=plan.model, failure="not_asked", failure_detail=plan.unasked)
            trial = Trial(
                exchange=exchange,
                kind=plan.kind,
                candidate=plan.candidate,
                reply=reply,
                at=exchange.at,
                inclusion_probability=plan.inclusion_probability,
            )
            yield scored(trial, settings.tasks[exchange.task])


def tallied(world: World, settings: Settings, most: int, *, judge: bool) -> dict[Cell, Tally]:
    """The rollups that the store would hold, by what references say and, if asked for, by what the judge does."""
    cells: dict[Cell, Tally] = {}
    due: list[tuple[Trial, float]] = []
    for trial, comparison in pairs(world, settings, most):
        count(cells, trial, comparison)
        if comparison.judge_rate is not None:
            due.append((trial, comparison.judge_rate))
    if judge:
        for (trial, rate), verdict in zip(due, asyncio.run(verdicts(world, settings, due)), strict=True):
            exchange = trial.exchange
            key = combination(exchange.task, trial.candidate, trial.kind, "judge", dimensions_of(trial), exchange.at)
            spread(cells, {key: judged(verdict.preference, trial.inclusion_probability * rate)})
    return cells


async def verdicts(world: World, settings: Settings, due: list[tuple[Trial, float]]) -> list[JudgeVerdict]:
    server = judge_app(world)

    async def ask(body: Mapping[str, Any]) -> Reply:
        return msgspec.structs.replace(server._answer(body, 0), status=200)

    name = "simulated-judge"
    judge = Judge(ask, price_of(name, settings.models[name]))
    found = []
    for trial, _ in due:
        judgement = await judge.judge(build_question(trial), settings.tasks[trial.exchange.task].rubric)
        assert isinstance(judgement.outcome, JudgeVerdict)
        found.append(judgement.outcome)
    return found


def alarms(cells: Mapping[Cell, Tally], settings: Settings) -> list[Alarm]:
    """What the monitor opens, hour by hour."""
    found: list[Alarm] = []
    for name in settings.tasks:
        hours: dict[datetime, dict[Cell, Tally]] = {}
        for cell, tally in cells.items():
            if cell.task == name and cell.kind != "excess":
                hours.setdefault(cell.hour, {})[cell] = tally
        rules, states = Rules.of(settings, name), dict[detectors.Key, detectors.State]()
        for hour in sorted(hours):
            for part in detectors.PARTS:
                states, now = detectors.step(part, name, states, hour, hours[hour], rules)
                for each in now:
                    if isinstance(each.event, Opened):
                        key = each.key
                        found.append(
                            Alarm(name, key.detector, each.event.subject, key.kind, key.subject, each.event.at)
                        )
    return found
