"""Exchanges, comparisons and payloads by day; dead letters; the ledger."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PARTITIONED = ("exchanges", "comparisons", "payloads")


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), nullable=nullable)


def moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def number(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double)


def upgrade() -> None:
    op.create_table(
        "exchanges",
        text("id"),
        moment("at"),
        text("task"),
        text("outcome"),
        text("reason"),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        text("was_outcome"),
        text("was_reason"),
        sa.PrimaryKeyConstraint("id", "at", name="exchanges_pkey"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        "exchanges_in_flight", "exchanges", ["task", "at"], postgresql_where=sa.text("outcome = 'in_flight'")
    )

    pair = ("task", "at", "exchange_id", "kind", "candidate")
    op.create_table(
        "comparisons",
        *(moment(name) if name == "at" else text(name) for name in pair),
        moment("answered_at"),
        sa.Column("segment", postgresql.JSONB, nullable=False),
        sa.Column("inclusion_probability", sa.Double, nullable=False),
        text("scorer"),
        number("agreement"),
        text("unscored", nullable=True),
        number("frontier_correct"),
        number("candidate_correct"),
        number("regret"),
        number("net_regret"),
        text("regret_source", nullable=True),
        text("frontier_failure", nullable=True),
        text("candidate_failure", nullable=True),
        number("frontier_latency_ms"),
        number("candidate_latency_ms"),
        number("frontier_cost_usd"),
        number("candidate_cost_usd"),
        sa.PrimaryKeyConstraint(*pair, name="comparisons_pkey"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        "comparisons_failures",
        "comparisons",
        ["task", "at"],
        postgresql_where=sa.text("frontier_failure IS NOT NULL OR candidate_failure IS NOT NULL"),
    )

    op.create_table(
        "payloads",
        *(moment(name) if name == "at" else text(name) for name in pair),
        sa.Column("exchange", postgresql.JSON, nullable=False),
        sa.Column("reply", postgresql.JSON, nullable=False),
        sa.Column("detail", postgresql.JSON, nullable=False),
        sa.PrimaryKeyConstraint(*pair, name="payloads_pkey"),
        postgresql_partition_by="RANGE (at)",
    )

    # Rows with an impossible date are stored too, but get no partition of their own.
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")

    op.create_table(
        "dead_letters",
        text("id"),
        text("topic"),
        sa.Column("partition", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        moment("at"),
        text("task"),
        text("stage"),
        text("reason"),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", "topic", "partition", "offset", name="dead_letters_pkey"),
    )
    op.create_table(
        "ledger",
        text("task"),
        text("outcome"),
        text("reason"),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("task", "outcome", "reason", name="ledger_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "capture_counts",
        text("source"),
        text("task"),
        text("outcome"),
        sa.Column("n", sa.BigInteger, nullable=False),
        moment("at"),
        sa.PrimaryKeyConstraint("source", "task", "outcome", name="capture_counts_pkey"),
        postgresql_with={"fillfactor": 70},
    )


def downgrade() -> None:
    for table in ("capture_counts", "ledger", "dead_letters", *PARTITIONED):
        op.drop_table(table)
