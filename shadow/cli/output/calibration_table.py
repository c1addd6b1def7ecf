"""A judge's calibration for people in a terminal, or as JSON."""

from typing import Any, Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scoring.evidence.judge_trust import PREFERENCES
from scoring.judge.calibration import Calibration
from scoring.stats.sequential import Interval
from shadow.cli.output.evidence_table import plain

_SAID: Final = {"frontier": "candidate worse", "tie": "tie", "candidate": "candidate better"}
_PLAIN_WIDTH: Final = 100


def show(task: str, judge: str | None, found: Calibration) -> None:
    """Print the figures, or what to do where there are none, to standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    name = f"{plain(task)}: judge {plain(judge)}" if judge else f"{plain(task)}: its judge"
    if found.reason is not None:
        console.print(f"{name} cannot be held against people yet: {_mend(task, found)}", soft_wrap=True)
        return
    console.print(f"{name} against people: {found.labels:,} pairs labelled of {found.verdicts:,} judged")
    console.print(_table(found))
    agreement, quality = found.agreement, found.quality
    kappa = "–" if agreement.kappa is None else f"{agreement.kappa:.3f}"
    ac1 = "–" if agreement.ac1 is None else f"{agreement.ac1:.3f}"
    observed = "–" if agreement.observed is None else f"{agreement.observed:.1%}"
    console.print(f"  agrees {observed}; beyond chance: Cohen's kappa {kappa}, Gwet's AC1 {ac1}")
    console.print(f"  sensitivity {_interval(quality.sensitivity)}: of what people call worse, it calls worse")
    console.print(f"  specificity {_interval(quality.specificity)}: of the rest, it does not")
    console.print(f"  regret by verdicts and labels together {_interval(found.regret.interval)}")
    console.print(f"  {_needed(found)}", soft_wrap=True)
    console.print("  A judge alone never raises traffic: it chooses what people look at, and they decide.")


def to_json(task: str, judge: str | None, found: Calibration) -> bytes:
    """The figures as one JSON object; what cannot be told is null, with a reason beside it."""
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
                        said: dict(zip(PREFERENCES, row, strict=True))
                        for said, row in zip(PREFERENCES, found.table, strict=True)
                    },
                    "agreement": found.agreement,
                    "sensitivity": _written(found.quality.sensitivity),
                    "specificity": _written(found.quality.specificity),
                    "regret": {**_written(found.regret.interval), "reason": found.regret.reason},
                    "regret_one_look": {**_written(found.regret_once.interval), "reason": found.regret_once.reason},
                    "labels_needed": found.needed,
                }
            )
        )
        + b"\n"
    )


def _table(found: Calibration) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("the judge says", no_wrap=True)
    for preference in PREFERENCES:
        table.add_column(f"people: {_SAID[preference]}", justify="right", no_wrap=True)
    for said, row in zip(PREFERENCES, found.table, strict=True):
        table.add_row(_SAID[said], *(f"{n:,}" for n in row))
    return table


def _mend(task: str, found: Calibration) -> str:
    if found.reason == "no_verdicts":
        return f"there are no verdicts; set `judge` under [tasks.{plain(task)}] and run: shadow judge run"
    return (
        f"of {found.verdicts:,} judged pairs people have labelled none; label some on the Review page "
        "(shadow dashboard), or run: shadow label import FILE"
    )


def _needed(found: Calibration) -> str:
    match found.needed.reason:
        case "enough":
            return "Enough labels for the wanted half-width."
        case "more_labels":
            return f"{found.needed.more:,} more labels needed for the wanted half-width, half on either verdict."
        case "more_verdicts":
            return "No number of labels is enough for the wanted half-width: more verdicts are needed first."


def _interval(interval: Interval) -> str:
    if interval.estimate is None:
        return "–"
    return f"{interval.estimate:.1%} ({100 * interval.low:.1f}–{100 * interval.high:.1f}), n {round(interval.n):,}"


def _written(interval: Interval) -> dict[str, Any]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "n": round(interval.n)}
