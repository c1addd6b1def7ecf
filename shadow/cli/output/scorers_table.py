"""The scorers' agreement with people for a terminal, or as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scoring.judge.scorer_agreement import ScorerAgreement
from shadow.cli.output import intervals

_PLAIN_WIDTH = 130


def show(scorers: Sequence[ScorerAgreement], *, used: str) -> None:
    """Print a row per scorer to standard output. `used` is the task's scorer, which is marked."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("scorer", "pairs", "unscored", "agreement", "kappa", "false agreement", "false disagreement"):
        table.add_column(name, justify="left" if name == "scorer" else "right", no_wrap=True)
    for found in scorers:
        kappa, observed = found.agreement.kappa, found.agreement.observed
        table.add_row(
            found.scorer + (" (the task's)" if found.scorer == used else ""),
            f"{found.n:,}",
            f"{sum(found.unscored.values()):,}",
            "–" if observed is None else f"{observed:.1%}",
            "–" if kappa is None else f"{kappa:.3f}",
            intervals.as_text(found.false_agreement),
            intervals.as_text(found.false_disagreement),
        )
    console.print("Scorers against people, on all labelled pairs whose replies are kept:")
    console.print(table)
    console.print("  false agreement: the same for the scorer, though people prefer one reply")
    console.print("  false disagreement: different for the scorer, though a tie for people (both replies may be good)")


def to_json(found: ScorerAgreement) -> dict[str, Any]:
    """The figures of one scorer; null where they cannot be estimated, with `reason` beside them."""
    return {
        "scorer": found.scorer,
        "n": found.n,
        "unscored": found.unscored,
        "agreement": found.agreement,
        "false_agreement": intervals.as_json(found.false_agreement),
        "false_disagreement": intervals.as_json(found.false_disagreement),
        "reason": None if found.n else "none_scored" if found.unscored else "no_labels",
    }
