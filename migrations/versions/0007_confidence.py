"""The confidence of replies, and statistics by the candidate's confidence."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

COLUMNS = {
    "frontier_confidence": sa.Double(),
    "candidate_confidence": sa.Double(),
    "candidate_token_probabilities": JSONB(),
}
SUMS = ("n", "total", "squares", "weight", "weight_squares", "weighted", "weighted_squares")
MEASURES = ("agreement", "regret", "net_regret")


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("comparisons", sa.Column(name, kind))
    op.create_table(
        "rollup_confidence",
        _name("task"),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        *(_name(name) for name in ("candidate", "kind", "source")),
        sa.Column("bin", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        *(
            sa.Column(
                f"{measure}_{field}", sa.Numeric() if field.startswith("weight") else sa.BigInteger(), nullable=False
            )
            for measure in MEASURES
            for field in SUMS
        ),
        *(sa.Column(f"{measure}_heaviest", sa.Numeric(), nullable=False) for measure in MEASURES),
        sa.PrimaryKeyConstraint("task", "day", "candidate", "kind", "source", "bin", name="rollup_confidence_pkey"),
        postgresql_with={"fillfactor": 70},
    )


def downgrade() -> None:
    op.drop_table("rollup_confidence")
    for name in reversed(COLUMNS):
        op.drop_column("comparisons", name)


def _name(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), nullable=False)
