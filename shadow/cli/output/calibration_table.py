"""A judge's calibration for a terminal, or as JSON."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scoring.evidence.judge_trust import PREFERENCES
from scoring.judge.calibration import Calibration
from scoring.judge.scorer_agreement import ScorerAgreement
from shadow.cli.output import intervals, scorers_table
from shadow.cli.output.terminal import plain

_MEANING: Final = {"frontier": "candidate worse", "tie": "tie", "candidate": "candidate better"}
_PLAIN_WIDTH: Final = 100


def show(task: str, judge: str | None, found: Calibration) -> None:
    """Print the figures to standard output, or what to do if there are none yet."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    name = f"{plain(task)}: judge {plain(judge)}" if judge else f"{plain(task)}: the judge"
    if found.reason is not None:
        console.print(f"{name} cannot be compared with people yet: {_next_step(task, found)}", soft_wrap=True)
        return
    console.print(f"{name} against people: {found.labels:,} of {found.verdicts:,} judged pairs are labelled")
    console.print(_table(found))
    agreement, quality = found.agreement, found.quality
    kappa = "–" if agreement.kappa is None else f"{agreement.kappa:.3f}"
    ac1 = "–" if agreement.ac1 is None else f"{agreement.ac1:.3f}"
    observed = "–" if agreement.observed is None else f"{agreement.observed:.1%}"
    console.print(f"  agreement {observed}; beyond chance: Cohen's kappa {kappa}, Gwet's AC1 {ac1}")
    sensitivity, specificity = (intervals.as_text(share) for share in (quality.sensitivity, quality.specificity))
    console.print(f"  sensitivity {sensitivity}: share of what people call worse that it calls worse too")
    console.print(f"  specificity {specificity}: share of the rest that it does not call worse")
    console.print(f"  regret from verdicts and labels together {intervals.as_text(found.regret.interval)}")
    console.print(f"  {_needed(found)}", soft_wrap=True)
    console.print("  A judge alone never raises traffic: it selects pairs for people to label; their labels decide.")


def to_json(task: str, judge: str | None, found: Calibration, scorers: Sequence[ScorerAgreement]) -> bytes:
    """The figures of judge and scorers as one JSON object; what cannot be estimated is null, with a reason."""
    return (
        msgspec.json.format(
            msgspec.json.encode(
                {
                    "schema": "shadow.calibration/1",
                    "task": task,
                    "judge": judge,
                    "reason": found.reason,
                    "n": found.labels,
                    "verdicts": found.verdicts,
                    "labels_without_verdict": found.unjudged_labels,
                    "table": {
                        verdict: dict(zip(PREFERENCES, row, strict=True))
                        for verdict, row in zip(PREFERENCES, found.table, strict=True)
                    },
                    "agreement": found.agreement,
                    "sensitivity": intervals.as_json(found.quality.sensitivity),
                    "specificity": intervals.as_json(found.quality.specificity),
                    "regret": {**intervals.as_json(found.regret.interval), "reason": found.regret.reason},
                    "regret_one_look": {
                        **intervals.as_json(found.regret_once.interval),
                        "reason": found.regret_once.reason,
                    },
                    "labels_needed": found.needed,
                    "scorers": [scorers_table.to_json(each) for each in scorers],
                }
            )
        )
        + b"\n"
    )


def _table(found: Calibration) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("judge", no_wrap=True)
    for preference in PREFERENCES:
        table.add_column(f"people: {_MEANING[preference]}", justify="right", no_wrap=True)
    for verdict, row in zip(PREFERENCES, found.table, strict=True):
        table.add_row(_MEANING[verdict], *(f"{n:,}" for n in row))
    return table


def _next_step(task: str, found: Calibration) -> str:
    if found.reason == "no_verdicts":
        return f"it has given no verdicts; set `judge` under [tasks.{plain(task)}] and run: shadow judge run"
    return (
        f"none of its {found.verdicts:,} judged pairs is labelled; label some on the Review page "
        "(shadow dashboard), or run: shadow label import FILE"
    )


def _needed(found: Calibration) -> str:
    match found.needed.reason:
        case "enough":
            return "Enough labels for the wanted half-width."
        case "more_labels":
            return f"{found.needed.more:,} more labels needed for the wanted half-width, half for each verdict."
        case "more_verdicts":
            return "No number of labels is enough for the wanted half-width: more verdicts are needed first."
