"""All detectors of a task, and one hour of its rollups passed through them.

They have two parts, because judges are later than scorers: the `scored` part (failures, coverage,
the ceiling, regret by reference) reads an hour when its pairs are complete, the `judged` part when
the judge is done with it as well.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias, assert_never

import msgspec

from scoring.monitor import ceiling, failures, flow, judge, rate_drift, regret, segments, unscored
from scoring.monitor.events import Event
from scoring.monitor.flow import FlowState
from scoring.monitor.hours import Watermark
from scoring.monitor.judge import JudgeState
from scoring.monitor.rate_drift import RateDriftState
from scoring.monitor.segments import SegmentsState
from scoring.monitor.unscored import UnscoredState
from shadow.aggregates import tally
from shadow.aggregates.tally import ALL, Cell, Sums, Tally
from shadow.records import RegretSource
from shadow.settings import Settings, TaskSettings

Part: TypeAlias = Literal["scored", "judged"]
PARTS: Final[tuple[Part, ...]] = ("scored", "judged")

#: The progress of the hours themselves; its subjects are the parts.
HOURS: Final = "hours"
FLOW: Final = "flow"

_SOURCES: Final[dict[Part, RegretSource]] = {"scored": "reference", "judged": "judge"}


class Key(NamedTuple):
    """Identifies a state within its task. `subject` is the source of regret, or what else it watches."""

    candidate: str
    kind: str
    detector: str
    subject: str


class HoursState(msgspec.Struct, frozen=True, kw_only=True):
    """How many pairs the detectors have read, and how many arrived `late`, after their hour was read."""

    watermark: Watermark = msgspec.field(default=Watermark(), name="settling")
    taken: int = 0
    late: int = 0


State: TypeAlias = RateDriftState | SegmentsState | UnscoredState | FlowState | JudgeState | HoursState
States: TypeAlias = dict[Key, State]

SCORED_KEY: Final = Key("", "", HOURS, "scored")
JUDGED_KEY: Final = Key("", "", HOURS, "judged")
FLOW_KEY: Final = Key("", "", FLOW, "")
JUDGE_KEY: Final = Key("", "", judge.DETECTOR, "")

_TYPES: Final[dict[str, type[State]]] = {
    regret.DETECTOR: RateDriftState,
    failures.DETECTOR: RateDriftState,
    ceiling.DETECTOR: RateDriftState,
    segments.DETECTOR: SegmentsState,
    unscored.DETECTOR: UnscoredState,
    judge.DETECTOR: JudgeState,
    FLOW: FlowState,
    HOURS: HoursState,
}

#: Detectors that learn a baseline, and can be made to learn it again.
LEARNING_DETECTORS: Final = tuple(name for name, state in _TYPES.items() if state in (RateDriftState, JudgeState))


class DetectorEvent(NamedTuple):
    """An event, and the state of the detector that raised it."""

    key: Key
    event: Event


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds of a task."""

    regret_limit: float
    false_flag_rate: float
    horizon: int
    most_unscored: float

    @classmethod
    def of(cls, settings: Settings, task: str) -> "Rules":
        """The rules of `task`, or the defaults where it is not configured (any more)."""
        spec = settings.tasks.get(task) or TaskSettings(frontier="")
        return cls(
            regret_limit=spec.regret_limit,
            false_flag_rate=spec.false_flag_rate,
            horizon=settings.monitor.horizon,
            most_unscored=settings.monitor.most_unscored,
        )


def restore(key: Key, saved: Mapping[str, object]) -> State:
    """A state from its JSON. Raises msgspec.ValidationError for one that this version cannot read."""
    return msgspec.convert(saved, type=_TYPES[key.detector])


def part_of(key: Key) -> Part:
    """The part whose hours a state follows."""
    return "judged" if key.subject in ("judge", "judged") else "scored"


def step(
    part: Part, task: str, states: States, hour: datetime, cells: Mapping[Cell, Tally], rules: Rules
) -> tuple[States, list[DetectorEvent]]:
    """The states after an hour, and its events. `cells` are all cells of the task in that hour."""
    states, found = close_stale(part, states, hour)
    hour_step = _HourStep(task, hour, rules, states)
    for (candidate, kind), group in sorted(_grouped(cells).items()):
        if kind in ("shadow", "reverse"):
            hour_step.regret(candidate, kind, group, _SOURCES[part])
            if part == "scored":
                hour_step.pairs(candidate, kind, group.whole)
        elif kind == "ceiling" and part == "scored":
            hour_step.ceiling(candidate, group.whole.agreement)
    if part == "scored":
        hour_step.frontier(cells)
    return hour_step.states, [*found, *hour_step.found]


def close_stale(part: Part, states: States, until: datetime) -> tuple[States, list[DetectorEvent]]:
    """Closes the incidents of detectors without data for a week before `until`."""
    after, found = dict(states), list[DetectorEvent]()
    for key, state in sorted(states.items(), key=itemgetter(0)):
        if part_of(key) != part:
            continue
        events: list[Event | None] = []
        match state:
            case RateDriftState():
                after[key], event = rate_drift.close_stale(state, until, key.subject)
                events.append(event)
            case UnscoredState():
                after[key], event = unscored.close_stale(state, until)
                events.append(event)
            case SegmentsState():
                after[key], closed = segments.close_stale(state, until)
                events.extend(closed)
            case FlowState() | JudgeState() | HoursState():
                pass  # closed by their own steps, or never open
            case _:
                assert_never(state)
        found += [DetectorEvent(key, event) for event in events if event is not None]
    return after, found


class _CellGroup:
    """The cells of one candidate and kind in one hour."""

    def __init__(self, cells: Iterable[tuple[Cell, Tally]]) -> None:
        self.regret: dict[str, Sums] = {}
        self.segments: dict[str, dict[str, Sums]] = {}
        totals: list[Tally] = []
        for cell, found in cells:
            if (cell.dimension, cell.value) == ALL:
                totals.append(found)
                self.regret[cell.source] = found.regret
            else:
                self.segments.setdefault(cell.source, {})[f"{cell.dimension}={cell.value}"] = found.regret
        self.whole = tally.total(totals)


def _grouped(cells: Mapping[Cell, Tally]) -> dict[tuple[str, str], _CellGroup]:
    grouped: dict[tuple[str, str], list[tuple[Cell, Tally]]] = {}
    for cell, found in cells.items():
        grouped.setdefault((cell.candidate, cell.kind), []).append((cell, found))
    return {key: _CellGroup(members) for key, members in grouped.items()}


class _HourStep:
    """Passes one hour through the states of a task."""

    def __init__(self, task: str, hour: datetime, rules: Rules, states: States) -> None:
        self.states = dict(states)
        self.found: list[DetectorEvent] = []
        self._task = task
        self._hour = hour
        self._rules = rules

    def regret(self, candidate: str, kind: str, group: _CellGroup, source: RegretSource) -> None:
        """Drift of the whole traffic's regret, and segments above the limit, by one source."""
        rules = self._rules
        if sums := group.regret.get(source):
            key = Key(candidate, kind, regret.DETECTOR, source)
            state, event = regret.step(
                self._rate_drift(key),
                self._hour,
                sums,
                task=self._task,
                candidate=candidate,
                source=source,
                limit=rules.regret_limit,
                horizon=rules.horizon,
            )
            self._keep(key, state, event)
            regrets = {**group.segments.get(source, {}), segments.WHOLE: sums}
            key = Key(candidate, kind, segments.DETECTOR, source)
            known = self.states.get(key)
            segments_state, events = segments.step(
                known if isinstance(known, SegmentsState) else SegmentsState(),
                self._hour,
                regrets,
                task=self._task,
                candidate=candidate,
                source=source,
                limit=rules.regret_limit,
                false_flag_rate=rules.false_flag_rate,
            )
            self._keep(key, segments_state, *events)

    def pairs(self, candidate: str, kind: str, whole: Tally) -> None:
        """Failures of the candidate, and pairs that could not be scored."""
        key = Key(candidate, kind, failures.DETECTOR, "")
        state, event = failures.step(
            self._rate_drift(key), self._hour, whole, task=self._task, candidate=candidate, horizon=self._rules.horizon
        )
        self._keep(key, state, event)
        key = Key(candidate, kind, unscored.DETECTOR, unscored.UNSCORED)
        known = self.states.get(key)
        coverage, event = unscored.step(
            known if isinstance(known, UnscoredState) else UnscoredState(),
            self._hour,
            whole,
            task=self._task,
            candidate=candidate,
            max_share=self._rules.most_unscored,
        )
        self._keep(key, coverage, event)

    def ceiling(self, frontier: str, agreement: Sums) -> None:
        """The frontier's agreement with itself."""
        key = Key(frontier, "ceiling", ceiling.DETECTOR, ceiling.AGREEMENT)
        state, event = ceiling.step_agreement(
            self._rate_drift(key),
            self._hour,
            agreement,
            task=self._task,
            frontier=frontier,
            horizon=self._rules.horizon,
        )
        self._keep(key, state, event)

    def frontier(self, cells: Mapping[Cell, Tally]) -> None:
        """The frontier's own failures.

        Each exchange that it served is among the pairs of every candidate that shadowed it, so one
        candidate is enough; the one with the most pairs leaves out the fewest exchanges.
        """
        groups = _grouped({cell: found for cell, found in cells.items() if cell.kind == "shadow"})
        if groups:
            largest = max(groups.items(), key=lambda each: (each[1].whole.pairs, each[0]))[1].whole
            key = Key("", "shadow", ceiling.DETECTOR, ceiling.FAILURES)
            state, event = ceiling.step_failures(
                self._rate_drift(key), self._hour, largest, task=self._task, horizon=self._rules.horizon
            )
            self._keep(key, state, event)

    def _rate_drift(self, key: Key) -> RateDriftState:
        known = self.states.get(key)
        return known if isinstance(known, RateDriftState) else RateDriftState()

    def _keep(self, key: Key, state: State, *events: Event | None) -> None:
        self.states[key] = state
        self.found += [DetectorEvent(key, event) for event in events if event is not None]


def incident_of(found: DetectorEvent) -> tuple[str, str, str, str]:
    """Candidate, kind, detector and subject under which the incident is shown."""
    detector = flow.DETECTOR if found.key.detector == FLOW else found.key.detector
    return found.key.candidate, found.key.kind, detector, found.event.subject


def describe(states: States) -> list[dict[str, str]]:
    """The status of each detector: learning, watching, open."""
    return [
        {**key._asdict(), "status": status}
        for key, state in sorted(states.items(), key=itemgetter(0))
        if (status := _status(state)) is not None
    ]


def _status(state: State) -> str | None:
    match state:
        case RateDriftState() | JudgeState():
            return state.status
        case SegmentsState() | FlowState():
            return f"open: {', '.join(state.open)}" if state.open else "watching"
        case UnscoredState():
            return "open" if state.opened_at else "watching"
        case HoursState():
            return None
        case _:
            assert_never(state)
