"""Every table, as SQLAlchemy Core metadata.

Five kinds of table:

    rows        exchanges, comparisons, payloads     one partition a day, dropped by `shadow prune`
    rollups     rollups, their counts, histograms    small, kept for good; read by the pages
                and confidence, crossings, ledger,
                catalogue, capture_counts, and
                forgotten, the retention watermark
    feedback    labels, verdicts, judge_spending     labels of people, verdicts of judges and their cost
    monitoring  detectors, incidents, heartbeats     states of detectors, incidents, signs of life
    letters     dead_letters                         messages that could not be processed

Names and ids are compared byte by byte (collation "C"): keyset paging and the order in which rows are
locked must not depend on the server's locale.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    and_,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

#: The tables that have one partition a day.
PARTITIONED: Final = ("comparisons", "payloads", "exchanges")

metadata: Final = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s_idx"}
)

_BYTEWISE: Final = Text(collation="C")
_MOMENT: Final = DateTime(timezone=True)
# Unbounded: weights go up to 1e9, and their squares do not fit 64 bits.
_WHOLE: Final = Numeric()
# Rows that change often: with free space in their page, an update need not touch the index.
_BUSY: Final = {"fillfactor": 70}


def _key(name: str) -> Column[str]:
    return Column(name, _BYTEWISE, primary_key=True)


def _name(name: str) -> Column[str]:
    return Column(name, _BYTEWISE, nullable=False)


#: One row for each mirrored exchange: its entry in the ledger. `outcome` shows how it ended, or that it
#: is in flight. `was_…` is the outcome before, so that one statement can change the outcome and return
#: the change for the ledger.
exchanges: Final = Table(
    "exchanges",
    metadata,
    _key("id"),
    Column("at", _MOMENT, primary_key=True),
    _name("task"),
    _name("outcome"),
    _name("reason"),
    Column("rank", SmallInteger, nullable=False),
    _name("was_outcome"),
    _name("was_reason"),
    postgresql_partition_by="RANGE (at)",
)
Index("exchanges_in_flight", exchanges.c.task, exchanges.c.at, postgresql_where=exchanges.c.outcome == "in_flight")

#: One row for each (exchange, kind, candidate): a trial, its outcome and its scores. `unit` is a digest
#: of the exchange's unit. `human` is the consensus of people's labels and `judge` the judge's preference,
#: each with the probability with which the pair was chosen to be looked at; `judge_due`: a judge has yet
#: to look. `ceiling_agreement`: the frontier's agreement with itself, if it was asked a second time.
#: `regret` is that by the strongest source. `candidate_token_probabilities` has the fields of
#: `shadow.records.TokenProbabilities`.
comparisons: Final = Table(
    "comparisons",
    metadata,
    _key("task"),
    Column("at", _MOMENT, primary_key=True),
    _key("exchange_id"),
    _key("kind"),
    _key("candidate"),
    Column("answered_at", _MOMENT, nullable=False),
    Column("segment", JSONB, nullable=False),
    Column("inclusion_probability", Double, nullable=False),
    _name("scorer"),
    Column("agreement", Double),
    Column("unscored", _BYTEWISE),
    Column("frontier_correct", Double),
    Column("candidate_correct", Double),
    Column("regret", Double),
    Column("net_regret", Double),
    Column("regret_source", _BYTEWISE),
    Column("frontier_failure", _BYTEWISE),
    Column("candidate_failure", _BYTEWISE),
    Column("frontier_latency_ms", Double),
    Column("candidate_latency_ms", Double),
    Column("frontier_cost_usd", Double),
    Column("candidate_cost_usd", Double),
    Column("unit", _BYTEWISE),
    Column("human", _BYTEWISE),
    Column("human_probability", Double),
    Column("judge", _BYTEWISE),
    Column("judge_probability", Double),
    Column("judge_due", Boolean),
    Column("ceiling_agreement", Double),
    Column("frontier_confidence", Double),
    Column("candidate_confidence", Double),
    Column("candidate_token_probabilities", JSONB),
    postgresql_partition_by="RANGE (at)",
)
Index("comparisons_judge_due", comparisons.c.task, comparisons.c.at, postgresql_where=comparisons.c.judge_due)
Index(
    "comparisons_failures",
    comparisons.c.task,
    comparisons.c.at,
    postgresql_where=comparisons.c.frontier_failure.is_not(None) | comparisons.c.candidate_failure.is_not(None),
)
#: Pairs that could not be scored. Without those that sampling left out: they are many, and have nothing to show.
UNSCORED: Final = and_(
    comparisons.c.unscored.is_not(None), comparisons.c.unscored != literal_column("'not_sampled'", Text())
)
Index("comparisons_unscored", comparisons.c.task, comparisons.c.at, postgresql_where=UNSCORED)

#: The content of requests and replies, unchanged. Apart from the scores, so that it can be deleted
#: earlier. `json`, not `jsonb`: a request must come out as the application wrote it, in the order of its keys.
payloads: Final = Table(
    "payloads",
    metadata,
    _key("task"),
    Column("at", _MOMENT, primary_key=True),
    _key("exchange_id"),
    _key("kind"),
    _key("candidate"),
    Column("exchange", JSON, nullable=False),
    Column("reply", JSON, nullable=False),
    Column("detail", JSON, nullable=False),
    postgresql_partition_by="RANGE (at)",
)

#: The fields of `shadow.aggregates.tally.Sums` that are added up, and the fields of `Tally` that are `Sums`.
SUMS: Final = ("n", "total", "squares", "weight", "weight_squares", "weighted", "weighted_squares")
#: The field of `Sums` that is a maximum.
HEAVIEST: Final = "heaviest"
MEASURES: Final = ("agreement", "regret", "net_regret")


def _sums() -> list[Column[Any]]:
    """`pairs` and the sufficient statistics of each measure. Unweighted sums fit 64 bits for any traffic."""
    columns: list[Column[Any]] = [Column("pairs", BigInteger, nullable=False)]
    columns += [
        Column(f"{measure}_{field}", _WHOLE if field.startswith("weight") else BigInteger, nullable=False)
        for measure in MEASURES
        for field in SUMS
    ]
    columns += [Column(f"{measure}_{HEAVIEST}", _WHOLE, nullable=False) for measure in MEASURES]
    return columns


def _cell() -> list[Column[Any]]:
    """The fields of `shadow.aggregates.tally.Cell`. The hour is the second: pages read a window of one task."""
    return [
        _key("task"),
        Column("hour", _MOMENT, primary_key=True),
        *map(_key, ("candidate", "kind", "source", "dimension", "value")),
    ]


#: Addable sufficient statistics per cell and hour.
rollups: Final = Table("rollups", metadata, *_cell(), *_sums(), postgresql_with=_BUSY)

#: Counters of a cell by name, see `shadow.aggregates.tally.Tally.counts`.
rollup_counts: Final = Table(
    "rollup_counts", metadata, *_cell(), _key("name"), Column("n", _WHOLE, nullable=False), postgresql_with=_BUSY
)
# The primary key is in the order in which traffic comes: with it alone, a page that needs the totals, or
# one counter of them, would read those of every segment.
Index(
    "rollup_counts_by_name",
    rollup_counts.c.task,
    rollup_counts.c.dimension,
    rollup_counts.c.name,
    rollup_counts.c.hour,
)

#: Histograms of lengths and latencies of all of a candidate's traffic in an hour.
rollup_histograms: Final = Table(
    "rollup_histograms",
    metadata,
    _key("task"),
    Column("hour", _MOMENT, primary_key=True),
    *map(_key, ("candidate", "kind", "source", "measure")),
    Column("bucket", SmallInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    postgresql_with=_BUSY,
)

#: Statistics per day and bin of the candidate's confidence, see `shadow.aggregates.confidence_bins`: of all of a
#: candidate's traffic whose replies have one.
rollup_confidence: Final = Table(
    "rollup_confidence",
    metadata,
    _key("task"),
    Column("day", _MOMENT, primary_key=True),
    *map(_key, ("candidate", "kind", "source")),
    Column("bin", SmallInteger, primary_key=True, autoincrement=False),
    *_sums(),
    postgresql_with=_BUSY,
)

#: Statistics per day and whole combination of segments, from which any two dimensions can be crossed.
#: `combination` is a digest of `segments`, which may be too long for an index.
crossings: Final = Table(
    "crossings",
    metadata,
    _key("task"),
    Column("day", _MOMENT, primary_key=True),
    *map(_key, ("candidate", "kind", "source", "combination")),
    Column("segments", JSONB, nullable=False),
    *_sums(),
    postgresql_with=_BUSY,
)

#: Numbers of exchanges by outcome, including `in_flight`: of all rows of `exchanges` ever written.
ledger: Final = Table(
    "ledger",
    metadata,
    *map(_key, ("task", "outcome", "reason")),
    Column("n", BigInteger, nullable=False),
    postgresql_with=_BUSY,
)

#: The retention watermark: the moment `before` which rows were deleted, so that it is no longer known
#: what they had counted. No row: none were deleted.
forgotten: Final = Table("forgotten", metadata, _key("what"), Column("before", _MOMENT, nullable=False))

#: The candidates that a task has evidence about, with the hours of their first and last pair.
catalogue: Final = Table(
    "catalogue",
    metadata,
    *map(_key, ("task", "candidate", "kind")),
    Column("first_hour", _MOMENT, nullable=False),
    Column("last_hour", _MOMENT, nullable=False),
    Column("pairs", BigInteger, nullable=False),
    postgresql_with=_BUSY,
)

#: The newest cumulative counts of every capturing process.
capture_counts: Final = Table(
    "capture_counts",
    metadata,
    *map(_key, ("source", "task", "outcome")),
    Column("n", BigInteger, nullable=False),
    Column("at", _MOMENT, nullable=False),
    postgresql_with=_BUSY,
)

#: Messages that could not be processed, by their position on their topic.
dead_letters: Final = Table(
    "dead_letters",
    metadata,
    _key("id"),
    _key("topic"),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _MOMENT, nullable=False),
    _name("task"),
    _name("stage"),
    _name("reason"),
    Column("detail", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

#: One person's newest label of one pair. `probability` is that with which the pair was chosen to be
#: labelled, `stratum` the stratum it was chosen from. Kept for good.
labels: Final = Table(
    "labels",
    metadata,
    _key("task"),
    Column("at", _MOMENT, primary_key=True),
    *map(_key, ("exchange_id", "kind", "candidate", "reviewer")),
    _name("preference"),
    Column("probability", Double, nullable=False),
    _name("stratum"),
    Column("note", Text, nullable=False),
    Column("labelled_at", _MOMENT, nullable=False),
)

#: A judge's cached verdict on a question and two replies, by a digest of all it was shown. `first` and
#: `second` are its answers before and after the replies exchanged places.
verdicts: Final = Table(
    "verdicts",
    metadata,
    _key("digest"),
    *map(_name, ("judge", "preference", "first", "second")),
    Column("reason", Text, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("at", _MOMENT, nullable=False),
)
Index("verdicts_at", verdicts.c.at)

#: The spending on a task's judge on a day (UTC).
judge_spending: Final = Table(
    "judge_spending",
    metadata,
    _key("task"),
    Column("day", _MOMENT, primary_key=True),
    _key("judge"),
    Column("calls", BigInteger, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    postgresql_with=_BUSY,
)

#: The state of a detector, from all hours before `next_hour`. `subject` is the segment or the reason that
#: it watches; empty: the whole task.
detectors: Final = Table(
    "detectors",
    metadata,
    *map(_key, ("task", "candidate", "kind", "detector", "subject")),
    Column("next_hour", _MOMENT, nullable=False),
    Column("state", JSONB, nullable=False),
    Column("updated_at", _MOMENT, nullable=False),
    postgresql_with=_BUSY,
)

#: Incidents. `opened_at` and `closed_at` are event times. `id` is computed from the subject and
#: `opened_at`, so that the same input gives the same id.
incidents: Final = Table(
    "incidents",
    metadata,
    _key("id"),
    *map(_name, ("task", "candidate", "kind", "detector", "subject", "severity", "summary")),
    Column("opened_at", _MOMENT, nullable=False),
    Column("noticed_at", _MOMENT, nullable=False),
    Column("closed_at", _MOMENT),
    Column("closed_because", Text),
    Column("detail", JSONB, nullable=False),
)
Index("incidents_open", incidents.c.task, incidents.c.opened_at, postgresql_where=incidents.c.closed_at.is_(None))
Index("incidents_task", incidents.c.task, incidents.c.opened_at)

#: The time of the last round of each service, and its report.
heartbeats: Final = Table(
    "heartbeats",
    metadata,
    _key("service"),
    Column("at", _MOMENT, nullable=False),
    Column("detail", JSONB, nullable=False),
    postgresql_with=_BUSY,
)
