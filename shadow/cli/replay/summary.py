"""What `shadow replay` has done, on standard error."""

import sys
from typing import TYPE_CHECKING, Final

from shadow.cli.output.terminal import plain
from shadow.cli.replay.run import Done

if TYPE_CHECKING:
    from shadow.cli.replay.judge import ReplayJudge
    from shadow.cli.replay.pair_writer import PairWriter

_NANOS_PER_USD: Final = 1_000_000_000


def print_summary(done: Done) -> None:
    """The first bad lines and rejected pairs, then one line with all counts."""
    totals, writer = done.totals, done.writer
    for name, line in totals.bad_lines:
        _print(f"{plain(name)}:{line.number}: {plain(line.reason)}")
    if totals.bad > len(totals.bad_lines):
        _print(f"… and {totals.bad - len(totals.bad_lines):,} more")
    for reason in writer.reasons if writer else ():
        _print(plain(reason))
    if writer is not None and writer.rejected > len(writer.reasons):
        _print(f"… and {writer.rejected - len(writer.reasons):,} more that cannot be stored")
    parts = [f"{totals.lines:,} lines read", f"{totals.bad:,} broken"]
    if done.models is not None and done.models.asked:
        parts.append(f"{done.models.asked:,} replies asked for")
    if done.judge is not None:
        parts += _judged(done.judge)
    parts += ["nothing stored"] if writer is None else _stored(writer)
    _print(", ".join(parts))


def _stored(writer: "PairWriter") -> list[str]:
    parts = [f"{writer.new:,} pairs newly stored"]
    if writer.known:
        parts.append(f"{writer.known:,} were stored before and count once")
    if writer.rejected:
        parts.append(f"{writer.rejected:,} cannot be stored")
    if writer.new:
        parts.append("redacted" if writer.redacts else "not redacted (--redact replaces personal data and secrets)")
    return parts


def _judged(judge: "ReplayJudge") -> list[str]:
    parts = [f"{judge.judged:,} pairs judged by {judge.name} for ${judge.cost_nanousd / _NANOS_PER_USD:.4f}"]
    if judge.unjudged:
        parts.append(f"{judge.unjudged.total():,} unjudged (first reason: {next(iter(judge.unjudged))})")
    if judge.unaffordable:
        parts.append(f"{judge.unaffordable:,} not judged: more would cost over --judge-usd")
    return parts


def _print(line: str) -> None:
    print(line, file=sys.stderr)
