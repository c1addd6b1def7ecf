"""An index for reads of the pairs that could not be scored."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "comparisons_unscored",
        "comparisons",
        ["task", "at"],
        postgresql_where=sa.text("unscored IS NOT NULL AND unscored <> 'not_sampled'"),
    )


def downgrade() -> None:
    op.drop_index("comparisons_unscored", "comparisons")
