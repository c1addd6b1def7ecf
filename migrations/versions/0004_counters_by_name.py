"""An index for reads of one counter of one dimension."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("rollup_counts_by_name", "rollup_counts", ["task", "dimension", "name", "hour"])


def downgrade() -> None:
    op.drop_index("rollup_counts_by_name", "rollup_counts")
