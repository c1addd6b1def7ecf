"""What follows in the demo after the history is compared: judge, simulated reviewers, monitor. Printed in lines."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine

from dashboard.views.review import plan as review_plan
from dashboard.views.review.plan import Plan
from shadow.devstack.simulation.reviewers import REVIEWERS, preference
from shadow.devstack.simulation.traffic import REFERENCE_SHARES
from shadow.devstack.simulation.world import World
from shadow.settings import Settings, TaskSettings
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import review, verdicts
from shadow.store.feedback.labels import Label
from shadow.store.monitoring import incidents
from shadow.store.read import catalogue
from shadow.store.schema import engine

#: Pairs of a task that the simulated reviewers label. Some of the chosen pairs are left for the Review page.
LABELS: Final = 400
#: Time between an exchange and its labels.
_LABELLED_AFTER: Final = timedelta(hours=6)

PrintLine = Callable[[str], None]


def report_evidence(
    database: Engine, settings: Settings, world: World, span: timedelta, stop: threading.Event, print_line: PrintLine
) -> None:
    """Wait until judge, reviewers and monitor are done with the history, and print a line about each.

    The history is the `span` before `world.now`. Returns early when `stop` is set. The reviewers
    wait for the judge, as the Review page does. They label only tasks without references: elsewhere
    their few labels would take precedence over many references.
    """
    judged = [name for name, task in settings.tasks.items() if task.judge]
    if not _until(lambda: all(_is_judged(database, name, world.now) for name in judged), stop):
        return
    for name in judged:
        print_line(_judge_line(database, name, settings.tasks[name]))
    for name in (name for name in judged if not REFERENCE_SHARES[name]):
        with engine.transaction(database) as connection:
            recorded = label(connection, name, settings, world)
        print_line(f"people (simulated): {recorded:,} labels on {name} by {' and '.join(REVIEWERS)}")
    if _until(lambda: _is_watched(database, settings, world.now), stop):
        for line in _monitor_lines(database, world.now - span, world.now):
            print_line(line)


def label(connection: Connection, name: str, settings: Settings, world: World) -> int:
    """Record the labels that the simulated reviewers give to pairs of a task; the number of new labels."""
    return stored_labels.record_labels(connection, list(_labels(connection, name, settings, world))).recorded


def _until(done: Callable[[], bool], stop: threading.Event) -> bool:
    while not done():
        if stop.wait(1.0):
            return False
    return True


def _is_judged(database: Engine, name: str, end: datetime) -> bool:
    """Whether the judge has no pair from before `end` left."""
    with engine.snapshot(database) as connection:
        oldest = verdicts.oldest_due(connection, name)
    return oldest is None or oldest >= end


def _judge_line(database: Engine, name: str, task: TaskSettings) -> str:
    with engine.snapshot(database) as connection:
        spent = verdicts.spent(connection, name, datetime.now(UTC).date())
    calls = f"{spent.calls:,} calls about {name}"
    return f"judge (simulated): {calls}, cost ${spent.usd:.2f} of ${task.judge_usd_per_day:.2f} per day"


def _labels(connection: Connection, name: str, settings: Settings, world: World) -> Iterator[Label]:
    """The labels of the simulated reviewers for the pairs that the Review page would show them.

    Pairs with the highest selection probability come first. So a reviewer who stops early has
    labelled the same part of each stratum's probability, and the labels' weights stay in proportion.
    """
    task = settings.tasks[name]
    chosen = _plan(connection, name, settings)
    for position, reviewer in enumerate(REVIEWERS):
        waiting = review.awaiting_label(
            connection,
            task=name,
            candidate=task.candidates[0],
            reviewer=reviewer,
            probabilities=chosen.probabilities,
            threshold=task.agreement_threshold,
            since=chosen.since,
            limit=LABELS,
        )
        # The first reviewer labels even positions, the second odd ones, and both label every tenth.
        for number, each in enumerate(waiting):
            if number % len(REVIEWERS) == position or number % 10 == 0:
                yield Label(
                    **each.pair.key._asdict(),
                    reviewer=reviewer,
                    preference=preference(reviewer, each.pair.trial, seed=world.seed),
                    probability=each.probability,
                    stratum=each.stratum,
                    labelled_at=min(each.pair.trial.exchange.at + _LABELLED_AFTER, datetime.now(UTC)),
                )


def _plan(connection: Connection, name: str, settings: Settings) -> Plan:
    """Which pairs the Review page would show, and with which probability."""
    task = settings.tasks[name]
    known = next(each for each in catalogue.tasks(connection) if each.task == name)
    since = review_plan.window_start(known.last_hour, payload_days=settings.retention.payload_days)
    counted = review.review_progress(
        connection,
        task=name,
        candidate=task.candidates[0],
        probabilities={},
        threshold=task.agreement_threshold,
        since=since,
    )
    return review_plan.plan(
        counted,
        since=since,
        fixed_at=review_plan.fixed_at(since, first=known.first_hour, newest=known.last_hour),
        first=known.first_hour,
        newest=known.last_hour,
        per_day=task.reviews_per_day,
    )


def _is_watched(database: Engine, settings: Settings, end: datetime) -> bool:
    """Whether the monitor has processed, for every task, all hours that ended an hour before `end`."""
    with engine.snapshot(database) as connection:
        beat = incidents.heartbeats(connection).get("monitor")
    tasks = beat.detail["tasks"] if beat else {}
    last = end.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    return all(_next_hour(tasks, name, part) >= last for name in settings.tasks for part in ("scored", "judged"))


def _next_hour(tasks: dict[str, dict[str, dict[str, str | None]]], name: str, part: str) -> datetime:
    next_hour = tasks.get(name, {}).get(part, {}).get("next_hour")
    return datetime.fromisoformat(next_hour) if next_hour else datetime.min.replace(tzinfo=UTC)


def _monitor_lines(database: Engine, start: datetime, end: datetime) -> Iterator[str]:
    with engine.snapshot(database) as connection:
        found = incidents.read(connection)
    still_open = sum(incident.closed_at is None for incident in found)
    hours = round((end - start) / timedelta(hours=1))
    yield f"monitor: {hours} hours processed, {len(found)} incidents, {still_open} of them open"
    for incident in reversed(found):
        day = (incident.opened_at - start).days + 1
        yield f"  day {day:>2}, {incident.severity}: {incident.summary}"
