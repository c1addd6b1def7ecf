"""Replace placeholders by the pairs that come later.

A placeholder is a pair from a file that held only one of the replies, when no model was asked for
the other one. It is stored because every exchange is counted, but it has nothing to compare. When
the same pair comes with the other reply, or with the model's failure, the placeholder's row is
deleted, what it had counted is subtracted, and the new pair is stored as if it had come first. A
placeholder has no labels, verdicts or ceiling, because these need two replies.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, select

from shadow.aggregates import counting, derived_dimensions
from shadow.aggregates.counting import PairFacts
from shadow.aggregates.tally import Combination, Tally, combination
from shadow.store.rows import json_rows, stored_pairs
from shadow.store.rows.encode import EncodedPair
from shadow.store.rows.names import PairKey
from shadow.store.rows.outcome import PLACEHOLDER_REASONS
from shadow.store.rows.stored_pairs import StoredPair
from shadow.store.schema.engine import PLAN_EACH
from shadow.store.schema.tables import comparisons, payloads


def delete_placeholders(
    connection: Connection, answered: Mapping[PairKey, EncodedPair]
) -> dict[PairKey, tuple[Combination, Tally]]:
    """Delete the placeholders among the stored rows of `answered`; returns what each had counted, and where.

    If two transactions bring the same pair, the second finds the row of the first, which is no
    placeholder. Locks only the rows that it deletes: another transaction may hold the other rows
    and wait for this one.
    """
    wanted = [key for key, pair in answered.items() if pair.row.unscored not in PLACEHOLDER_REASONS]
    if not wanted:
        return {}
    window = {"first": min(key.at for key in wanted), "last": max(key.at for key in wanted)}
    connection.execute(PLAN_EACH)
    segments = {
        PairKey(*row[:-1]): row.segment
        for row in connection.execute(_LOCK, {"rows": _document(wanted), **window, "reasons": PLACEHOLDER_REASONS})
    }
    if not segments:
        return {}
    stored = stored_pairs.by_key(connection, segments, as_counted=True)
    for statement in _DELETE:
        connection.execute(statement, {"rows": _document(segments), **window})
    return {key: _counted(answered[key], segments[key], stored[key]) for key in segments}


def _counted(answer: EncodedPair, segments: dict[str, str], stored: StoredPair) -> tuple[Combination, Tally]:
    """What the placeholder `stored` had counted, and where."""
    trial = stored.trial
    # The names of the answer, which are counted as they came: those in a row may have been changed to fit.
    where = combination(answer.trial.exchange.task, answer.trial.candidate, trial.kind, "", segments, trial.exchange.at)
    input_chars = derived_dimensions.input_characters(trial.exchange.request)
    facts = PairFacts(segments, tuple(sorted(segments.items())), input_chars, {})
    combinations: dict[Combination, Tally] = {}
    counting.count_pairs(combinations, [(trial, stored.comparison, facts)])
    (counted,) = combinations.values()
    if not stored.payload_kept:
        counted.histograms.clear()  # the lengths of the texts are no longer known
    return where, counted


def _document(keys: Collection[PairKey]) -> str:
    return json_rows.document([key._asdict() for key in sorted(keys)])


def _same_key(table: Any) -> Any:
    # The condition on the time follows from the keys, but only by it PostgreSQL excludes partitions.
    window = table.c.at.between(bindparam("first"), bindparam("last"))
    return and_(window, *(table.c[name] == _keys.c[name] for name in PairKey._fields))


_keys: Final = json_rows.parameter_rows(*comparisons.primary_key.columns)
_KEY: Final = [comparisons.c[name] for name in PairKey._fields]
_LOCK: Final = (
    select(*_KEY, comparisons.c.segment)
    .where(_same_key(comparisons), comparisons.c.unscored.in_(bindparam("reasons", expanding=True)))
    .order_by(*_KEY)
    .with_for_update(of=comparisons)
)
_DELETE: Final = tuple(delete(table).where(_same_key(table)) for table in (payloads, comparisons))
