"""Every table, as SQLAlchemy Core metadata.

Three kinds of table, with three lifetimes:

    rows       exchanges, comparisons, payloads     one partition a day, dropped by `shadow prune`
    rollups    rollups, their counts and            small, kept for good; what the pages read
               histograms, crossings, the
               ledger, the catalogue, capture counts
    letters    dead_letters                         kept until somebody looks

Names and ids compare byte by byte (collation "C"): keyset paging and the order in which rows
are locked must not depend on how a server was installed.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
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
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

#: The newest migration, which this code needs; `engine.require_schema` checks it.
REVISION: Final = "0002"

#: The tables that have one partition a day.
PARTITIONED: Final = ("comparisons", "payloads", "exchanges")

metadata: Final = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s_idx"}
)

_BYTEWISE: Final = Text(collation="C")
_MOMENT: Final = DateTime(timezone=True)
# Rollups of hostile input (a weight of 1e9, squared) must be too large for nobody.
_WHOLE: Final = Numeric()
# Rollup rows change many times; room beside them keeps those updates off the index.
_BUSY: Final = {"fillfactor": 70}


def _key(name: str) -> Column[str]:
    return Column(name, _BYTEWISE, primary_key=True)


def _name(name: str) -> Column[str]:
    return Column(name, _BYTEWISE, nullable=False)


#: One row for each mirrored exchange: its entry in the ledger, open until `outcome` says how it
#: ended. `was_…` is what it moved from, so that one statement can move it and tell the ledger.
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

#: One row for each (exchange, kind, candidate): who was asked, what came of it, the scores.
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
    postgresql_partition_by="RANGE (at)",
)
Index(
    "comparisons_failures",
    comparisons.c.task,
    comparisons.c.at,
    postgresql_where=comparisons.c.frontier_failure.is_not(None) | comparisons.c.candidate_failure.is_not(None),
)

#: What was asked and answered, word for word. Apart from the scores, so that it can go earlier.
#: `json`, not `jsonb`: a request must come out as the application wrote it, keys in its order.
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

#: The fields of `shadow.tally.Sums`, and of `Tally` the sums that rollups keep.
SUMS: Final = ("n", "total", "squares", "weight", "weight_squares", "weighted", "weighted_squares")
MEASURES: Final = ("agreement", "regret", "net_regret")


def _sums() -> list[Column[Any]]:
    """`pairs` and the sufficient statistics of each measure. Unweighted sums fit 64 bits for any traffic."""
    columns: list[Column[Any]] = [Column("pairs", BigInteger, nullable=False)]
    columns += [
        Column(f"{measure}_{field}", _WHOLE if field.startswith("weight") else BigInteger, nullable=False)
        for measure in MEASURES
        for field in SUMS
    ]
    return columns


def _cell() -> list[Column[Any]]:
    """The key of `shadow.tally.Cell`. The hour stands second: pages ask for a task and a window."""
    return [
        _key("task"),
        Column("hour", _MOMENT, primary_key=True),
        *map(_key, ("candidate", "kind", "source", "dimension", "value")),
    ]


#: Addable sufficient statistics per cell and hour.
rollups: Final = Table("rollups", metadata, *_cell(), *_sums(), postgresql_with=_BUSY)

#: Open-ended counters of a cell, see `shadow.tally.Tally.counts`.
rollup_counts: Final = Table(
    "rollup_counts", metadata, *_cell(), _key("name"), Column("n", _WHOLE, nullable=False), postgresql_with=_BUSY
)

#: Histograms of lengths and latencies, of all of a candidate's traffic in an hour.
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

#: Statistics per day and full combination of segments, for crossing any two dimensions.
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

#: How many exchanges ended how, including `in_flight`. Always the counts of `exchanges` ever written.
ledger: Final = Table(
    "ledger",
    metadata,
    *map(_key, ("task", "outcome", "reason")),
    Column("n", BigInteger, nullable=False),
    postgresql_with=_BUSY,
)

#: Which candidates a task has evidence about, and from when to when.
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

#: Messages nobody could process, by where they stood on their topic.
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
