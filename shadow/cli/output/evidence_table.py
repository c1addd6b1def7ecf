"""Evidence for a terminal (sentences, then the segments, worst first), or as a JSON file."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import UNSET
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoring.evidence.estimates import Estimate
from scoring.evidence.judge_trust import JudgeTrust
from scoring.evidence.report import Segment, TaskEvidence, to_json
from scoring.evidence.worst_slices import Reason, WorstCrossings
from shadow.aggregates.derived_dimensions import CALENDAR
from shadow.cli.output.files import STANDARD
from shadow.cli.output.terminal import plain
from shadow.errors import UsageError
from shadow.records import is_ineligible

#: Width where standard output is no terminal: wide enough that no column is cut.
_PLAIN_WIDTH: Final = 140

_STATUS: Final = {
    "worse": "worse",
    "not_worse": "not worse",
    "undecided": "undecided",
    "not_enough_data": "not enough data",
    "no_regret_source": "–",
}

#: What a flagged segment shows instead of `_STATUS`, because a flag contradicts "not enough data".
_FLAGGED: Final = {"not_enough_data": "flagged · few pairs", "no_regret_source": "flagged"}

_NO_CROSSING: Final[dict[Reason, str]] = {
    "nothing_worse": "nothing that looked worse on one half was confirmed on the other",
    "not_enough_data": "too few pairs to search one half and confirm on the other",
    "no_dimensions": "the pairs have no segments to cross",
}


def show(tasks: Sequence[TaskEvidence], *, dimension: str | None = None) -> None:
    """Print each task's verdict and its segments (of one `dimension`, if given) to standard output.

    Raises UsageError for a dimension that none of the tasks has.
    """
    known = {segment.dimension for task in tasks for segment in task.segments}
    if dimension is not None and known and dimension not in known:
        raise UsageError(f"--segment {dimension}: no such dimension; there are: {', '.join(map(plain, sorted(known)))}")
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    for task in tasks:
        for line in sentences(task):
            console.print(line, soft_wrap=True)
        shown = [segment for segment in task.segments if _is_shown(segment, dimension)]
        console.print(_table(shown))
        rest = len(task.segments) - len(shown)
        if rest and dimension is None:
            console.print(f"and {rest} hours and weekdays that are not flagged: --segment hour, --segment weekday")
        if task.worst_crossings is not None and dimension is None:
            _show_crossings(console, task.worst_crossings)


def write_json(file: Path, found: Sequence[TaskEvidence]) -> None:
    """Write the evidence as JSON to `file`; `-` is standard output."""
    content = to_json(found)
    if file == STANDARD:
        sys.stdout.write(content.decode())
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from None


def sentences(task: TaskEvidence) -> list[str]:
    """The verdict and the figures behind it, as sentences."""
    name = f"{plain(task.task)}: {plain(task.candidate)}"
    lines = [f"{name} {_verdict(task)}"]
    if task.agreement is not None:
        lines.append(f"  agreement {interval(task.agreement)}, n {task.agreement.n:,}{_ceiling(task)}")
    for source, regret in task.regret_by_source.items():
        net = task.net_regret_by_source.get(source)
        lines.append(f"  regret by {source} {interval(regret)}, net {interval(net)}, n {regret.n:,}")
    if task.judge is not None:
        lines.append(f"  judge {_trust(task.judge)}")
    if task.units is not None and task.units.agreement is not None:
        units = task.units
        lines.append(f"  by unit: agreement {interval(units.agreement)}, {units.n:,} units, {units.calls:,} calls")
    lines += _times(task)
    eligible = task.n - sum(task.ineligible.values())
    if task.ineligible:
        share = f"{eligible:,} of {task.n:,} pairs ({eligible / task.n:.1%})"
        lines.append(f"  eligible {share}; not eligible: {_reasons(task.ineligible)}")
    if unscored := {reason: n for reason, n in task.unscored.items() if not is_ineligible(reason)}:
        lines.append(f"  unscored {sum(unscored.values()):,} of {eligible:,} pairs: {_reasons(unscored)}")
    return lines


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(reason)} {n:,}" for reason, n in counts.items())


def interval(estimate: Estimate | None) -> str:
    """`60.3% (51.6–68.7)`; a dash where there is no estimate."""
    if estimate is None:
        return "–"
    return f"{100 * estimate.estimate:.1f}% ({100 * estimate.low:.1f}–{100 * estimate.high:.1f})"


def _times(task: TaskEvidence) -> list[str]:
    """Latency and time to the first token of both models; no line for what is known of neither."""
    latency = {role: (found["p50"], found["p99"]) for role, found in task.latency_ms.items()}
    ttft = {role: (found.p50, found.p99) for role, found in task.ttft_ms.items()}
    n = ", ".join(f"{role} {found.n:,}" for role, found in task.ttft_ms.items())
    return [
        f"  {name} {', '.join(f'{role} {_ms(p50)}, {_ms(p99)}' for role, (p50, p99) in times.items())}{more}"
        for name, times, more in (
            ("latency p50, p99:", latency, ""),
            ("first token p50, p99:", ttft, f"; streamed replies: {n}"),
        )
        if any(p50 is not None for p50, _ in times.values())
    ]


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


def _verdict(task: TaskEvidence) -> str:
    regret = task.regret
    known = f"regret {interval(regret)}, by {regret.source}, n {regret.n:,}" if regret else ""
    match task.verdict.status:
        case "worse":
            return f"is WORSE than the frontier: {known}; the limit is {100 * task.regret_limit:.3g}%"
        case "not_worse":
            return f"is not worse than the frontier by more than {100 * task.regret_limit:.3g}%: {known}"
        case "undecided":
            return f"is UNDECIDED: {known}; {task.verdict.reasons[-1] if not regret else task.verdict.reasons[0]}"
        case "not_enough_data":
            return f"has NOT ENOUGH DATA: {task.verdict.reasons[0]}{f'; {known}' if known else ''}"
        case "no_regret_source":
            return f"cannot be judged: {task.verdict.reasons[0]}"


def _ceiling(task: TaskEvidence) -> str:
    """The frontier's agreement with itself, and the candidate's disagreement beyond it."""
    own = "" if task.ceiling is None else f"; the frontier agrees with itself {interval(task.ceiling)}"
    beyond = task.excess_disagreement
    if beyond is None:
        return own
    return f"{own}; disagreement beyond the frontier's own {interval(beyond)}, n {beyond.n:,}: {beyond.status}"


def _trust(judge: JudgeTrust) -> str:
    if judge.reason is not UNSET:
        return f"judged {judge.judged:,} pairs; none of them has a label, so its accuracy is unknown"
    kappa, ac1 = ("–" if share is None else f"{share:.2f}" for share in (judge.kappa, judge.ac1))
    return (
        f"against people: κ {kappa}, AC1 {ac1}, n {judge.n:,}; sensitivity {interval(judge.sensitivity)}, "
        f"specificity {interval(judge.specificity)}"
    )


def _show_crossings(console: Console, found: WorstCrossings) -> None:
    by = f"regret by {found.source}" if found.source else found.measure
    title = "worst crossings, found on one half and confirmed on the other"
    if not found.crossings:
        console.print(f"{title}: none; {_NO_CROSSING.get(found.reason, found.reason)} (n {found.n:,})", soft_wrap=True)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True, overflow="ellipsis", max_width=80)
    for column in ("n", by, "elsewhere", "q"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in found.crossings:
        where = " & ".join(f"{name}={value}" for name, value in each.where.items())
        table.add_row(Text(plain(where)), f"{each.n:,}", f"{each.rate:.1%}", f"{each.rest:.1%}", _q(each.q_value))
    console.print(table)


def _q(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _is_shown(segment: Segment, dimension: str | None) -> bool:
    """With `dimension`: its segments. Without: all, but of the many hours and weekdays only the flagged ones."""
    if dimension is not None:
        return segment.dimension == dimension
    return segment.dimension not in CALENDAR or segment.flagged


def _table(segments: Sequence[Segment]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("segment, worst first", no_wrap=True, overflow="ellipsis", max_width=44)
    table.add_column("n", justify="right", no_wrap=True)
    for title in ("agreement (95%)", "regret (95%)", "net regret (95%)"):
        table.add_column(title, no_wrap=True)
    table.add_column("q", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for segment in segments:
        table.add_row(
            Text(plain(f"{segment.dimension}={segment.value}")),
            f"{segment.n:,}",
            interval(segment.agreement),
            interval(segment.regret),
            interval(segment.net_regret),
            "–" if segment.status == "not_enough_data" else _q(segment.q_value),
            Text(_status(segment)),
        )
    return table


def _status(segment: Segment) -> str:
    status = segment.verdict.status
    if not segment.flagged:
        return _STATUS[status]
    return _FLAGGED.get(status, f"{_STATUS[status]} · flagged")
