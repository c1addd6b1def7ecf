"""The current label and verdict of a stored pair: locked, changed, and counted into the rollups.

They are columns of the pair's row in `comparisons`. To change them, `lock` the rows first, compute
the new opinions, and `write` them: that updates the rows, and adds to every rollup the difference
between what the pair counted before and what it counts now. The rollups therefore always equal what
the rows would give if they were counted from the start.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, and_, bindparam, select, update

from shadow.aggregates import counting
from shadow.aggregates.regret_sources import net_regrets
from shadow.aggregates.tally import Combination, Tally, combination, tally_at, utc
from shadow.records import Preference, RegretSource, TrialKind, arrived
from shadow.store.rows import json_rows
from shadow.store.rows.encode import SMALLEST_PROBABILITY
from shadow.store.rows.names import PairKey, storable_name
from shadow.store.schema.engine import PLAN_EACH
from shadow.store.schema.tables import comparisons
from shadow.store.write import rollups

#: Sources whose preference may come, change or be removed after the pair was counted.
CHANGING: Final[tuple[RegretSource, ...]] = ("human", "judge")


class PairFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that name a stored pair."""

    task: str
    at: datetime
    exchange_id: str
    kind: TrialKind
    candidate: str

    @property
    def pair(self) -> PairKey:
        """The pair's key, as it is stored."""
        return stored_key(PairKey(self.task, self.at, self.exchange_id, self.kind, self.candidate))


class PairOpinions(NamedTuple):
    """The label and the verdict of one stored pair, and what is needed to count them.

    `comparable`: the pair has two replies that can be compared. `inclusion_probability`,
    `human_probability` and `judge_probability` are the probabilities with which the pair was chosen
    to exist, to be labelled, and to be judged. `confidence` is the candidate's.
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
    confidence: float | None

    def net_regret(self) -> tuple[float | None, RegretSource | None]:
        """The net regret by the strongest source, and that source."""
        by_source = net_regrets(self.kind, self.human, self.frontier_correct, self.candidate_correct, self.judge)
        return next(((net, source) for source, net in by_source.items()), (None, None))


def stored_key(key: PairKey) -> PairKey:
    """`key` as the tables have it; for almost every key, `key` itself."""
    return PairKey(
        storable_name(key.task), utc(key.at), storable_name(key.exchange_id), key.kind, storable_name(key.candidate)
    )


def check_probability(probability: float) -> None:
    """Raise ValueError unless `probability` is in (0, 1]."""
    if not SMALLEST_PROBABILITY <= probability <= 1:
        raise ValueError(f"a probability must be in (0, 1], not {probability}")


def lock(connection: Connection, keys: Iterable[PairKey]) -> dict[PairKey, PairOpinions]:
    """The opinions of those of the pairs that are stored, whose rows stay locked until the transaction ends.

    Locks rows in the order of their keys, like all writers. Whatever else the transaction reads of
    these pairs, it must read after this call, in READ COMMITTED.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    document = json_rows.document([key._asdict() for key in wanted])
    connection.execute(PLAN_EACH)
    rows = connection.execute(_LOCK, {"rows": document, **_window(wanted)})
    return {opinions.key: opinions for opinions in map(_opinions_of, rows)}


def write(connection: Connection, before: Mapping[PairKey, PairOpinions], after: Mapping[PairKey, PairOpinions]) -> int:
    """Write the new opinions of locked pairs, and count the difference; returns how many pairs changed."""
    changed = {key: opinions for key, opinions in sorted(after.items()) if opinions != before[key]}
    if not changed:
        return 0
    document = json_rows.document([_row(opinions) for opinions in changed.values()])
    connection.execute(_UPDATE, {"rows": document, **_window(list(changed))})
    differences: dict[Combination, Tally] = {}
    for key, opinions in changed.items():
        for source in CHANGING:
            old, new = _counted(before[key], source), _counted(opinions, source)
            if old != new:
                where = combination(key.task, key.candidate, opinions.kind, source, opinions.segment, key.at)
                difference = tally_at(differences, where)
                difference.merge(new)
                difference.subtract(old)
    if differences:
        rollups.add_combinations(connection, differences)
    return len(changed)


def _counted(opinions: PairOpinions, source: RegretSource) -> Tally:
    """What a pair with these opinions adds to the cells of `source`."""
    if source == "judge":
        probability = opinions.inclusion_probability * (opinions.judge_probability or 1.0)
        return counting.judged(opinions.judge, probability, opinions.confidence) if opinions.judge else Tally()
    probability = opinions.inclusion_probability * (opinions.human_probability or 1.0)
    if opinions.human is None:
        return Tally()
    return counting.labelled(opinions.human, probability, opinions.judge, opinions.confidence)


def _opinions_of(row: Row[Any]) -> PairOpinions:
    has_both = arrived(row.frontier_failure) and arrived(row.candidate_failure)
    return PairOpinions(
        key=PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate),
        kind=row.kind,
        segment=row.segment,
        inclusion_probability=row.inclusion_probability,
        comparable=has_both and row.kind != "ceiling",
        frontier_correct=row.frontier_correct,
        candidate_correct=row.candidate_correct,
        human=row.human,
        human_probability=row.human_probability,
        judge=row.judge,
        judge_probability=row.judge_probability,
        judge_due=row.judge_due,
        confidence=row.candidate_confidence,
    )


def _row(opinions: PairOpinions) -> dict[str, Any]:
    net, source = opinions.net_regret()
    regret = {"regret": None if net is None else max(0.0, net), "net_regret": net, "regret_source": source}
    return opinions.key._asdict() | {column.name: getattr(opinions, column.name) for column in _OPINIONS} | regret


def _window(keys: list[PairKey]) -> dict[str, datetime]:
    moments = [key.at for key in keys]
    return {"first": min(moments), "last": max(moments)}


_KEY: Final = list(comparisons.primary_key.columns)
_OPINIONS: Final = [
    comparisons.c[name] for name in ("human", "human_probability", "judge", "judge_probability", "judge_due")
]
_REGRET: Final = [comparisons.c[name] for name in ("regret", "net_regret", "regret_source")]


def _same_key(rows: Any) -> Any:
    # The condition on the time follows from the keys, but only by it PostgreSQL excludes partitions.
    window = comparisons.c.at.between(bindparam("first"), bindparam("last"))
    return and_(window, *(column == rows.c[column.name] for column in _KEY))


_keys: Final = json_rows.parameter_rows(*_KEY)
_LOCK: Final = select(comparisons).where(_same_key(_keys)).order_by(*_KEY).with_for_update(of=comparisons)
_changes: Final = json_rows.parameter_rows(*_KEY, *_OPINIONS, *_REGRET)
_UPDATE: Final = (
    update(comparisons)
    .where(_same_key(_changes))
    .values({column.name: _changes.c[column.name] for column in (*_OPINIONS, *_REGRET)})
)
