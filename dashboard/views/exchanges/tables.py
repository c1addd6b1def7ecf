"""Pairs as rows to select from."""

from collections.abc import Iterable
from typing import Final

import pandas as pd

from dashboard.data.tables import last_message, one_line
from dashboard.ui.text import humanize
from shadow.records import Comparison, Reply, Trial, candidate_reply, frontier_reply, is_failure

_COLUMNS: Final = ["id", "at", "agreement", "unscored", "failure", "frontier", "candidate", "input", "segment"]


def pair_rows(pairs: Iterable[tuple[Trial, Comparison]]) -> pd.DataFrame:
    """A row for each pair, its texts cut to one line.

    `id, at, agreement, unscored, failure, frontier, candidate, input, segment`
    """
    rows = []
    for trial, comparison in pairs:
        frontier, candidate = frontier_reply(trial), candidate_reply(trial)
        failures = (("frontier", frontier.failure), ("candidate", candidate.failure))
        rows.append(
            {
                "id": trial.exchange.id,
                "at": trial.exchange.at,
                "agreement": comparison.agreement,
                "unscored": humanize(comparison.unscored or ""),
                "failure": ", ".join(humanize(f"{role}: {kind}") for role, kind in failures if is_failure(kind)),
                "frontier": _summary(frontier),
                "candidate": _summary(candidate),
                "input": last_message(trial.exchange.request),
                "segment": ", ".join(f"{name}={value}" for name, value in sorted(trial.exchange.segment.items())),
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _summary(reply: Reply) -> str:
    calls = " ".join(f"{call.name}({call.arguments})" for call in reply.tool_calls)
    return one_line(reply.content or reply.refusal or calls)
