"""Tallies to the tables of the Regret page: pure arithmetic, nothing read and nothing shown.

Regret is always of one source: what people say and what a judge says is never added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import pandas as pd

from dashboard.data.clamp_time import moved
from dashboard.data.measures import Tallies, with_intervals, with_times
from dashboard.ui.text import percent
from scoring.evidence.pools import Pool
from scoring.evidence.verdict import NOT_SAMPLED
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import ALL, MICRO, Cell, CellKind, Sums, Tally
from shadow.records import RegretSource

Per: TypeAlias = Literal["hour", "day", "week"]

#: The dimension that says under which stage of a rollout an exchange was served.
STAGE: Final = "stage"

#: The counter of pairs that sampling left out. Whoever weighs pairs has to read it.
LEFT_OUT: Final = f"unscored:{NOT_SAMPLED}"

#: How a source is called in a sentence: "according to …".
BY: Final[dict[RegretSource, str]] = {"human": "people", "reference": "the right answer", "judge": "a judge"}

#: Which trials stand for which time.
KINDS: Final[dict[CellKind, str]] = {"shadow": "before rollout (shadow)", "reverse": "after rollout (reverse)"}

_LENGTH: Final[dict[Per, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


def pool(tallies: Tallies) -> Pool:
    """Everything in the totals, with the regret of each source apart."""
    found = Pool()
    for cell, tally in tallies.items():
        if (cell.dimension, cell.value) == ALL:
            found.add(cell, tally)
    return found


def of_source(tallies: Tallies, source: RegretSource | None) -> dict[Cell, Tally]:
    """The same tallies, in which only `source` says anything about regret; with None, nobody."""
    return {
        cell: tally
        if cell.source == source or not tally.regret.n
        else Tally(tally.pairs, tally.agreement, counts=tally.counts, histograms=tally.histograms)
        for cell, tally in tallies.items()
    }


def over_time(tallies: Tallies, source: RegretSource, per: Per) -> pd.DataFrame:
    """Regret of each period with data, and of all periods up to it.

    `at, until, when, estimate, low, high, n, enough, run, running, running_low, running_high, running_n`
    """
    periods: dict[datetime, Sums] = {}
    for cell, tally in tallies.items():
        if (cell.dimension, cell.value) == ALL and cell.source == source and tally.regret.n:
            periods.setdefault(start_of(cell.hour, per), Sums()).merge(tally.regret)
    starts = sorted(periods)
    each = [periods[at] for at in starts]
    # All intervals at once: what they cost is the number of times that they are asked for.
    told = with_intervals([*each, *_running(each)])
    frame, running = told[: len(each)].copy(), told[len(each) :]
    # A band goes no further than periods that follow each other and have enough.
    frame["run"] = (~frame["enough"]).cumsum() if starts else pd.Series(dtype="int64")
    frame["running"] = running["estimate"].to_numpy()
    for column in ("low", "high", "n"):
        frame[f"running_{column}"] = running[column].to_numpy()
    frame["until"] = pd.to_datetime(pd.Series([moved(at, _LENGTH[per]) for at in starts], dtype="datetime64[us, UTC]"))
    return with_times(frame, starts, "hour" if per == "hour" else "day")


def served(tallies: Tallies, per: Per) -> pd.DataFrame:
    """The observed share of traffic that the candidate served: `at, when, share, n`."""
    weights: dict[datetime, dict[str, float]] = {}
    pairs: dict[datetime, int] = {}
    for cell, tally in tallies.items():
        if (cell.dimension, cell.value) == ALL and cell.kind in KINDS:
            at = start_of(cell.hour, per)
            sides = weights.setdefault(at, dict.fromkeys(KINDS, 0.0))
            sides[cell.kind] += stands_for(tally)
            pairs[at] = pairs.get(at, 0) + tally.pairs
    starts = [at for at in sorted(weights) if sum(weights[at].values())]
    shares = [weights[at]["reverse"] / sum(weights[at].values()) for at in starts]
    frame = pd.DataFrame({"share": shares, "n": [pairs[at] for at in starts]})
    return with_times(frame, starts, "hour" if per == "hour" else "day")


def stands_for(tally: Tally) -> float:
    """How many exchanges these pairs stand for. Pairs without a score are taken to weigh what the others do."""
    scored = tally.agreement
    return asked(tally) * (scored.weight / scored.n / MICRO if scored.n else 1.0)


def asked(tally: Tally) -> int:
    """Pairs of which both sides were asked: those left out by sampling are what the others stand for."""
    return tally.pairs - tally.counts[LEFT_OUT]


def stage_changes(tallies: Tallies, per: Per) -> pd.DataFrame:
    """Where most traffic is under another stage than before: `at, when, label`. The first stage is no change."""
    weights: dict[datetime, dict[str, float]] = {}
    for cell, tally in tallies.items():
        if cell.dimension == STAGE:
            stages = weights.setdefault(start_of(cell.hour, per), {})
            stages[cell.value] = stages.get(cell.value, 0.0) + stands_for(tally)
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
class Side:
    """Regret among the trials of one kind, before or after a rollout."""

    name: str
    sums: Sums
    pairs: int


def by_kind(tallies: Tallies, source: RegretSource) -> list[Side]:
    """Shadow trials and reverse trials apart, those that there are."""
    found = []
    for kind, name in KINDS.items():
        cells = [(c, t) for c, t in tallies.items() if (c.dimension, c.value) == ALL and c.kind == kind]
        sums = Sums()
        for cell, tally in cells:
            if cell.source == source:
                sums.merge(tally.regret)
        if pairs := sum(asked(tally) for _, tally in cells):
            found.append(Side(name=name, sums=sums, pairs=pairs))
    return found


def sampled(tallies: Tallies) -> pd.DataFrame:
    """What the figures rest on, a row per kind of trial: counts, shares and chances, as text for a table."""
    rows = []
    for kind, name in KINDS.items():
        whole, looked = Tally(), dict.fromkeys(SOURCES, 0)
        for cell, tally in tallies.items():
            if (cell.dimension, cell.value) == ALL and cell.kind == kind:
                whole.merge(tally)
                for source in SOURCES:
                    looked[source] += tally.regret.n if cell.source == source else 0
        pairs = asked(whole)
        if not pairs:
            continue
        scored = whole.agreement
        rows.append(
            {
                "": name,
                "pairs": f"{pairs:,}",
                "stand for": f"{stands_for(whole):,.0f} exchanges",
                "chance: smallest": chance(scored.heaviest / MICRO if scored.n else None),
                "typical": chance(scored.weight / scored.n / MICRO if scored.n else None),
                "unscored": percent(1 - scored.n / pairs),
                "labelled": _of(looked["human"], pairs),
                "with right answer": _of(looked["reference"], pairs),
                "judged": _of(looked["judge"], pairs),
            }
        )
    return pd.DataFrame(rows)


def chance(weight: float | None) -> str:
    """A weight as the chance it is one over: `every one`, `1 in 20`."""
    if weight is None:
        return "–"
    if weight < 1.005:
        return "every one"
    return f"1 in {weight:.1f}".removesuffix(".0") if weight < 100 else f"1 in {weight:,.0f}"


def start_of(at: datetime, per: Per) -> datetime:
    """The start of the period that holds `at`; weeks start on Monday."""
    if per == "hour":
        return at
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return moved(day, -timedelta(days=day.weekday())) if per == "week" else day


def _running(sums: Iterable[Sums]) -> list[Sums]:
    total, found = Sums(), []
    for each in sums:
        total.merge(each)
        copied = Sums()
        copied.merge(total)
        found.append(copied)
    return found


def _of(n: int, pairs: int) -> str:
    return f"{n:,} ({percent(n / pairs, 0)})" if n else "none"
