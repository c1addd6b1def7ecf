"""Pairs of which a file held one reply and nobody was asked for the other: they give way to an answer.

Such a pair is stored, for every exchange is accounted for, but it says nothing of anybody. When
the same pair comes with its answer, be it that the model failed to give one, the row goes, what
it had counted is taken back, and the answer is stored as if it had come first. Nothing else can
hang on the row: without two replies there are no labels, no verdicts and no ceiling.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, select, text

from shadow.aggregates import counting, derived_dimensions
from shadow.aggregates.counting import Facts
from shadow.aggregates.tally import Combination, Tally, combination
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema.tables import comparisons, payloads
from shadow.store.write import bulk_write
from shadow.store.write.rows import UNANSWERED, EncodedPair, PairKey


def give_way(
    connection: Connection, answered: Mapping[PairKey, EncodedPair]
) -> dict[PairKey, tuple[Combination, Tally]]:
    """Delete the rows of `answered` that nobody was asked for; what each had counted, and where.

    Of two transactions with answers to one pair the second finds the answer of the first, and
    nothing to delete. Only rows that go are locked: who holds others may be waiting for us.
    """
    wanted = [key for key, pair in answered.items() if pair.row.unscored not in UNANSWERED]
    if not wanted:
        return {}
    window = {"first": min(key.at for key in wanted), "last": max(key.at for key in wanted)}
    connection.execute(_PLAN_EACH)
    segments = {
        PairKey(*row[:-1]): row.segment
        for row in connection.execute(_LOCK, {"rows": _document(wanted), **window, "unanswered": UNANSWERED})
    }
    if not segments:
        return {}
    stored = stored_pairs.by_key(connection, segments)
    for statement in _DELETE:
        connection.execute(statement, {"rows": _document(segments), **window})
    return {key: _counted(answered[key], segments[key], stored[key]) for key in segments}


def _counted(
    answer: EncodedPair, segments: dict[str, str], stored: stored_pairs.StoredPair
) -> tuple[Combination, Tally]:
    trial = stored.trial
    # By the names that the answer is counted under: those of a row may have been mended.
    where = combination(answer.trial.exchange.task, answer.trial.candidate, trial.kind, "", segments, trial.exchange.at)
    facts = Facts(segments, derived_dimensions.input_characters(trial.exchange.request), {})
    alone: dict[Combination, Tally] = {}
    counting.count_combination(alone, trial, stored.comparison, facts)
    (counted,) = alone.values()
    if not stored.payload_kept:
        counted.histograms.clear()  # how long its texts were, nobody knows any more
    return where, counted


def _document(keys: Collection[PairKey]) -> str:
    return bulk_write.document([key._asdict() for key in sorted(keys)])


def _same(table: Any) -> Any:
    # The window says nothing new, but it is what PostgreSQL can rule out partitions by.
    window = table.c.at.between(bindparam("first"), bindparam("last"))
    return and_(window, *(table.c[name] == _wanted.c[name] for name in PairKey._fields))


# As in `standing`: a plan made once, for any window, would read the whole of it.
_PLAN_EACH: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

_wanted: Final = bulk_write.staged(*comparisons.primary_key.columns)
_KEY: Final = [comparisons.c[name] for name in PairKey._fields]
_LOCK: Final = (
    select(*_KEY, comparisons.c.segment)
    .where(_same(comparisons), comparisons.c.unscored.in_(bindparam("unanswered", expanding=True)))
    .order_by(*_KEY)
    .with_for_update(of=comparisons)
)
_DELETE: Final = tuple(delete(table).where(_same(table)) for table in (payloads, comparisons))
