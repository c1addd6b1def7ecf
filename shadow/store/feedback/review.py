"""Which pairs people are asked to label, and how far they have come.

Labels are dear, so they go where they tell most: half to pairs that a judge calls worse, half to
the others (see `docs/statistics.md` on two phases), or, where no judge looked, to disagreements
before agreements. Each stratum has its own probability, which is kept with the label. A fixed hash
of the exchange's id draws: the same pairs are chosen for every reviewer and at every look, and a
higher probability keeps all that were chosen before.

Settle the probabilities before the labels come, for a whole window of event time: a pair whose
chance changes while it waits was chosen with another chance than its label says. For the same
reason a pair is not offered as long as a judge is still to look at it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from shadow.aggregates.regret_sources import SEEN
from shadow.store.feedback.label_rows import RECORDED, Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair
from shadow.store.rows.names import PairKey, storable_name
from shadow.store.schema.engine import explained

JUDGED_WORSE: Final = "judged_worse"
JUDGED_FINE: Final = "judged_fine"
DISAGREEMENT: Final = "disagreement"
AGREEMENT: Final = "agreement"

#: What pairs are chosen from. Without a judge's word, it is their agreement that tells; pairs that
#: could not be scored are among the disagreements.
STRATA: Final = (JUDGED_WORSE, JUDGED_FINE, DISAGREEMENT, AGREEMENT)

#: Seeds of the draws: of the pairs that somebody labels, and of those that two people do.
FIRST_DRAW: Final = 7_308_604_895_151_520
SECOND_DRAW: Final = 7_308_604_895_151_521

#: Chosen pairs, the surest first, among which those with a payload are looked for: without a
#: bound, a window of a million pairs that are all chosen would have to be sorted whole.
MOST_CONSIDERED: Final = 10_000


class ReviewPair(NamedTuple):
    """A pair to label, with the chance in (0, 1] with which it was chosen, and what from."""

    pair: StoredPair
    probability: float
    stratum: str


class StratumProgress(NamedTuple):
    """`pairs` that can be compared, how many of these are `chosen`, and how many are `labelled`."""

    pairs: int = 0
    chosen: int = 0
    labelled: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far people have come.

    `labels[reviewer][stratum]` counts labels, by what their pair was chosen from.
    `awaiting_judge` counts pairs that are not offered before a judge has looked at them.
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

    First those that one other person labelled and that, with the chance `second_opinions`, are
    to have two: they keep the probability and stratum of their first label. Then pairs that
    nobody labelled, chosen with the probability of their stratum (STRATA; 0 where left out), the
    surest first. `threshold` parts agreement from disagreement. Pairs without two replies to compare,
    and those whose payload is gone, are not among them; choose `since` within the retention of
    payloads.
    """
    window = _window(task, candidate, probabilities, threshold, since)
    second = window | {"reviewer": storable_name(reviewer), "share": second_opinions, "limit": limit}
    with explained(connection.engine.url):
        found = list(connection.execute(_SECOND_OPINIONS, second))
        found += connection.execute(_UNLABELLED, window | {"limit": limit - len(found)})
    keys = [PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate) for row in found]
    pairs = stored_pairs.by_key(connection, keys)
    chosen = ((pairs.get(key), row) for key, row in zip(keys, found, strict=True))
    # None where somebody pruned it meanwhile.
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
    """How many pairs of the event time `since` or later are chosen, and labelled; see `awaiting_label`."""
    window = _window(task, candidate, probabilities, threshold, since)
    with explained(connection.engine.url):
        rows = connection.execute(_PROGRESS, window).all()
        said = connection.execute(_LABELS, window).all()
    strata = dict.fromkeys(STRATA, StratumProgress())
    strata |= {row.stratum: StratumProgress(row.pairs, row.chosen, row.labelled) for row in rows if row.stratum}
    by_reviewer: dict[str, Counter[str]] = {}
    for row in said:
        by_reviewer.setdefault(row.reviewer, Counter())[row.stratum] = row.n
    awaiting = sum(row.pairs for row in rows if row.stratum is None)
    return Progress(strata=strata, labels=by_reviewer, awaiting_judge=awaiting)


def labelled_since(connection: Connection, *, task: str, candidate: str, since: datetime) -> Counter[str]:
    """How many labels each reviewer gave from the moment `since` on, whenever the exchanges were."""
    given = {"task": task, "candidate": candidate, "since": since, "recorded": RECORDED}
    with explained(connection.engine.url):
        return Counter({row.reviewer: row.n for row in connection.execute(_GIVEN, given)})


def last_label(connection: Connection, *, task: str, candidate: str, reviewer: str) -> Label | None:
    """The newest word of a reviewer, which is what "undo" means to them."""
    given = {"task": task, "candidate": candidate, "reviewer": storable_name(reviewer)}
    with explained(connection.engine.url):
        row = connection.execute(_LAST, given).first()
    return None if row is None else Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


def _window(
    task: str, candidate: str, probabilities: Mapping[str, float], threshold: float, since: datetime
) -> dict[str, Any]:
    chances = {stratum: float(probabilities.get(stratum, 0.0)) for stratum in STRATA}
    return {
        "task": task,
        "candidate": candidate,
        "since": since,
        "threshold": threshold,
        "seen": [failure for failure in SEEN if failure is not None],
        # No pair is chosen whose draw is above every chance; that is known before its row is read.
        "highest": max(chances.values()),
        **chances,
    }


def _draw(seed: int) -> str:
    """A number in [0, 1), always the same for an exchange; in 53 bits, which a double holds exactly."""
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
    AND (frontier_failure IS NULL OR frontier_failure = ANY(:seen))
    AND (candidate_failure IS NULL OR candidate_failure = ANY(:seen))
"""
# One by one in their order, until there are enough: a join of its own would read all payloads there are.
_STILL_THERE: Final = f"""
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
        LIMIT {MOST_CONSIDERED}
    )
    SELECT chosen.* FROM chosen {_STILL_THERE} ORDER BY turn, {_KEY} LIMIT :limit
""")  # noqa: S608 - made from constants alone
# The draws are independent: of the pairs that anybody labels, every one has the same chance of a second opinion.
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
    SELECT chosen.* FROM chosen {_STILL_THERE} ORDER BY turn, {_KEY} LIMIT :limit
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
