"""Addable statistics per hour and segment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CELL = ("task", "hour", "candidate", "kind", "source", "dimension", "value")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), nullable=False)


def moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def unbounded(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Numeric, nullable=False)


def sums() -> list[sa.Column[int]]:
    return [
        count("pairs"),
        *(
            column(f"{measure}_{field}")
            for measure in ("agreement", "regret", "net_regret")
            for column, fields in (
                (count, ("n", "total", "squares")),
                (unbounded, ("weight", "weight_squares", "weighted", "weighted_squares")),
            )
            for field in fields
        ),
    ]


def rollup(name: str, key: Sequence[str], *columns: sa.Column[Any]) -> None:
    moments = ("hour", "day")
    op.create_table(
        name,
        *(moment(part) if part in moments else text(part) for part in key if part not in {c.name for c in columns}),
        *columns,
        sa.PrimaryKeyConstraint(*key, name=f"{name}_pkey"),
        postgresql_with={"fillfactor": 70},
    )


def upgrade() -> None:
    rollup("rollups", CELL, *sums())
    rollup("rollup_counts", (*CELL, "name"), unbounded("n"))
    rollup(
        "rollup_histograms",
        ("task", "hour", "candidate", "kind", "source", "measure", "bucket"),
        sa.Column("bucket", sa.SmallInteger, nullable=False),
        count("n"),
    )
    rollup(
        "crossings",
        ("task", "day", "candidate", "kind", "source", "combination"),
        sa.Column("segments", postgresql.JSONB, nullable=False),
        *sums(),
    )
    rollup("catalogue", ("task", "candidate", "kind"), moment("first_hour"), moment("last_hour"), count("pairs"))


def downgrade() -> None:
    for table in ("catalogue", "crossings", "rollup_histograms", "rollup_counts", "rollups"):
        op.drop_table(table)
