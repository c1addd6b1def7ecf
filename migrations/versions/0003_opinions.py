"""Labels and verdicts with their probabilities, and the tables of the monitor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

MEASURES = ("agreement", "regret", "net_regret")
LOOKED_AT = ("unit", "human", "judge")
PROBABILITIES = ("human_probability", "judge_probability", "ceiling_agreement")


def name(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.Text(collation="C"), nullable=False)


def words(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.Text, nullable=False)


def moment(column: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(column, sa.DateTime(timezone=True), nullable=nullable)


def count(column: str) -> sa.Column[int]:
    return sa.Column(column, sa.BigInteger, nullable=False)


def document(column: str) -> sa.Column[Any]:
    return sa.Column(column, postgresql.JSONB, nullable=False)


def create(table: str, *columns: sa.Column[Any], key: Sequence[str], busy: bool = False) -> None:
    room = {"postgresql_with": {"fillfactor": 70}} if busy else {}
    op.create_table(table, *columns, sa.PrimaryKeyConstraint(*key, name=f"{table}_pkey"), **room)


def upgrade() -> None:
    for table in ("rollups", "crossings"):
        for measure in MEASURES:
            op.add_column(table, sa.Column(f"{measure}_heaviest", sa.Numeric, nullable=False, server_default="1000000"))
            op.alter_column(table, f"{measure}_heaviest", server_default=None)
            # The largest weight is at most the sum of all n weights minus n - 1 times the smallest possible one.
            most = f"greatest(1000000, {measure}_weight - 1000000 * ({measure}_n - 1))"
            op.execute(f"UPDATE {table} SET {measure}_heaviest = {most}")  # noqa: S608 - names made from constants
    for column in LOOKED_AT:
        op.add_column("comparisons", sa.Column(column, sa.Text(collation="C")))
    for column in PROBABILITIES:
        op.add_column("comparisons", sa.Column(column, sa.Double))
    op.add_column("comparisons", sa.Column("judge_due", sa.Boolean))
    op.create_index("comparisons_judge_due", "comparisons", ["task", "at"], postgresql_where=sa.text("judge_due"))
    create(
        "labels",
        name("task"),
        moment("at"),
        *map(name, ("exchange_id", "kind", "candidate", "reviewer", "preference")),
        sa.Column("probability", sa.Double, nullable=False),
        name("stratum"),
        words("note"),
        moment("labelled_at"),
        key=("task", "at", "exchange_id", "kind", "candidate", "reviewer"),
    )
    create(
        "verdicts",
        *map(name, ("digest", "judge", "preference", "first", "second")),
        words("reason"),
        count("cost_nanousd"),
        moment("at"),
        key=("digest",),
    )
    op.create_index("verdicts_at", "verdicts", ["at"])
    create(
        "judge_spending",
        name("task"),
        moment("day"),
        name("judge"),
        count("calls"),
        count("cost_nanousd"),
        key=("task", "day", "judge"),
        busy=True,
    )
    create(
        "detectors",
        *map(name, ("task", "candidate", "kind", "detector", "subject")),
        moment("next_hour"),
        document("state"),
        moment("updated_at"),
        key=("task", "candidate", "kind", "detector", "subject"),
        busy=True,
    )
    create(
        "incidents",
        *map(name, ("id", "task", "candidate", "kind", "detector", "subject", "severity", "summary")),
        moment("opened_at"),
        moment("noticed_at"),
        moment("closed_at", nullable=True),
        sa.Column("closed_because", sa.Text),
        document("detail"),
        key=("id",),
    )
    op.create_index("incidents_open", "incidents", ["task", "opened_at"], postgresql_where=sa.text("closed_at IS NULL"))
    op.create_index("incidents_task", "incidents", ["task", "opened_at"])
    create("heartbeats", name("service"), moment("at"), document("detail"), key=("service",), busy=True)


def downgrade() -> None:
    for table in ("heartbeats", "incidents", "detectors", "judge_spending", "verdicts", "labels"):
        op.drop_table(table)
    op.drop_index("comparisons_judge_due", "comparisons")
    for column in ("judge_due", *reversed(PROBABILITIES), *reversed(LOOKED_AT)):
        op.drop_column("comparisons", column)
    for table in ("crossings", "rollups"):
        for measure in MEASURES:
            op.drop_column(table, f"{measure}_heaviest")
