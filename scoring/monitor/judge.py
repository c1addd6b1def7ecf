"""The judge drifts from people: where both looked, they contradict each other more than they used to.

DayLabels come days after their pairs and in any order, so this detector does not go by the hours of
events but by the labels as they come in. They are counted per verdict of the judge, because
people are shown some verdicts more often than others: within a verdict everybody had the same
chance, and no weights are needed. Of each verdict the first hundred labels are the calibration;
what comes later is bet against it, in batches of twenty at least. A label that was changed or taken
back counts when labels next come in.
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
#: Labels within which a false alarm is unlikely; each verdict has half of the error.
HORIZON: Final = 2_000
#: Labels that must contradict the judge no more than usual before an incident closes.
MIN_RECOVERY_LABELS: Final = 100
#: Labels an incident's figures are made from, at most.
MAX_RECENT_LABELS: Final = 500

_PREFIX: Final = "labelled:"


class LabelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one verdict, and those among them that contradict it."""

    n: int = 0
    wrong: int = 0


class DayLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of a day's pairs, or of several."""

    worse: LabelCounts = LabelCounts()
    no_worse: LabelCounts = LabelCounts()


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one verdict. `waiting` has not been bet on yet, `usual` is the rate bet against."""

    waiting: LabelCounts = LabelCounts()
    usual: float | None = None
    drift: DriftState = DriftState()
    lately: Moments = Moments()
    opened_at: datetime | None = None


class JudgeState(msgspec.Struct, frozen=True, kw_only=True):
    """`seen` are the labels taken in, by the day of their pairs."""

    seen: dict[str, DayLabels] = {}
    worse: Stratum = Stratum()
    no_worse: Stratum = Stratum()

    @property
    def status(self) -> str:
        strata = (self.worse, self.no_worse)
        if any(stratum.opened_at is not None for stratum in strata):
            return "open"
        missing = sum(CALIBRATION_LABELS - stratum.waiting.n for stratum in strata if stratum.usual is None)
        return f"learning: {missing} labels to go" if missing else "watching"


def day_labels(counts: Mapping[str, int]) -> DayLabels:
    """From counts `labelled:<judge>:<human>`. A contradiction is about whether the candidate is worse."""
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
    """The state after a look at the labels of the latest days; `at` is the newest hour with pairs.

    Days that are no longer looked at are forgotten.
    """
    if dict(days) == state.seen:
        return state, []
    worse, no_worse = state.worse, state.no_worse
    for day, labels in days.items():
        before = state.seen.get(day, DayLabels())
        worse = _with(worse, before.worse, labels.worse)
        no_worse = _with(no_worse, before.no_worse, labels.no_worse)
    worse, one = _step(worse, "worse", at, task)
    no_worse, other = _step(no_worse, "no worse", at, task)
    events = [event for event in (one, other) if event is not None]
    return JudgeState(seen=dict(days), worse=worse, no_worse=no_worse), events


def _with(stratum: Stratum, before: LabelCounts, now: LabelCounts) -> Stratum:
    n, wrong = stratum.waiting.n + now.n - before.n, stratum.waiting.wrong + now.wrong - before.wrong
    return msgspec.structs.replace(stratum, waiting=LabelCounts(n=n, wrong=wrong))


def _step(state: Stratum, verdict: StratumName, at: datetime, task: str) -> tuple[Stratum, Event | None]:
    n = state.waiting.n
    # Labels that were changed may move more than came in.
    wrong = min(max(state.waiting.wrong, 0), n)
    if state.usual is None:
        return (Stratum(usual=_cautious(wrong, n)) if n >= CALIBRATION_LABELS else state), None
    if n < MIN_BATCH:
        return state, None
    usual, batch = state.usual, Moments.of_counts(wrong, n)
    lately = batch if state.lately.n >= MAX_RECENT_LABELS else state.lately + batch
    state = msgspec.structs.replace(state, waiting=LabelCounts(), lately=lately)
    if state.opened_at is not None:
        return _recovering(state, verdict, at, state.opened_at, usual)
    drift = observe_hours(state.drift, [(batch, usual)], alarm_level(HORIZON, ALPHA / 2))
    state = msgspec.structs.replace(state, drift=drift)
    if not drift.alarmed:
        return state, None
    found = interval(lately)
    opened = Opened(
        subject=verdict,
        at=at,
        summary=f"people contradict the judge of {task} where it says {verdict}: {format_interval(found)}; "
        f"when it was calibrated, at most {percent(usual)}",
        detail={"usual": usual, "lately": as_detail(found), "evidence": drift.level},
    )
    return msgspec.structs.replace(state, opened_at=at, lately=Moments()), opened


def _recovering(
    state: Stratum, verdict: StratumName, at: datetime, opened_at: datetime, usual: float
) -> tuple[Stratum, Event | None]:
    n, rate = state.lately.n, state.lately.estimate
    if rate is None or n < MIN_RECOVERY_LABELS:
        return state, None
    calm = msgspec.structs.replace(state, lately=Moments())
    if rate > usual:
        return calm, None
    because = f"people contradicted {percent(rate)} of {n} verdicts, no more than usual"
    closed = Closed(subject=verdict, opened_at=opened_at, at=at, because=because)
    return msgspec.structs.replace(calm, drift=DriftState(), opened_at=None), closed


def _cautious(wrong: int, n: int) -> float:
    """The rate of the calibration, plus one standard error."""
    rate = (wrong + 0.5) / (n + 1)
    return min(rate + sqrt(rate * (1 - rate) / n), 0.95)
