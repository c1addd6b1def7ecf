"""What is being said of stored pairs, locked while it changes, and counted anew.

A pair stands as its row in `comparisons` says. Whoever changes what people or judges say of it
locks the row first, works out how it stands afterwards, and writes that here: the row, and to
every rollup the difference between what it counted before and what it counts now. Rollups are
therefore at all times what the rows would give, counted from scratch.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, select, text, update

from shadow.aggregates import counting
from shadow.aggregates.regret_sources import NET, SEEN
from shadow.aggregates.tally import Combination, Tally, combination, tally_at
from shadow.records import Preference, RegretSource, TrialKind
from shadow.store.rows import json_rows
from shadow.store.rows.names import PairKey
from shadow.store.schema.tables import comparisons
from shadow.store.write import rollups

#: Sources whose word may come, change and go after the pair was counted.
LATE: Final[tuple[RegretSource, ...]] = ("human", "judge")


class Standing(NamedTuple):
    """What everybody says of one stored pair.

    `comparable` says that it holds two replies that somebody could compare. Probabilities are
    the chances with which the pair was chosen: to exist, for people, and for a judge.
    """

    key: PairKey
    kind: TrialKind
    segment: dict[str, str]
    inclusion_probability: float
    comparable: bool
    frontier_correct: float | None
    candidate_correct: float | None
    human: Preference | None
    human_probability: float | None
    judge: Preference | None
    judge_probability: float | None
    judge_due: bool | None

    def net_regret(self) -> tuple[float | None, RegretSource | None]:
        """What the strongest source says, and which it is."""
        if self.human is not None:
            return NET[self.human], "human"
        if self.frontier_correct is not None and self.candidate_correct is not None and self.kind != "ceiling":
            return round(self.frontier_correct - self.candidate_correct, 6), "reference"
        if self.judge is not None:
            return NET[self.judge], "judge"
        return None, None


def lock(connection: Connection, keys: Iterable[PairKey]) -> dict[PairKey, Standing]:
    """How those of the pairs that are stored stand; they stay as they are until the transaction ends.

    Rows are locked in the order of their keys, as everywhere. What else the transaction reads of
    these pairs it must read after this, in READ COMMITTED.
    """
    wanted = sorted(set(keys))
    found: dict[PairKey, Standing] = {}
    if wanted:
        document = json_rows.document([key._asdict() for key in wanted])
        connection.execute(_PLAN_EACH)
        for row in connection.execute(_LOCK, {"rows": document, **_window(wanted)}):
            standing = _standing(row)
            found[standing.key] = standing
    return found


def write(connection: Connection, before: Mapping[PairKey, Standing], after: Mapping[PairKey, Standing]) -> int:
    """Write how locked pairs stand now, and count the difference; how many stand otherwise than before."""
    changed = {key: standing for key, standing in sorted(after.items()) if standing != before[key]}
    if not changed:
        return 0
    document = json_rows.document([_row(standing) for standing in changed.values()])
    connection.execute(_UPDATE, {"rows": document, **_window(list(changed))})
    differences: dict[Combination, Tally] = {}
    for key, standing in changed.items():
        for source in LATE:
            was, now = _said(before[key], source), _said(standing, source)
            if was != now:
                cells = combination(key.task, key.candidate, standing.kind, source, standing.segment, key.at)
                difference = tally_at(differences, cells)
                difference.merge(now)
                difference.take(was)
    if differences:
        rollups.add_combinations(connection, differences)
    return len(changed)


def _said(standing: Standing, source: RegretSource) -> Tally:
    """What the cells of `source` hold of a pair that stands so."""
    if source == "judge":
        chance = standing.inclusion_probability * (standing.judge_probability or 1.0)
        return counting.judged(standing.judge, chance) if standing.judge else Tally()
    chance = standing.inclusion_probability * (standing.human_probability or 1.0)
    return counting.labelled(standing.human, chance, standing.judge) if standing.human else Tally()


def _standing(row: Row[Any]) -> Standing:
    seen = row.frontier_failure in SEEN and row.candidate_failure in SEEN
    return Standing(
        key=PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate),
        kind=row.kind,
        segment=row.segment,
        inclusion_probability=row.inclusion_probability,
        comparable=seen and row.kind != "ceiling",
        frontier_correct=row.frontier_correct,
        candidate_correct=row.candidate_correct,
        human=row.human,
        human_probability=row.human_probability,
        judge=row.judge,
        judge_probability=row.judge_probability,
        judge_due=row.judge_due,
    )


def _row(standing: Standing) -> dict[str, Any]:
    net, source = standing.net_regret()
    written = {column.name: getattr(standing, column.name) for column in _SAID}
    return (
        standing.key._asdict()
        | written
        | {
            "regret": None if net is None else max(0.0, net),
            "net_regret": net,
            "regret_source": source,
        }
    )


def _window(keys: list[PairKey]) -> dict[str, datetime]:
    moments = [key.at for key in keys]
    return {"first": min(moments), "last": max(moments)}


_KEY: Final = list(comparisons.primary_key.columns)
_SAID: Final = [
    comparisons.c[name] for name in ("human", "human_probability", "judge", "judge_probability", "judge_due")
]
_REGRET: Final = [comparisons.c[name] for name in ("regret", "net_regret", "regret_source")]


def _same(staged: Any, columns: Iterable[Any]) -> Any:
    # The window says nothing new, but it is what PostgreSQL can rule out partitions by.
    window = comparisons.c.at.between(bindparam("first"), bindparam("last"))
    return and_(window, *(column == staged.c[column.name] for column in columns))


# A plan made once, for any window, would read the whole of it: 600 ms for 50 of 500,000 pairs, and not 2.
_PLAN_EACH: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

_wanted: Final = json_rows.parameter_rows(*_KEY)
_LOCK: Final = select(comparisons).where(_same(_wanted, _KEY)).order_by(*_KEY).with_for_update(of=comparisons)
_changed: Final = json_rows.parameter_rows(*_KEY, *_SAID, *_REGRET)
_UPDATE: Final = (
    update(comparisons)
    .where(_same(_changed, _KEY))
    .values({column.name: _changed.c[column.name] for column in (*_SAID, *_REGRET)})
)
