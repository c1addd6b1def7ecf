"""Delete what is past its retention. Rollups, labels and the ledger stay.

Labels stay longer than their pair: without their notes, no figure could be explained later.
Verdicts, which quote the content, are deleted with it.

Whole days are dropped as partitions, which takes the same time however many rows they have. The
rows are not counted: on a large table that would take longer than everything else. When rows are
deleted, `retention_watermark` stores up to which day, so that nothing is counted a second time.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Executable, delete, func, select, text, update

from shadow.settings import RetentionSettings
from shadow.store.schema import locks, partitions
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import capture_counts, comparisons, dead_letters, verdicts
from shadow.store.write import retention_watermark

#: The name of the capturing process to which the counts of processes that no longer report are added.
EARLIER: Final = "(earlier)"

#: The tables whose rows show what was counted. Payloads do not: their comparison is still there.
_COUNTED: Final = ("comparisons", "exchanges")


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted of a table: whole days, their size in bytes, and rows of the default partition."""

    days: int = 0
    size: int = 0
    rows: int = 0


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted.

    payloads_before  there is no content of events from before this day
    rows_before      there is no row of events from before this day
    refused_until    events up to this day are refused from now on, because they may have been
                     counted; None if no row was deleted
    verdicts         number of cached verdicts
    never_judged     number of pairs that a judge can no longer look at
    sources          number of capturing processes whose counts were added up
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
    """Delete payloads and rows older than `retention`; with `dry_run` only count them.

    Commits after every step, so that no lock is held for long and an interruption loses nothing.
    Days are whole days in UTC: the day `payload_days` ago is the first that is kept.
    """
    today = now.astimezone(UTC).date()
    rows_before = today - timedelta(days=retention.rows_days)
    payloads_before = max(rows_before, today - timedelta(days=retention.payload_days))
    first_kept = {"payloads": payloads_before, "comparisons": rows_before, "exchanges": rows_before}
    steps = _Steps(connection, dry_run=dry_run)
    with explained(connection.engine.url):
        # Letters first: an exchange must not stay longer than the letter that shows how it ended.
        return Pruned(
            payloads_before=payloads_before,
            rows_before=rows_before,
            dead_letter_payloads=steps.run(_EMPTY_LETTERS, {"before": payloads_before}),
            dead_letters=steps.run(_DELETE_LETTERS, {"before": rows_before}),
            verdicts=steps.run(_DELETE_VERDICTS, {"before": payloads_before}),
            # Without its payload a pair cannot be judged, and must not stay due for ever.
            never_judged=steps.run(_GIVE_UP, {"before": payloads_before}),
            # A source that reports again would be counted twice. Kafka's own retention is shorter than this.
            sources=steps.add_up_silent_sources(payloads_before),
            **{name: steps.drop_days_before(name, day) for name, day in first_kept.items()},
            refused_until=steps.refused_until,
        )


class _Steps:
    """Steps that are each committed, or in a dry run counted and rolled back."""

    def __init__(self, connection: Connection, *, dry_run: bool) -> None:
        self._connection = connection
        self._dry_run = dry_run
        self.refused_until: date | None = None

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> int:
        """Execute `statement`; returns the number of rows it changed."""
        changed: int = self._connection.execute(statement, parameters).rowcount
        self._end_step()
        return changed

    def drop_days_before(self, name: str, first_kept: date) -> Dropped:
        """Drop the daily partitions of a table, and delete from its default partition."""
        days = size = 0
        for day, partition in partitions.days_of(self._connection, name).items():
            if day < first_kept:
                days += 1
                size += self._connection.execute(_SIZE, {"name": partition}).scalar_one()
                if not self._dry_run:
                    self._lock_out_writers(name)
                    self._connection.execute(text(f"DROP TABLE {partition}"))
                self._raise_watermark(name, day)
                self._end_step()
        return Dropped(days=days, size=size, rows=self._delete_from_default(name, first_kept))

    def _delete_from_default(self, name: str, first_kept: date) -> int:
        self._lock_out_writers(name)
        deleted = f"DELETE FROM {partitions.default_of(name)} WHERE at < :before RETURNING at"  # noqa: S608 - a name made from constants
        counted = text(f"WITH deleted AS ({deleted}) SELECT count(*) AS n, max(at) AS newest FROM deleted")  # noqa: S608 - as above
        gone = self._connection.execute(counted, {"before": first_kept}).one()
        if gone.n:
            self._raise_watermark(name, gone.newest.date())
        self._end_step()
        return int(gone.n)

    def _lock_out_writers(self, name: str) -> None:
        """Until the step ends, block writers: they must see the new watermark before they write."""
        if name in _COUNTED:
            locks.lock_until_commit(self._connection, locks.DEAD_LETTERS)

    def _raise_watermark(self, name: str, day: date) -> None:
        if name in _COUNTED:
            retention_watermark.raise_to(self._connection, day)
            self.refused_until = max(self.refused_until or day, day)

    def add_up_silent_sources(self, last_report_before: date) -> int:
        """Add the counts of processes that no longer report to those of EARLIER."""
        silent = self._connection.execute(_SILENT_SOURCES, {"before": last_report_before}).scalars().all()
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
