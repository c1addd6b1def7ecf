"""The table of the Segments page: two dimensions crossed."""

from collections.abc import Mapping

import pandas as pd

from dashboard.data.tables import with_intervals
from shadow.aggregates.tally import Tally


def crossing(fields: Mapping[tuple[str, str], Tally]) -> pd.DataFrame:
    """Agreement where two dimensions meet: `down, across, estimate, low, high, n, enough, shown, below`.

    `fields` has a tally for each pair of values (down, across).
    """
    rows = sorted((names, tally) for names, tally in fields.items() if tally.agreement.n)
    frame = with_intervals([tally.agreement for _, tally in rows])
    frame["down"] = [down for (down, _), _ in rows]
    frame["across"] = [across for (_, across), _ in rows]
    frame["shown"] = [
        f"{100 * e:.0f}%" if ok else "not enough" for e, ok in zip(frame["estimate"], frame["enough"], strict=True)
    ]
    frame["below"] = [f"n {n:,}" for n in frame["n"]]
    return frame
