"""Forget what is past its retention. Rollups, labels and the ledger stay.

What people said of a pair outlives the pair: without their notes nobody could tell any more why
a number is what it is. What judges said goes with the content they quote.

Whole days go as partitions, which costs the same however much was in them. Nobody counts them:
that would cost the more, and on a large table never end. Where rows go, up to when is kept, so
that what they had counted is not counted again (`forgotten`).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Executable, delete, func, select, text, update

from shadow.settings import RetentionSettings
from shadow.store.schema import partitions
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import capture_counts, comparisons, dead_letters, verdicts
from shadow.store.write import outcomes, retention_watermark

#: The capturing process to which those that have long been silent are added.
EARLIER: Final = "(earlier)"

#: The tables whose rows say what was counted. A payload never does: its comparison is still there.
_MEMORY: Final = ("comparisons", "exchanges")


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What went of a table: whole days, the bytes they took, and rows of dates that have no day of their own."""

    days: int = 0
    size: int = 0
    rows: int = 0


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What was forgotten.

    No content is left of events before `payloads_before`, and no row of those before
    `rows_before`. Of events up to `refused_until`, None if no row went, nobody can tell any more
    whether they were counted. `verdicts` counts answers of judges that are no longer remembered,
    and `never_judged` the pairs that a judge can no longer look at; `sources` capturing
    processes, long silent, whose counts were added up.
    """

    payloads_before: date
    rows_before: date
    payloads: Dropped
    comparisons: Dropped
    exchanges: Dropped
    refused_until: date | None
    dead_letter_payloads: int
    dead_letters: int
    verdicts: int
    never_judged: int
    sources: int


def prune(connection: Connection, retention: RetentionSettings, now: datetime, *, dry_run: bool = False) -> Pruned:
    """Forget payloads and rows older than `retention`; with `dry_run` only count them.

    Commits after every step, so that no lock is held for long and an interruption loses
    nothing. Days are UTC and whole: the day `payload_days` ago is the first that is kept.
    """
    today = now.astimezone(UTC).date()
    rows_before = today - timedelta(days=retention.rows_days)
    payloads_before = max(rows_before, today - timedelta(days=retention.payload_days))
    limits = {"payloads": payloads_before, "comparisons": rows_before, "exchanges": rows_before}
    sweep = _Sweep(connection, dry_run=dry_run)
    with explained(connection.engine.url):
        # Letters first: an exchange must not outlive what says how it ended.
        return Pruned(
            payloads_before=payloads_before,
            rows_before=rows_before,
            dead_letter_payloads=sweep.run(_EMPTY_LETTERS, {"before": payloads_before}),
            dead_letters=sweep.run(_DELETE_LETTERS, {"before": rows_before}),
            verdicts=sweep.run(_DELETE_VERDICTS, {"before": payloads_before}),
            # Nothing may wait for ever for what can no longer come.
            never_judged=sweep.run(_GIVE_UP, {"before": payloads_before}),
            # A source that speaks again would be counted twice, so wait out Kafka's own retention.
            sources=sweep.add_up_silent_sources(payloads_before),
            **{name: sweep.days_before(name, first_kept) for name, first_kept in limits.items()},
            refused_until=sweep.refused_until,
        )


class _Sweep:
    """Steps that are each committed, or in a dry run counted and taken back."""

    def __init__(self, connection: Connection, *, dry_run: bool) -> None:
        self._connection = connection
        self._dry_run = dry_run
        self.refused_until: date | None = None

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> int:
        """The rows `statement` changes."""
        changed: int = self._connection.execute(statement, parameters).rowcount
        self._end_step()
        return changed

    def days_before(self, name: str, first_kept: date) -> Dropped:
        """Drop the daily partitions of a table, and clear its default one."""
        days = size = 0
        for day, partition in partitions.days_of(self._connection, name).items():
            if day < first_kept:
                days += 1
                size += self._connection.execute(_SIZE, {"name": partition}).scalar_one()
                if not self._dry_run:
                    self._keep_writers_out(name)
                    self._connection.execute(text(f"DROP TABLE {partition}"))
                self._forget(name, day)
                self._end_step()
        return Dropped(days=days, size=size, rows=self._default_before(name, first_kept))

    def _default_before(self, name: str, first_kept: date) -> int:
        self._keep_writers_out(name)
        deleted = f"DELETE FROM {partitions.default_of(name)} WHERE at < :before RETURNING at"  # noqa: S608 - a name made from constants
        counted = text(f"WITH deleted AS ({deleted}) SELECT count(*) AS n, max(at) AS newest FROM deleted")  # noqa: S608 - as above
        gone = self._connection.execute(counted, {"before": first_kept}).one()
        if gone.n:
            self._forget(name, gone.newest.date())
        self._end_step()
        return int(gone.n)

    def _keep_writers_out(self, name: str) -> None:
        """Until the step ends nobody writes who has not seen what it forgets."""
        if name in _MEMORY:
            outcomes.lock(self._connection, letters=True)

    def _forget(self, name: str, day: date) -> None:
        if name in _MEMORY:
            retention_watermark.until(self._connection, day)
            self.refused_until = max(self.refused_until or day, day)

    def add_up_silent_sources(self, last_heard_before: date) -> int:
        """Keep the counts of processes long gone in one place instead of one each."""
        silent = self._connection.execute(_SILENT_SOURCES, {"before": last_heard_before}).scalars().all()
        if silent:
            self._connection.execute(_ADD_UP, {"sources": silent, "earlier": EARLIER})
        self._end_step()
        return len(silent)

    def _end_step(self) -> None:
        if self._dry_run:
            self._connection.rollback()
        else:
            self._connection.commit()


_BEFORE: Final = text("at < :before")
_SIZE: Final = text("SELECT pg_total_relation_size(to_regclass(:name))")
_EMPTY_LETTERS: Final = update(dead_letters).where(_BEFORE, func.length(dead_letters.c.payload) > 0).values(payload=b"")
_DELETE_LETTERS: Final = delete(dead_letters).where(_BEFORE)
_DELETE_VERDICTS: Final = delete(verdicts).where(_BEFORE)
_GIVE_UP: Final = update(comparisons).where(_BEFORE, comparisons.c.judge_due).values(judge_due=None)
_SILENT_SOURCES: Final = (
    select(capture_counts.c.source)
    .where(capture_counts.c.source != EARLIER)
    .group_by(capture_counts.c.source)
    .having(text("max(at) < :before"))
)
_ADD_UP: Final = text("""
    WITH silent AS (DELETE FROM capture_counts WHERE source = ANY(:sources) RETURNING task, outcome, n, at)
    INSERT INTO capture_counts (source, task, outcome, n, at)
    SELECT :earlier, task, outcome, sum(n), max(at) FROM silent GROUP BY task, outcome
    ON CONFLICT (source, task, outcome) DO UPDATE
    SET n = capture_counts.n + excluded.n, at = greatest(capture_counts.at, excluded.at)
""")
