"""The judge drifts from people: their labels contradict its verdicts more often than at calibration.

Labels arrive days after their pairs and in any order, so this detector does not follow the hours of
events but the labels as they arrive. It counts them per verdict of the judge, because people are
shown some verdicts more often than others: within a verdict all pairs had the same chance, so no
weights are needed. The first hundred labels of each verdict are the calibration; the detector bets
against its rate with later labels, in batches of at least twenty. A label that was changed or deleted
counts when the next labels arrive.
"""

from collections.abc import Mapping
from datetime import datetime
from math import sqrt
from typing import Final, Literal, TypeAlias

import msgspec

from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.figures import as_detail, format_interval, interval, percent
from scoring.stats.detection.drift import DriftState, alarm_level, observe_hours
from scoring.stats.moments import Moments
from scoring.stats.sequential import ALPHA

DETECTOR: Final = "judge_drift"

StratumName: TypeAlias = Literal["worse", "no worse"]

CALIBRATION_LABELS: Final = 100
MIN_BATCH: Final = 20
#: Labels within which a false alarm has probability at most alpha; each verdict gets half of alpha.
HORIZON: Final = 2_000
#: Labels whose contradictions must be within the baseline before an incident closes.
MIN_RECOVERY_LABELS: Final = 100
#: Maximum number of labels behind the figures of an incident.
MAX_RECENT_LABELS: Final = 500

_PREFIX: Final = "labelled:"


class LabelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The number of labels of one verdict, and of those that contradict it."""

    n: int = 0
    wrong: int = 0


class DayLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of the pairs of one or more days, by verdict of the judge."""

    worse: LabelCounts = LabelCounts()
    no_worse: LabelCounts = LabelCounts()


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one verdict. `pending` labels are not bet on yet; `baseline` is the rate bet against."""

    pending: LabelCounts = msgspec.field(default=LabelCounts(), name="waiting")
    baseline: float | None = msgspec.field(default=None, name="usual")
    drift: DriftState = DriftState()
    recent: Moments = msgspec.field(default=Moments(), name="lately")
    opened_at: datetime | None = None


class JudgeState(msgspec.Struct, frozen=True, kw_only=True):
    """`seen` holds the labels counted so far, by the day of their pairs."""

    seen: dict[str, DayLabels] = {}
    worse: Stratum = Stratum()
    no_worse: Stratum = Stratum()

    @property
    def status(self) -> str:
        strata = (self.worse, self.no_worse)
        if any(stratum.opened_at is not None for stratum in strata):
            return "open"
        missing = sum(CALIBRATION_LABELS - stratum.pending.n for stratum in strata if stratum.baseline is None)
        return f"learning: {missing} labels to go" if missing else "watching"


def day_labels(counts: Mapping[str, int]) -> DayLabels:
    """From counts `labelled:<judge>:<human>`. A contradiction is one about whether the candidate is worse."""
    found = {True: [0, 0], False: [0, 0]}
    for name, n in counts.items():
        judge, colon, human = name.removeprefix(_PREFIX).partition(":")
        if name.startswith(_PREFIX) and colon and judge != "none":
            says_worse = judge == "frontier"
            found[says_worse][0] += n
            found[says_worse][1] += n if says_worse != (human == "frontier") else 0
    worse, no_worse = (LabelCounts(n=n, wrong=wrong) for n, wrong in (found[True], found[False]))
    return DayLabels(worse=worse, no_worse=no_worse)


def step(
    state: JudgeState, days: Mapping[str, DayLabels], at: datetime, *, task: str
) -> tuple[JudgeState, list[Event]]:
    """The state after the labels of the latest days, and its events; `at` is the newest hour with pairs.

    Drops days that are not among `days` any more.
    """
    if dict(days) == state.seen:
        return state, []
    worse, no_worse = state.worse, state.no_worse
    for day, labels in days.items():
        before = state.seen.get(day, DayLabels())
        worse = _with_change(worse, before.worse, labels.worse)
        no_worse = _with_change(no_worse, before.no_worse, labels.no_worse)
    worse, one = _step(worse, "worse", at, task)
    no_worse, other = _step(no_worse, "no worse", at, task)
    events = [event for event in (one, other) if event is not None]
    return JudgeState(seen=dict(days), worse=worse, no_worse=no_worse), events


def _with_change(stratum: Stratum, before: LabelCounts, now: LabelCounts) -> Stratum:
    n, wrong = stratum.pending.n + now.n - before.n, stratum.pending.wrong + now.wrong - before.wrong
    return msgspec.structs.replace(stratum, pending=LabelCounts(n=n, wrong=wrong))


def _step(state: Stratum, name: StratumName, at: datetime, task: str) -> tuple[Stratum, Event | None]:
    n = state.pending.n
    # Changed labels may alter more counts than there are new labels.
    wrong = min(max(state.pending.wrong, 0), n)
    if state.baseline is None:
        return (Stratum(baseline=_cautious(wrong, n)) if n >= CALIBRATION_LABELS else state), None
    if n < MIN_BATCH:
        return state, None
    baseline, batch = state.baseline, Moments.of_counts(wrong, n)
    recent = batch if state.recent.n >= MAX_RECENT_LABELS else state.recent + batch
    state = msgspec.structs.replace(state, pending=LabelCounts(), recent=recent)
    if state.opened_at is not None:
        return _recovering(state, name, at, state.opened_at, baseline)
    drift = observe_hours(state.drift, [(batch, baseline)], alarm_level(HORIZON, ALPHA / 2))
    state = msgspec.structs.replace(state, drift=drift)
    if not drift.alarmed:
        return state, None
    found = interval(recent)
    opened = Opened(
        subject=name,
        at=at,
        summary=f"people contradict the judge of {task} where it says {name}: {format_interval(found)}; "
        f"when it was calibrated, at most {percent(baseline)}",
        detail={"usual": baseline, "lately": as_detail(found), "evidence": drift.level},
    )
    return msgspec.structs.replace(state, opened_at=at, recent=Moments()), opened


def _recovering(
    state: Stratum, name: StratumName, at: datetime, opened_at: datetime, baseline: float
) -> tuple[Stratum, Event | None]:
    n, rate = state.recent.n, state.recent.estimate
    if rate is None or n < MIN_RECOVERY_LABELS:
        return state, None
    cleared = msgspec.structs.replace(state, recent=Moments())
    if rate > baseline:
        return cleared, None
    reason = f"people contradicted {percent(rate)} of {n} verdicts, no more than usual"
    closed = Closed(subject=name, opened_at=opened_at, at=at, reason=reason)
    return msgspec.structs.replace(cleared, drift=DriftState(), opened_at=None), closed


def _cautious(wrong: int, n: int) -> float:
    """The rate at calibration plus one standard error."""
    rate = (wrong + 0.5) / (n + 1)
    return min(rate + sqrt(rate * (1 - rate) / n), 0.95)
