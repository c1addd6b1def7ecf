"""Evidence: tallies turned into what people decide on, per task and candidate, worst first.

The structs here are the evidence format, field by field (`shadow.evidence/1`). A number that
cannot be told is null with the reason beside it (`ceiling`, `ceiling_reason`), never 0.

Segments are those that the tallies hold, and two read off the clock, in UTC: `hour` ("13:00")
and `weekday` ("Mon"). A segment is flagged when its interval lies wholly on the bad side of
the whole task's: agreement below, or regret above. That looks at each segment by itself; with
many segments some are flagged by chance.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from scoring.estimates import Estimate, difference, estimates, net_estimates
from scoring.verdict import LIMIT, Verdict, verdict
from shadow.records import Role
from shadow.tally import ALL, Cell, Sums, Tally, quantile

SCHEMA: Final = "shadow.evidence/1"

#: Failures that are always listed, so that a reader can tell "none" from "not looked for".
_LISTED: Final = ("refusal", "malformed", "timeout")

#: Nobody was asked: no fault of the model's.
_NOT_FAILURES: Final = ("not_asked", "expired")

_ROLES: Final[tuple[Role, ...]] = ("frontier", "candidate")
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SOURCES: Final = ("human", "reference", "judge")

_NO_REGRET: Final = "no human label, reference or judge preference"
_NO_SCORE: Final = "no pair could be scored"

Reason: TypeAlias = str | UnsetType


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The hours the evidence is from: the start of the first and the end of the last, UTC."""

    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one dimension. `n` counts its pairs, scored or not."""

    dimension: str
    value: str
    n: int
    agreement: Estimate | None
    agreement_reason: Reason = UNSET
    regret: Estimate | None
    regret_reason: Reason = UNSET
    net_regret: Estimate | None
    net_regret_reason: Reason = UNSET
    flagged: bool
    q_value: float | None
    q_value_reason: Reason = UNSET
    verdict: Verdict


class TaskEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one candidate on one task.

    `n` counts pairs; those in `unscored`, by reason, are in no other number. `failures` are
    the candidate's replies that were none, by kind. `cost_usd` is the mean of one call.
    """

    task: str
    candidate: str
    window: Window
    n: int
    unscored: dict[str, int]
    agreement: Estimate | None
    agreement_reason: Reason = UNSET
    ceiling: Estimate | None
    ceiling_reason: Reason = UNSET
    agreement_vs_ceiling: Estimate | None
    agreement_vs_ceiling_reason: Reason = UNSET
    regret: Estimate | None
    regret_reason: Reason = UNSET
    net_regret: Estimate | None
    net_regret_reason: Reason = UNSET
    verdict: Verdict
    segments: list[Segment]
    latency_ms: dict[Role, dict[Literal["p50", "p99"], float | None]]
    latency_ms_reason: Reason = UNSET
    cost_usd: dict[Role, float | None]
    cost_usd_reason: Reason = UNSET
    failures: dict[str, int]
    frontier_failures: dict[str, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence file."""

    schema: str = SCHEMA
    generated_at: datetime
    tasks: list[TaskEvidence]


@dataclass(slots=True)
class _Pool:
    """The tally of one segment over all hours and regret sources."""

    tally: Tally = field(default_factory=Tally)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, cell: Cell, tally: Tally) -> None:
        self.tally.merge(tally)
        if tally.regret.n:
            self.sources[cell.source] += tally.regret.n


@dataclass(slots=True)
class _Group:
    """One task and candidate."""

    whole: _Pool = field(default_factory=_Pool)
    segments: dict[tuple[str, str], _Pool] = field(default_factory=dict)
    hours: list[datetime] = field(default_factory=list)


def evidence(tallies: Mapping[Cell, Tally], *, limit: float = LIMIT) -> list[TaskEvidence]:
    """Evidence of every task and candidate in `tallies`, by name.

    Shadow and reverse pairs are taken together: weighted by their chances they speak for all
    of the traffic. Ceiling pairs give their task's ceiling. Cells of the dimension `all` must be
    among the tallies; a candidate without any has no evidence. `limit` is the accepted regret.
    """
    groups: dict[tuple[str, str], _Group] = {}
    ceilings: dict[str, Sums] = {}
    for cell, tally in tallies.items():
        if cell.kind == "ceiling":
            if (cell.dimension, cell.value) == ALL:
                ceilings.setdefault(cell.task, Sums()).merge(tally.agreement)
            continue
        group = groups.setdefault((cell.task, cell.candidate), _Group())
        for name in _segments_of(cell):
            group.segments.setdefault(name, _Pool()).add(cell, tally)
        if (cell.dimension, cell.value) == ALL:
            group.whole.add(cell, tally)
            group.hours.append(cell.hour)
    return [
        _task(task, candidate, group, ceilings.get(task, Sums()), limit)
        for (task, candidate), group in sorted(groups.items())
        if group.hours
    ]


def to_json(tasks: Sequence[TaskEvidence], *, generated_at: datetime | None = None) -> bytes:
    """The evidence file, indented."""
    report = Report(generated_at=generated_at or datetime.now(UTC), tasks=list(tasks))
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _segments_of(cell: Cell) -> tuple[tuple[str, str], ...]:
    if (cell.dimension, cell.value) != ALL:
        return ((cell.dimension, cell.value),)
    return (("hour", f"{cell.hour:%H}:00"), ("weekday", _WEEKDAYS[cell.hour.weekday()]))


def _task(task: str, candidate: str, group: _Group, ceiling: Sums, limit: float) -> TaskEvidence:
    tally = group.whole.tally
    pools = [group.whole, *group.segments.values()]
    whole, *rest = _measured(pools)
    agreement, regret, net_regret = whole
    segments = [
        _segment(name, pool, found, whole, limit)
        for (name, pool), found in zip(group.segments.items(), rest, strict=True)
    ]
    unscored = _counts(tally, "unscored:")
    above = difference(tally.agreement, ceiling)
    latency: dict[Role, dict[Literal["p50", "p99"], float | None]] = {
        role: {"p50": _quantile(tally, role, 0.5), "p99": _quantile(tally, role, 0.99)} for role in _ROLES
    }
    cost = {role: _cost(tally, role) for role in _ROLES}
    return TaskEvidence(
        task=task,
        candidate=candidate,
        window=Window(since=min(group.hours), until=max(group.hours) + timedelta(hours=1)),
        n=tally.pairs,
        unscored=unscored,
        agreement=agreement,
        agreement_reason=_unless(agreement, _NO_SCORE),
        ceiling=estimates([ceiling])[0],
        ceiling_reason=UNSET if ceiling.n else "the frontier was not asked twice",
        agreement_vs_ceiling=above,
        agreement_vs_ceiling_reason=_unless(above, "no ceiling to compare with" if agreement else _NO_SCORE),
        regret=regret,
        regret_reason=_unless(regret, _NO_REGRET),
        net_regret=net_regret,
        net_regret_reason=_unless(net_regret, _NO_REGRET),
        verdict=verdict(tally.pairs, unscored, regret, limit),
        segments=sorted(segments, key=_badness),
        latency_ms=latency,
        latency_ms_reason=_missing("no latency was recorded for", {r: q["p50"] for r, q in latency.items()}),
        cost_usd=cost,
        cost_usd_reason=_missing("no price or token count is known for", cost),
        failures=_failures(tally, "candidate"),
        frontier_failures=_failures(tally, "frontier"),
    )


_Measured: TypeAlias = tuple[Estimate | None, Estimate | None, Estimate | None]


def _measured(pools: Sequence[_Pool]) -> list[_Measured]:
    """Agreement, regret and net regret of each pool, all intervals at once."""
    agreement = estimates([pool.tally.agreement for pool in pools])
    regret = estimates([pool.tally.regret for pool in pools])
    net = net_estimates([pool.tally.regret for pool in pools], [pool.tally.net_regret for pool in pools])
    sourced = [_with_source(found, pool.sources) for found, pool in zip(regret, pools, strict=True)]
    return list(zip(agreement, sourced, net, strict=True))


def _with_source(found: Estimate | None, sources: Counter[str]) -> Estimate | None:
    if found is None:
        return None
    present = {name: sources[name] for name in _SOURCES if sources[name]}
    return msgspec.structs.replace(
        found, source="+".join(present) or None, sources=present if len(present) > 1 else None
    )


def _segment(name: tuple[str, str], pool: _Pool, found: _Measured, whole: _Measured, limit: float) -> Segment:
    agreement, regret, net_regret = found
    return Segment(
        dimension=name[0],
        value=name[1],
        n=pool.tally.pairs,
        agreement=agreement,
        agreement_reason=_unless(agreement, _NO_SCORE),
        regret=regret,
        regret_reason=_unless(regret, _NO_REGRET),
        net_regret=net_regret,
        net_regret_reason=_unless(net_regret, _NO_REGRET),
        flagged=_is_below(agreement, whole[0]) or _is_below(whole[1], regret),
        q_value=None,
        q_value_reason="flags look at each segment by itself; no error rate over all segments is controlled",
        verdict=verdict(pool.tally.pairs, _counts(pool.tally, "unscored:"), regret, limit),
    )


def _is_below(a: Estimate | None, b: Estimate | None) -> bool:
    return a is not None and b is not None and a.high < b.low


def _badness(segment: Segment) -> tuple[float, float, str, str]:
    """Surely bad first: by the bound on the good side, so that thin segments come last."""
    regret = segment.regret.low if segment.regret else 0.0
    agreement = segment.agreement.high if segment.agreement else 1.0
    return (-regret, agreement, segment.dimension, segment.value)


def _counts(tally: Tally, prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in sorted(tally.counts.items()) if name.startswith(prefix)}


def _failures(tally: Tally, role: Role) -> dict[str, int]:
    found = _counts(tally, f"failure:{role}:")
    return dict.fromkeys(_LISTED, 0) | {kind: n for kind, n in found.items() if kind not in _NOT_FAILURES}


def _quantile(tally: Tally, role: Role, q: float) -> float | None:
    value = quantile(tally.histograms.get(f"latency_ms:{role}", {}), q)
    return None if value is None else round(value, 1)


def _cost(tally: Tally, role: Role) -> float | None:
    calls = tally.counts[f"costed:{role}"]
    return tally.counts[f"cost_nanousd:{role}"] / calls / 1e9 if calls else None


def _unless(found: object | None, reason: str) -> Reason:
    return reason if found is None else UNSET


def _missing(what: str, found: Mapping[Role, float | None]) -> Reason:
    roles = [role for role, value in found.items() if value is None]
    return f"{what} the {' and the '.join(roles)}" if roles else UNSET
