"""Which pairs people are asked to label, and how far they have come.

Labels are expensive, so they go where they are most informative: half to pairs that a judge calls
worse, half to the others (see two-phase sampling in `docs/statistics.md`), or, without a judge, to
disagreements before agreements. Each stratum has its own probability, which is stored with the
label. Pairs are drawn by a fixed hash of the exchange's id: every reviewer and every call gets the
same pairs, and a higher probability keeps all pairs that were chosen before.

Choose the probabilities before people label, for a whole window of event time. If the probability of
a pair changes while it waits, its label is stored with a probability with which the pair was not
chosen. For the same reason a pair is not offered while it is due for a judge.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from shadow.records import ARRIVED_FAILURES
from shadow.store.feedback.labels import RECORDED, Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair
from shadow.store.rows.names import PairKey, storable_name
from shadow.store.schema.engine import explained

JUDGED_WORSE: Final = "judged_worse"
JUDGED_FINE: Final = "judged_fine"
DISAGREEMENT: Final = "disagreement"
AGREEMENT: Final = "agreement"

#: The strata that pairs are chosen from. Pairs without a verdict are divided by their agreement; pairs
#: that could not be scored are among the disagreements.
STRATA: Final = (JUDGED_WORSE, JUDGED_FINE, DISAGREEMENT, AGREEMENT)

#: Seeds of the two draws: of the pairs to label, and of those among them to label twice.
FIRST_DRAW: Final = 7_308_604_895_151_520
SECOND_DRAW: Final = 7_308_604_895_151_521

#: Number of chosen pairs, the most probable first, among which to look for pairs with a payload. Without
#: this limit PostgreSQL would sort a whole window of a million pairs if all were chosen.
MAX_CONSIDERED: Final = 10_000


class ReviewPair(NamedTuple):
    """A pair to label, with the probability in (0, 1] and the stratum from which it was chosen."""

    pair: StoredPair
    probability: float
    stratum: str


class StratumProgress(NamedTuple):
    """Numbers of `pairs` that can be compared, of the `chosen` ones among them, and of the `labelled` ones."""

    pairs: int = 0
    chosen: int = 0
    labelled: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far people have come.

    `labels[reviewer][stratum]` counts labels by the stratum of their pair. `awaiting_judge` counts the
    pairs that are not offered because they are due for a judge.
    """

    strata: dict[str, StratumProgress]
    labels: dict[str, Counter[str]]
    awaiting_judge: int


def awaiting_label(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    reviewer: str,
    probabilities: Mapping[str, float],
    threshold: float,
    since: datetime,
    limit: int,
    second_opinions: float = 0.1,
) -> list[ReviewPair]:
    """The next pairs for a reviewer, of the event time `since` or later.

    First come pairs that one other person has labelled and that are, with the probability
    `second_opinions`, to be labelled twice; they keep the probability and stratum of their first
    label. Then come pairs without a label, chosen with the probability of their stratum (see STRATA; 0
    if missing), the most probable first. A pair with an agreement of at least `threshold` is in the
    stratum AGREEMENT. Pairs without two comparable replies or without a payload are left out, so
    choose `since` within the retention time of payloads.
    """
    window = _window(task, candidate, probabilities, threshold, since)
    second = window | {"reviewer": storable_name(reviewer), "share": second_opinions, "limit": limit}
    with explained(connection.engine.url):
        found = list(connection.execute(_SECOND_OPINIONS, second))
        found += connection.execute(_UNLABELLED, window | {"limit": limit - len(found)})
    keys = [PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate) for row in found]
    pairs = stored_pairs.by_key(connection, keys)
    chosen = ((pairs.get(key), row) for key, row in zip(keys, found, strict=True))
    # None for a pair that was pruned in the meantime.
    return [ReviewPair(pair, row.probability, row.stratum) for pair, row in chosen if pair is not None]


def review_progress(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    probabilities: Mapping[str, float],
    threshold: float,
    since: datetime,
) -> Progress:
    """Numbers of chosen and labelled pairs with an event time of `since` or later; see `awaiting_label`."""
    window = _window(task, candidate, probabilities, threshold, since)
    with explained(connection.engine.url):
        rows = connection.execute(_PROGRESS, window).all()
        labels = connection.execute(_LABELS, window).all()
    strata = dict.fromkeys(STRATA, StratumProgress())
    strata |= {row.stratum: StratumProgress(row.pairs, row.chosen, row.labelled) for row in rows if row.stratum}
    by_reviewer: dict[str, Counter[str]] = {}
    for row in labels:
        by_reviewer.setdefault(row.reviewer, Counter())[row.stratum] = row.n
    awaiting = sum(row.pairs for row in rows if row.stratum is None)
    return Progress(strata=strata, labels=by_reviewer, awaiting_judge=awaiting)


def labelled_since(connection: Connection, *, task: str, candidate: str, since: datetime) -> Counter[str]:
    """Number of labels by each reviewer since the moment `since`, whatever the event time of the pairs."""
    given = {"task": task, "candidate": candidate, "since": since, "recorded": RECORDED}
    with explained(connection.engine.url):
        return Counter({row.reviewer: row.n for row in connection.execute(_GIVEN, given)})


def last_label(connection: Connection, *, task: str, candidate: str, reviewer: str) -> Label | None:
    """The newest label of a reviewer: the one that "undo" removes."""
    given = {"task": task, "candidate": candidate, "reviewer": storable_name(reviewer)}
    with explained(connection.engine.url):
        row = connection.execute(_LAST, given).first()
    return None if row is None else Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


def _window(
    task: str, candidate: str, probabilities: Mapping[str, float], threshold: float, since: datetime
) -> dict[str, Any]:
    by_stratum = {stratum: float(probabilities.get(stratum, 0.0)) for stratum in STRATA}
    return {
        "task": task,
        "candidate": candidate,
        "since": since,
        "threshold": threshold,
        "arrived": [*ARRIVED_FAILURES],
        # A pair whose draw is above every probability is not chosen; PostgreSQL sees that before it reads the row.
        "highest": max(by_stratum.values()),
        **by_stratum,
    }


def _draw(seed: int) -> str:
    """SQL for a number in [0, 1) that depends only on the exchange. It has 53 bits, which a double holds exactly."""
    return f"(hashtextextended(exchange_id, {seed}) & {2**53 - 1}) / {float(2**53)!r}::float8"


_KEY: Final = "task, at, exchange_id, kind, candidate"
_STRATUM: Final = f"""
    CASE WHEN judge = 'frontier' THEN '{JUDGED_WORSE}'
         WHEN judge IS NOT NULL THEN '{JUDGED_FINE}'
         WHEN agreement >= :threshold THEN '{AGREEMENT}'
         ELSE '{DISAGREEMENT}' END
"""
_PROBABILITY: Final = "CASE stratum " + " ".join(f"WHEN '{name}' THEN :{name}" for name in STRATA) + " END"
_COMPARABLE: Final = """
    task = :task AND candidate = :candidate AND at >= :since AND kind IN ('shadow', 'reverse')
    AND (frontier_failure IS NULL OR frontier_failure = ANY(:arrived))
    AND (candidate_failure IS NULL OR candidate_failure = ANY(:arrived))
"""
# A lookup per pair, in order, until there are enough: a plain join would read all payloads.
_HAS_PAYLOAD: Final = f"""
    CROSS JOIN LATERAL (
        SELECT FROM payloads
        WHERE {" AND ".join(f"{name} = chosen.{name}" for name in PairKey._fields)}
        LIMIT 1
    ) AS payload
"""
_UNLABELLED: Final = text(f"""
    WITH chosen AS (
        SELECT {_KEY}, stratum, probability, draw / probability AS turn
        FROM comparisons
        CROSS JOIN LATERAL (SELECT {_draw(FIRST_DRAW)} AS draw, {_STRATUM} AS stratum) AS drawn
        CROSS JOIN LATERAL (SELECT {_PROBABILITY} AS probability) AS weighed
        WHERE draw < :highest AND draw < probability AND {_COMPARABLE} AND human IS NULL AND judge_due IS NULL
        ORDER BY turn, {_KEY}
        LIMIT {MAX_CONSIDERED}
    )
    SELECT chosen.* FROM chosen {_HAS_PAYLOAD} ORDER BY turn, {_KEY} LIMIT :limit
""")  # noqa: S608 - made from constants alone
# The draws are independent: every labelled pair has the same probability of a second label.
_SECOND_OPINIONS: Final = text(f"""
    WITH chosen AS (
        SELECT {_KEY}, once.stratum, human_probability AS probability, {_draw(SECOND_DRAW)} AS turn
        FROM (
            SELECT {_KEY}, min(stratum) AS stratum
            FROM labels
            WHERE task = :task AND candidate = :candidate AND at >= :since
            GROUP BY {_KEY}
            HAVING count(*) = 1 AND min(reviewer) <> :reviewer
        ) AS once
        JOIN comparisons USING ({_KEY})
        WHERE human IS NOT NULL AND {_draw(SECOND_DRAW)} < :share
        ORDER BY turn, {_KEY}
    )
    SELECT chosen.* FROM chosen {_HAS_PAYLOAD} ORDER BY turn, {_KEY} LIMIT :limit
""")  # noqa: S608 - made from constants alone
_PROGRESS: Final = text(f"""
    SELECT CASE WHEN judge_due THEN NULL ELSE stratum END AS stratum, count(*) AS pairs,
           count(*) FILTER (WHERE draw < probability OR human IS NOT NULL) AS chosen, count(human) AS labelled
    FROM comparisons
    CROSS JOIN LATERAL (SELECT {_draw(FIRST_DRAW)} AS draw, {_STRATUM} AS stratum) AS drawn
    CROSS JOIN LATERAL (SELECT {_PROBABILITY} AS probability) AS weighed
    WHERE {_COMPARABLE}
    GROUP BY 1
""")  # noqa: S608 - made from constants alone
_LABELS: Final = text("""
    SELECT reviewer, stratum, count(*) AS n
    FROM labels
    WHERE task = :task AND candidate = :candidate AND at >= :since
    GROUP BY reviewer, stratum
""")
_GIVEN: Final = text("""
    SELECT reviewer, count(*) AS n
    FROM labels
    WHERE task = :task AND candidate = :candidate AND labelled_at >= :since AND reviewer <> :recorded
    GROUP BY reviewer
""")
_LAST: Final = text("""
    SELECT * FROM labels
    WHERE task = :task AND candidate = :candidate AND reviewer = :reviewer
    ORDER BY labelled_at DESC, at DESC, exchange_id
    LIMIT 1
""")
