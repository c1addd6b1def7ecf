"""People's labels of stored pairs, counted as soon as they are recorded.

Of each reviewer the newest label of a pair counts, and of several reviewers the majority
(`shadow.aggregates.regret_sources.consensus`). A label that came with its pair, in a pairs file,
counts as that of the reviewer RECORDED. All reviewers see the same draw of pairs, so the probability
of a pair is the largest that any of its labels names. None of this depends on the order in which
labels and verdicts come.

Every function runs in the caller's transaction. Keep it short, because the rows of the pairs stay
locked until it ends. Call one of the writing functions once in a transaction, before anything else
is written in it, for the reason given in `ingest`, and in READ COMMITTED, the default.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_

from shadow.aggregates.regret_sources import consensus
from shadow.aggregates.tally import utc
from shadow.records import Preference
from shadow.store.feedback import pair_opinions
from shadow.store.feedback.pair_opinions import PairFields, PairOpinions, check_probability, stored_key
from shadow.store.rows import json_rows
from shadow.store.rows.names import PairKey, storable_name, storable_text
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import labels
from shadow.store.write import bulk_write

#: The order of rows and columns in tables of preferences.
PREFERENCES: Final[tuple[Preference, ...]] = ("frontier", "tie", "candidate")

#: The reviewer, and the stratum, of labels that came with their pair.
RECORDED: Final = "recorded"

#: Maximum length of a note, in characters; longer ones are cut.
MAX_NOTE: Final = 2_000


class Label(PairFields, frozen=True, kw_only=True):
    """One person's preference in one pair.

    `probability`, in (0, 1], is that with which the pair was chosen to be labelled, and `stratum` the
    stratum it was chosen from. `note` is the person's own text. The page or command that reads it in
    passes it through `shadow.redact`; here it is only cut to MAX_NOTE.
    """

    reviewer: str
    preference: Preference
    probability: float = 1.0
    stratum: str = ""
    note: str = ""
    labelled_at: datetime


class RecordedLabels(NamedTuple):
    """The result of `record_labels`.

    recorded        number of labels that changed a reviewer's label
    unknown         pairs that are not stored, or not any more
    not_comparable  pairs without two replies that can be compared

    A label that was there already, or is older than the reviewer's newest, is in none of them.
    """

    recorded: int
    unknown: tuple[PairKey, ...]
    not_comparable: tuple[PairKey, ...] = ()


class ReviewerAgreement(NamedTuple):
    """The preferences of two reviewers in the pairs that both labelled.

    `table[i][j]` counts the pairs with PREFERENCES[i] by `first` and PREFERENCES[j] by `second`.
    """

    first: str
    second: str
    table: tuple[tuple[int, ...], ...]


#: The labels of one pair, by reviewer.
_ByReviewer: TypeAlias = dict[str, Label]


def record_labels(connection: Connection, given: Sequence[Label]) -> RecordedLabels:
    """Store the newest label of each reviewer and pair, and count the pairs' new consensus.

    Idempotent. Raises ValueError, before it writes anything, for a probability outside (0, 1].
    """
    newest: dict[tuple[PairKey, str], Label] = {}
    for label in map(_storable, given):
        if _is_newer(label, newest.get((label.pair, label.reviewer))):
            newest[label.pair, label.reviewer] = label
    keys = {key for key, _ in newest}
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, keys)
        known = _labels_of(connection, before)
        not_comparable = {key for key, opinions in before.items() if not opinions.comparable}
        new = [
            label
            for (key, reviewer), label in newest.items()
            if key in before and key not in not_comparable and _is_newer(label, known[key].get(reviewer))
        ]
        for label in new:
            known[label.pair][label.reviewer] = label
        _write(connection, before, {label.pair: known[label.pair] for label in new})
    return RecordedLabels(len(new), tuple(sorted(keys - before.keys())), tuple(sorted(not_comparable)))


def remove_label(connection: Connection, key: PairKey, reviewer: str) -> Label | None:
    """Remove a reviewer's label of a pair; returns it, or None if there is no such label or pair."""
    key = stored_key(key)
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, [key])
        by_reviewer = _labels_of(connection, before).get(key, {})
        removed = by_reviewer.pop(storable_name(reviewer), None)
        if removed is not None:
            connection.execute(_REMOVE, {**key._asdict(), "reviewer": removed.reviewer})
            _write(connection, before, {key: by_reviewer})
    return removed


def iterate_labels(
    connection: Connection, *, task: str | None = None, since: datetime | None = None, page: int = 1_000
) -> Iterator[Label]:
    """Every label of pairs with an event time of `since` or later, in the order of the pairs' keys.

    Reads page by page, in constant memory: use a connection of `engine.browsing`. A label that came
    with its pair, in a pairs file, is among them only after another reviewer has labelled the pair.
    """
    query = select(labels).order_by(*_KEY).limit(page)
    if task is not None:
        query = query.where(labels.c.task == task)
    if since is not None:
        query = query.where(labels.c.at >= since)
    after: tuple[Any, ...] | None = None
    while True:
        next_page = query if after is None else query.where(tuple_(*_KEY) > tuple_(*after))
        with explained(connection.engine.url):
            rows = connection.execute(next_page).all()
        for row in rows:
            yield Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        if len(rows) < page:
            return
        after = tuple(rows[-1][: len(_KEY)])


def reviewer_agreement(connection: Connection, *, task: str, since: datetime | None = None) -> list[ReviewerAgreement]:
    """For every two reviewers of a task, their preferences in the pairs that both labelled; sorted by name."""
    one, other = labels.alias("one"), labels.alias("other")
    same_pair = and_(*(one.c[column.name] == other.c[column.name] for column in _PAIR))
    names = [one.c.reviewer.label("first"), other.c.reviewer.label("second")]
    preferences = [one.c.preference.label("first_preference"), other.c.preference.label("second_preference")]
    query = (
        select(*names, *preferences, func.count().label("n"))
        .join_from(one, other, and_(same_pair, one.c.reviewer < other.c.reviewer))
        .where(one.c.task == task)
        .group_by(*names, *preferences)
        .order_by(*names)
    )
    if since is not None:
        query = query.where(one.c.at >= since)
    tables: dict[tuple[str, str], list[list[int]]] = {}
    with explained(connection.engine.url):
        for row in connection.execute(query):
            table = tables.setdefault((row.first, row.second), [[0] * len(PREFERENCES) for _ in PREFERENCES])
            table[PREFERENCES.index(row.first_preference)][PREFERENCES.index(row.second_preference)] = row.n
    return [
        ReviewerAgreement(first, second, tuple(tuple(row) for row in table))
        for (first, second), table in tables.items()
    ]


def _storable(label: Label) -> Label:
    """`label` as PostgreSQL can store it. Raises ValueError for a probability outside (0, 1]."""
    check_probability(label.probability)
    return Label(
        **label.pair._asdict(),
        reviewer=storable_name(label.reviewer),
        preference=label.preference,
        probability=label.probability,
        stratum=storable_name(label.stratum),
        note=storable_text(label.note)[:MAX_NOTE],
        labelled_at=utc(label.labelled_at),
    )


def _is_newer(label: Label, known: Label | None) -> bool:
    """Whether `label` replaces the reviewer's label `known`."""
    return known is None or _order(label) > _order(known)


def _order(label: Label) -> tuple[Any, ...]:
    # The other fields decide between labels of the same moment. Any rule will do that does not depend on
    # the order in which they come.
    return label.labelled_at, label.preference, label.probability, label.stratum, label.note


def _labels_of(connection: Connection, pairs: Mapping[PairKey, PairOpinions]) -> dict[PairKey, _ByReviewer]:
    """All labels of locked pairs.

    A label that came with its pair is among them. It has no row of its own until another reviewer
    labels the pair.
    """
    found: dict[PairKey, _ByReviewer] = {key: {} for key in pairs}
    document = json_rows.document([key._asdict() for key in pairs])
    for row in connection.execute(_OF_PAIRS, {"rows": document}):
        label = Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        found[label.pair][label.reviewer] = label
    for key, opinions in pairs.items():
        if opinions.human is not None and not found[key]:
            found[key][RECORDED] = Label(
                **key._asdict(),
                reviewer=RECORDED,
                preference=opinions.human,
                probability=opinions.human_probability or 1.0,
                stratum=RECORDED,
                labelled_at=key.at,
            )
    return found


def _write(
    connection: Connection, before: Mapping[PairKey, PairOpinions], by_pair: Mapping[PairKey, _ByReviewer]
) -> None:
    """Write all labels of these locked pairs, and the pairs' new opinions."""
    # Including the unchanged ones: a label that came with its pair may have no row yet.
    rows = [msgspec.structs.asdict(label) for by_reviewer in by_pair.values() for label in by_reviewer.values()]
    if rows:
        connection.execute(_SAVE, {"rows": json_rows.document(rows)})
    after = {key: _with_labels(before[key], by_reviewer.values()) for key, by_reviewer in by_pair.items()}
    pair_opinions.write(connection, before, after)


def _with_labels(opinions: PairOpinions, every: Iterable[Label]) -> PairOpinions:
    """The opinions of a pair that has exactly these labels."""
    found = list(every)
    return opinions._replace(
        human=consensus(label.preference for label in found),
        human_probability=max((label.probability for label in found), default=None),
    )


_KEY: Final = list(labels.primary_key.columns)
_PAIR: Final = [labels.c[name] for name in PairKey._fields]

_save = bulk_write.insert_rows(labels)
_SAVE: Final = _save.on_conflict_do_update(
    index_elements=_KEY,
    set_={column.name: _save.excluded[column.name] for column in labels.columns if column not in _KEY},
)
_pairs = json_rows.parameter_rows(*_PAIR)
_OF_PAIRS: Final = select(labels).where(and_(*(column == _pairs.c[column.name] for column in _PAIR)))
_REMOVE: Final = delete(labels).where(and_(*(column == bindparam(column.name) for column in _KEY)))
