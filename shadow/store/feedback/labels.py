"""What people and judges say of stored pairs, counted the moment they say it.

Of each reviewer the newest word counts, and of several reviewers what most of them say
(`shadow.aggregates.regret_sources.consensus`). A label that came with a pair, in a pairs file, is one voice among
these, that of the reviewer `voices.RECORDED`. Reviewers share one draw of the pairs to look at, so
a pair has been chosen with the largest probability that any of its labels names. All of it is the
same in whatever order labels and verdicts come.

Every function takes part in the caller's transaction, which should be short: the rows of its
pairs are locked until it ends. Call one of them once in a transaction, before anything else is
written there, for the same reason as in `ingest`. READ COMMITTED, the default, is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, func, select, tuple_

from shadow.records import Preference
from shadow.store.feedback import label_rows, pair_opinions
from shadow.store.feedback.label_rows import AboutPair, Label, PairName
from shadow.store.feedback.pair_opinions import Standing
from shadow.store.rows.names import storable_name
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import labels

__all__ = [
    "PREFERENCES",
    "Given",
    "JudgeVerdict",
    "Label",
    "PairName",
    "ReviewerAgreement",
    "give_up",
    "iterate_labels",
    "record_labels",
    "record_verdicts",
    "remove_label",
    "reviewer_agreement",
]

#: The order of rows and columns in tables of preferences.
PREFERENCES: Final[tuple[Preference, ...]] = ("frontier", "tie", "candidate")


class JudgeVerdict(AboutPair, frozen=True, kw_only=True):
    """What the model `judge` says of one pair: whose reply is better.

    `probability` is the chance with which the pair was chosen for a judge, for pairs of which
    the store does not know it: those that nobody had chosen when they were scored.
    """

    judge: str
    preference: Preference
    probability: float = 1.0


class Given(NamedTuple):
    """What became of labels: how many are new, and of which pairs there can be none.

    `unknown` pairs are not stored, or not any more; `unfit` ones hold no two replies that
    somebody could compare. A label that was there already, or is older than the reviewer's
    newest, is in none of them.
    """

    recorded: int
    unknown: tuple[PairName, ...]
    unfit: tuple[PairName, ...] = ()


class ReviewerAgreement(NamedTuple):
    """Of the pairs that two reviewers both labelled, what each said.

    `table[i][j]` counts the pairs that `first` gave PREFERENCES[i] and `second` PREFERENCES[j].
    """

    first: str
    second: str
    table: tuple[tuple[int, ...], ...]


def record_labels(connection: Connection, given: Sequence[Label]) -> Given:
    """Store labels, newest words of their reviewers, and count what the pairs' people say now.

    Idempotent. ValueError, before the database is touched, for a probability outside (0, 1].
    """
    newest = label_rows.newest_of(map(label_rows.storable, given))
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, (name for name, _ in newest))
        said = label_rows.of_pairs(connection, before)
        fit = {
            spoken: label for spoken, label in newest.items() if (pair := before.get(label.pair)) and pair.comparable
        }
        fresh = [
            label for (name, reviewer), label in fit.items() if label_rows.is_newer(label, said[name].get(reviewer))
        ]
        for label in fresh:
            said[label.pair][label.reviewer] = label
        _now_said(connection, before, {label.pair: said[label.pair] for label in fresh})
    names = {name for name, _ in newest}
    unfit = names & before.keys() - {name for name, _ in fit}
    return Given(len(fresh), tuple(sorted(names - before.keys())), tuple(sorted(unfit)))


def remove_label(connection: Connection, name: PairName, reviewer: str) -> Label | None:
    """Take back what a reviewer said of a pair; None where that is nothing, or the pair is gone."""
    name = label_rows.stored_name(name)
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, [name])
        said = label_rows.of_pairs(connection, before).get(name, {})
        taken = said.pop(storable_name(reviewer), None)
        if taken is not None:
            label_rows.remove(connection, taken)
            _now_said(connection, before, {name: said})
    return taken


def record_verdicts(connection: Connection, verdicts: Sequence[JudgeVerdict]) -> int:
    """Store what judges say and count it; how many pairs had no verdict before.

    Idempotent: a pair is judged once, and the first verdict stays. Verdicts on pairs that are
    not stored, or hold no two replies, are passed over.
    """
    first: dict[PairName, JudgeVerdict] = {}
    for verdict in verdicts:
        label_rows.check(verdict.probability)
        first.setdefault(verdict.pair, verdict)
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, first)
        unjudged = (name for name, pair in before.items() if pair.comparable and pair.judge is None)
        after = {name: _decided(before[name], first[name]) for name in unjudged}
        return pair_opinions.write(connection, before, after)


def give_up(connection: Connection, names: Sequence[PairName]) -> int:
    """No judge will look at these pairs after all; for how many of them one was still to."""
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, names)
        after = {name: pair._replace(judge_due=None) for name, pair in before.items()}
        return pair_opinions.write(connection, before, after)


def iterate_labels(
    connection: Connection, *, task: str | None = None, since: datetime | None = None, page: int = 1_000
) -> Iterator[Label]:
    """Every label of pairs of the event time `since` or later, in order of the pairs' keys.

    Reads page by page, in constant memory: give it a connection of `engine.browsing`. What came
    with a pair, in a pairs file, has a row here from the moment somebody else labels that pair.
    """
    query = select(labels).order_by(*label_rows.KEY).limit(page)
    if task is not None:
        query = query.where(labels.c.task == task)
    if since is not None:
        query = query.where(labels.c.at >= since)
    after: tuple[Any, ...] | None = None
    while True:
        further = query if after is None else query.where(tuple_(*label_rows.KEY) > tuple_(*after))
        with explained(connection.engine.url):
            rows = connection.execute(further).all()
        for row in rows:
            yield Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        if len(rows) < page:
            return
        after = tuple(rows[-1][: len(label_rows.KEY)])


def reviewer_agreement(connection: Connection, *, task: str, since: datetime | None = None) -> list[ReviewerAgreement]:
    """What every two reviewers of a task said of the pairs that both labelled, in order of their names."""
    one, other = labels.alias("one"), labels.alias("other")
    same = and_(
        *(one.c[column.name] == other.c[column.name] for column in label_rows.PAIR), one.c.reviewer < other.c.reviewer
    )
    names = [one.c.reviewer.label("first"), other.c.reviewer.label("second")]
    said = [one.c.preference.label("one_said"), other.c.preference.label("other_said")]
    query = (
        select(*names, *said, func.count().label("n"))
        .join_from(one, other, same)
        .where(one.c.task == task)
        .group_by(*names, *said)
        .order_by(*names)
    )
    if since is not None:
        query = query.where(one.c.at >= since)
    tables: dict[tuple[str, str], list[list[int]]] = {}
    with explained(connection.engine.url):
        for row in connection.execute(query):
            table = tables.setdefault((row.first, row.second), [[0] * len(PREFERENCES) for _ in PREFERENCES])
            table[PREFERENCES.index(row.one_said)][PREFERENCES.index(row.other_said)] = row.n
    return [
        ReviewerAgreement(first, second, tuple(tuple(row) for row in table))
        for (first, second), table in tables.items()
    ]


def _now_said(
    connection: Connection, before: Mapping[PairName, Standing], said: Mapping[PairName, Mapping[str, Label]]
) -> None:
    # All voices are written: that of a pair that came with one may have had no row so far.
    label_rows.save(connection, (label for by_reviewer in said.values() for label in by_reviewer.values()))
    after = {name: label_rows.heard(before[name], by_reviewer.values()) for name, by_reviewer in said.items()}
    pair_opinions.write(connection, before, after)


def _decided(pair: Standing, verdict: JudgeVerdict) -> Standing:
    probability = verdict.probability if pair.judge_probability is None else pair.judge_probability
    return pair._replace(judge=verdict.preference, judge_probability=probability, judge_due=None)
