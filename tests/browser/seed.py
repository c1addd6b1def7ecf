"""Write the data of `world` into a database, with the functions that the scorer uses."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from shadow.store.monitoring import incidents
from shadow.store.schema import engine
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival
from tests.browser import world

T = TypeVar("T")

#: Pairs about candidates that `fill` writes, besides the hostile one.
COUNT: Final = 4_000


def fill(url: str, *, count: int = COUNT, end: datetime | None = None) -> None:
    """Trials of three weeks, their arrivals, some in flight, dead letters and capture's counts."""
    until = end or world.last_hour()
    about_candidates = list(world.pairs(count, end=until))
    scored = [*about_candidates, *world.ceiling(about_candidates)]
    arrivals = [
        Arrival(id=trial.exchange.id, task=trial.exchange.task, at=trial.exchange.at) for trial, _ in about_candidates
    ]
    arrivals += [Arrival(id=f"waiting-{n}", task="ticket-intent", at=until - timedelta(seconds=n)) for n in range(6)]
    dead_letters = world.dead_letters(until)
    arrivals += [Arrival(id=letter.id, task=letter.task, at=letter.at) for letter in dead_letters]
    database = engine.connect(url)
    for batch in _batches(arrivals, 1_000):
        with engine.transaction(database) as connection:
            ingest.record_arrivals(connection, batch)
    for pairs in _batches(scored, 500):
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, pairs)
    with engine.transaction(database) as connection:
        ingest.record_dead_letters(connection, dead_letters)
    with engine.transaction(database) as connection:
        for incident in world.incidents(until):
            incidents.open_incident(connection, incident)
            if incident.closed_at is not None:
                incidents.close_incident(connection, incident.id, incident.closed_at, incident.closed_because or "")
        incidents.heartbeat(connection, "monitor", {})
    mirrored = Counter(arrival.task for arrival in arrivals)
    with engine.transaction(database) as connection:
        ingest.record_counts(connection, [world.counts(dict(mirrored), until)])
    database.dispose()


def _batches(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
