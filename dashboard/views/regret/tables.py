"""Tallies to the tables of the Regret page: pure arithmetic, without reads and widgets.

Regret is always of one source: people's labels and a judge's verdicts are never added up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import pandas as pd

from dashboard.data.clamp_time import add_clamped
from dashboard.data.tables import Tallies, is_total, with_intervals, with_runs, with_times
from dashboard.ui.text import percent, whole
from shadow.aggregates import counters
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import MICRO, CellKind, Sums, Tally
from shadow.records import RegretSource

Per: TypeAlias = Literal["hour", "day", "week"]

#: The dimension that holds the stage of the rollout under which an exchange was served.
STAGE: Final = "stage"

#: Which kind of trial shows which side of the rollout.
KINDS: Final[dict[CellKind, str]] = {"shadow": "before rollout (shadow)", "reverse": "after rollout (reverse)"}

_LENGTH: Final[dict[Per, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


def over_time(tallies: Tallies, source: RegretSource, per: Per) -> pd.DataFrame:
    """Regret of each period with data, and the running regret of all periods up to it.

    `at, until, when, estimate, low, high, n, enough, run, running, running_low, running_high, running_n`
    """
    periods: dict[datetime, Sums] = {}
    for cell, tally in tallies.items():
        if is_total(cell) and cell.source == source and tally.regret.n:
            periods.setdefault(period_start(cell.hour, per), Sums()).merge(tally.regret)
    starts = sorted(periods)
    each = [periods[at] for at in starts]
    # All intervals in one call: the cost is by call, not by interval.
    both = with_intervals([*each, *_running(each)])
    frame, running = with_runs(both[: len(each)].copy()), both[len(each) :]
    frame["running"] = running["estimate"].to_numpy()
    for column in ("low", "high", "n"):
        frame[f"running_{column}"] = running[column].to_numpy()
    ends = [add_clamped(at, _LENGTH[per]) for at in starts]
    frame["until"] = pd.to_datetime(pd.Series(ends, dtype="datetime64[us, UTC]"))
    return with_times(frame, starts, "hour" if per == "hour" else "day")


def served(tallies: Tallies, per: Per) -> pd.DataFrame:
    """The observed share of traffic that the candidate served: `at, when, share, n`."""
    weights: dict[datetime, dict[str, float]] = {}
    pairs: dict[datetime, int] = {}
    for cell, tally in tallies.items():
        if is_total(cell) and cell.kind in KINDS:
            at = period_start(cell.hour, per)
            by_kind = weights.setdefault(at, dict.fromkeys(KINDS, 0.0))
            by_kind[cell.kind] += represented_exchanges(tally)
            pairs[at] = pairs.get(at, 0) + tally.pairs
    starts = [at for at in sorted(weights) if sum(weights[at].values())]
    shares = [weights[at]["reverse"] / sum(weights[at].values()) for at in starts]
    frame = pd.DataFrame({"share": shares, "n": [pairs[at] for at in starts]})
    return with_times(frame, starts, "hour" if per == "hour" else "day")


def represented_exchanges(tally: Tally) -> float:
    """The number of exchanges that these pairs stand for. Unscored pairs count with the mean weight of scored ones."""
    scored = tally.agreement
    return counters.sampled(tally) * (scored.weight / scored.n / MICRO if scored.n else 1.0)


def stage_changes(tallies: Tallies, per: Per) -> pd.DataFrame:
    """Where most traffic has another stage than before: `at, when, label`. The first stage is no change."""
    weights: dict[datetime, dict[str, float]] = {}
    for cell, tally in tallies.items():
        if cell.dimension == STAGE:
            stages = weights.setdefault(period_start(cell.hour, per), {})
            stages[cell.value] = stages.get(cell.value, 0.0) + represented_exchanges(tally)
    changes: list[tuple[datetime, str]] = []
    before: str | None = None
    for at in sorted(weights):
        stage = max(weights[at], key=lambda name: (weights[at][name], name))
        if before is not None and stage != before:
            changes.append((at, f"{before} → {stage}"))
        before = stage
    frame = pd.DataFrame({"label": [label for _, label in changes]}, dtype="object")
    return with_times(frame, [at for at, _ in changes], "hour" if per == "hour" else "day")


@dataclass(frozen=True, kw_only=True, slots=True)
class KindRegret:
    """Regret among the trials of one kind; `name` says whether before or after the rollout."""

    name: str
    sums: Sums
    pairs: int


def by_kind(tallies: Tallies, source: RegretSource) -> list[KindRegret]:
    """Shadow trials and reverse trials apart, without a kind that has no pairs."""
    found = []
    for kind, name in KINDS.items():
        cells = [(cell, tally) for cell, tally in tallies.items() if is_total(cell) and cell.kind == kind]
        sums = Sums()
        for cell, tally in cells:
            if cell.source == source:
                sums.merge(tally.regret)
        if pairs := sum(counters.sampled(tally) for _, tally in cells):
            found.append(KindRegret(name=name, sums=sums, pairs=pairs))
    return found


def sampling(tallies: Tallies) -> pd.DataFrame:
    """How the pairs were sampled, one row for each kind of trial: counts, shares and probabilities, as text."""
    rows = []
    for kind, name in KINDS.items():
        whole_kind, by_source = _of_kind(tallies, kind)
        pairs = counters.sampled(whole_kind)
        if not pairs:
            continue
        scored = whole_kind.agreement
        rows.append(
            {
                "": name,
                "pairs": whole(pairs),
                "stand for": f"{whole(represented_exchanges(whole_kind))} exchanges",
                "smallest probability": one_in(scored.heaviest / MICRO if scored.n else None),
                "typical probability": one_in(scored.weight / scored.n / MICRO if scored.n else None),
                "unscored": percent(1 - scored.n / eligible if (eligible := counters.eligible(whole_kind)) else None),
                "labelled": _count_and_share(by_source["human"], pairs),
                "with right answer": _count_and_share(by_source["reference"], pairs),
                "judged": _count_and_share(by_source["judge"], pairs),
            }
        )
    return pd.DataFrame(rows)


def _of_kind(tallies: Tallies, kind: CellKind) -> tuple[Tally, Mapping[RegretSource, int]]:
    """The totals of one kind of trial, and its number of pairs with regret by source."""
    whole_kind, by_source = Tally(), dict.fromkeys(SOURCES, 0)
    for cell, tally in tallies.items():
        if is_total(cell) and cell.kind == kind:
            whole_kind.merge(tally)
            for source in SOURCES:
                by_source[source] += tally.regret.n if cell.source == source else 0
    return whole_kind, by_source


def one_in(weight: float | None) -> str:
    """The probability 1 / `weight` as `every one` or `1 in 20`."""
    if weight is None:
        return "–"
    if weight < 1.005:
        return "every one"
    return f"1 in {weight:.1f}".removesuffix(".0") if weight < 100 else f"1 in {weight:,.0f}"


def period_start(at: datetime, per: Per) -> datetime:
    """The start of the period that contains the hour `at`; weeks start on Monday."""
    if per == "hour":
        return at
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return add_clamped(day, -timedelta(days=day.weekday())) if per == "week" else day


def _running(sums: Iterable[Sums]) -> list[Sums]:
    """For each of `sums`, the total up to and including it."""
    total, found = Sums(), []
    for each in sums:
        total.merge(each)
        copied = Sums()
        copied.merge(total)
        found.append(copied)
    return found


def _count_and_share(n: int, pairs: int) -> str:
    return f"{n:,} ({percent(n / pairs, 0)})" if n else "none"
