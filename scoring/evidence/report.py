"""Evidence: tallies turned into what people decide on, per task and candidate, worst first.

The structs here are the evidence format, field by field (`shadow.evidence/1`). A number that
cannot be told is null with the reason beside it (`ceiling`, `ceiling_reason`), never 0.

Segments are those that the tallies hold, and two read off the clock: `hour` and `weekday`, in
UTC. They are flagged together, so that few are flagged by mistake (`scoring.evidence.flags`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence import operational
from scoring.evidence.by_unit import UnitEvidence, unit_evidence
from scoring.evidence.estimates import Estimate, difference, estimates, excess, is_binary, is_equal
from scoring.evidence.flags import Flag, Status, flags
from scoring.evidence.judge_trust import JudgeTrust, judge_trust
from scoring.evidence.pools import Group, Measured, Pool, grouped, measured, regret_estimates
from scoring.evidence.verdict import LIMIT, Verdict, verdict
from scoring.evidence.worst_slices import WorstCrossings
from scoring.stats.ceiling import CeilingStatus
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import MICRO, Cell, Sums, Tally
from shadow.aggregates.unit_scores import UnitScoresByCandidate, UnitScoresByMeasure
from shadow.records import RegretSource, Role
from shadow.settings import TaskSettings

SCHEMA: Final = "shadow.evidence/1"

#: Share of flags that may be mistaken, where a task's settings name none.
FALSE_FLAG_RATE: Final = 0.1

_ROLES: Final[tuple[Role, ...]] = ("frontier", "candidate")

_NO_REGRET: Final = "no human label, reference or judge preference"
_NO_SCORE: Final = "no pair could be scored"
_NO_CEILING: Final = "the frontier was not asked twice"

Reason: TypeAlias = str | UnsetType


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The hours the evidence is from: the start of the first and the end of the last, UTC."""

    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")


class Excess(Estimate, frozen=True, kw_only=True):
    """How much more the candidate disagrees with the frontier than the frontier with itself.

    In [-1, 1], from exchanges that both were asked about; `status` says on which side of 0 the
    whole interval lies.
    """

    status: CeilingStatus


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one dimension. `n` counts its pairs, scored or not.

    `status` is `flagged`, `ok` or `not_enough_data`, which is never a pass; `looked_for` says
    what would have flagged it, `q_value` the smallest rate of false flags at which it would be.
    """

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
    q_value: float
    status: Status
    looked_for: str
    verdict: Verdict


class TaskEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one candidate on one task.

    `n` counts pairs; those in `unscored`, by reason, are in no other number. `regret` is that of
    the strongest source that looked at enough pairs; `regret_by_source` holds each by itself.
    `failures` are the candidate's replies that were none, by kind. `cost_usd` is the mean of one
    call. `regret_limit` and `false_flag_rate` are those that verdicts and flags were made with.
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
    excess_disagreement: Excess | None
    excess_disagreement_reason: Reason = UNSET
    regret: Estimate | None
    regret_reason: Reason = UNSET
    net_regret: Estimate | None
    net_regret_reason: Reason = UNSET
    regret_by_source: dict[RegretSource, Estimate]
    net_regret_by_source: dict[RegretSource, Estimate]
    regret_limit: float
    verdict: Verdict
    judge: JudgeTrust | None
    judge_reason: Reason = UNSET
    units: UnitEvidence | None
    units_reason: Reason = UNSET
    segments: list[Segment]
    false_flag_rate: float
    worst_crossings: WorstCrossings | None = None
    worst_crossings_reason: Reason = "crossings were not searched"
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


class _Asked(NamedTuple):
    """What a task's owner decided."""

    limit: float
    false_flag_rate: float


def evidence(
    tallies: Mapping[Cell, Tally],
    *,
    tasks: Mapping[str, TaskSettings] | None = None,
    limit: float = LIMIT,
    units: UnitScoresByCandidate | None = None,
) -> list[TaskEvidence]:
    """Evidence of every task and candidate in `tallies`, by name.

    Shadow and reverse pairs are taken together: weighted by their chances they speak for all
    of the traffic. Ceiling pairs give their task's ceiling, cells of the kind "excess" what the
    candidate's disagreement exceeds it by. Cells of the dimension `all` must be among the
    tallies; a candidate without any has no evidence. `tasks` tell the accepted regret and the
    rate of false flags; a task that is not among them accepts `limit`. `units` holds scores per
    unit, which no tally knows.
    """
    groups, ceilings = grouped(tallies)
    found = []
    for (task, candidate), group in sorted(groups.items()):
        if not group.hours:
            continue
        spec = (tasks or {}).get(task)
        asked = _Asked(spec.regret_limit, spec.false_flag_rate) if spec else _Asked(limit, FALSE_FLAG_RATE)
        per_unit = None if units is None else units.get((task, candidate), {})
        found.append(_task(task, candidate, group, ceilings.get(task, Sums()), asked, per_unit))
    return found


def with_crossings(found: TaskEvidence, crossings: WorstCrossings) -> TaskEvidence:
    """The evidence with what a search for the worst crossings found."""
    return msgspec.structs.replace(found, worst_crossings=crossings, worst_crossings_reason=UNSET)


def to_json(tasks: Sequence[TaskEvidence], *, generated_at: datetime | None = None) -> bytes:
    """The evidence file, indented."""
    report = Report(generated_at=generated_at or datetime.now(UTC), tasks=list(tasks))
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _task(
    task: str, candidate: str, group: Group, ceiling: Sums, asked: _Asked, per_unit: UnitScoresByMeasure | None
) -> TaskEvidence:
    whole, tally = group.whole, group.whole.tally
    pools = list(group.segments.values())
    (agreement, regret, net_regret), *rest = measured([whole, *pools])
    judged = flags(whole, pools, limit=asked.limit, false_flag_rate=asked.false_flag_rate)
    segments = [
        _segment(name, pool, numbers, flag, asked.limit)
        for (name, pool), numbers, flag in zip(group.segments.items(), rest, judged, strict=True)
    ]
    unscored = operational.counted(tally, "unscored:")
    beyond = _excess(group.excess, binary=is_binary(tally.agreement) and is_binary(ceiling))
    above = _mirrored(beyond) if beyond else difference(tally.agreement, ceiling)
    sources = [source for source in SOURCES if source in whole.by_source]
    said = dict(zip(sources, regret_estimates([whole.by_source[source] for source in sources]), strict=True))
    trust = _trust(whole)
    by_unit = unit_evidence(per_unit, whole.primary) if per_unit else None
    latency = {role: operational.latencies(tally, role) for role in _ROLES}
    cost = {role: operational.cost(tally, role) for role in _ROLES}
    return TaskEvidence(
        task=task,
        candidate=candidate,
        window=Window(since=min(group.hours), until=max(group.hours) + timedelta(hours=1)),
        n=tally.pairs,
        unscored=unscored,
        agreement=agreement,
        agreement_reason=_unless(agreement, _NO_SCORE),
        ceiling=estimates([ceiling])[0],
        ceiling_reason=UNSET if ceiling.n else _NO_CEILING,
        agreement_vs_ceiling=above,
        agreement_vs_ceiling_reason=_unless(above, "no ceiling to compare with" if agreement else _NO_SCORE),
        excess_disagreement=beyond,
        excess_disagreement_reason=_unless(beyond, "no exchange was answered by both, the candidate and the frontier"),
        regret=regret,
        regret_reason=_unless(regret, _NO_REGRET),
        net_regret=net_regret,
        net_regret_reason=_unless(net_regret, _NO_REGRET),
        regret_by_source={source: each.of(source) for source, (each, _) in said.items() if each},
        net_regret_by_source={source: each.of(source) for source, (_, each) in said.items() if each},
        regret_limit=asked.limit,
        verdict=verdict(tally.pairs, unscored, regret, asked.limit),
        judge=trust,
        judge_reason=_unless(trust, "no judge has looked"),
        units=by_unit,
        units_reason=_unless(by_unit, "no exchange names its unit" if per_unit is not None else "units were not read"),
        segments=sorted(segments, key=_badness),
        false_flag_rate=asked.false_flag_rate,
        latency_ms=latency,
        latency_ms_reason=_missing("no latency was recorded for", {r: q["p50"] for r, q in latency.items()}),
        cost_usd=cost,
        cost_usd_reason=_missing("no price or token count is known for", cost),
        failures=operational.failures(tally, "candidate"),
        frontier_failures=operational.failures(tally, "frontier"),
    )


def _segment(name: tuple[str, str], pool: Pool, found: Measured, flag: Flag, limit: float) -> Segment:
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
        flagged=flag.status == "flagged",
        q_value=float(f"{flag.q_value:.6g}"),
        status=flag.status,
        looked_for=flag.looked_for,
        verdict=verdict(pool.tally.pairs, operational.counted(pool.tally, "unscored:"), regret, limit),
    )


def _excess(sums: Sums, *, binary: bool) -> Excess | None:
    found = excess(sums, binary=binary)
    if found is None:
        return None
    status: CeilingStatus = "worse" if found.low > 0 else "better" if found.high < 0 else "undecided"
    return Excess(estimate=found.estimate, low=found.low, high=found.high, n=found.n, status=status)


def _mirrored(found: Excess) -> Estimate:
    """Agreement above the ceiling is disagreement below it."""
    return Estimate(estimate=0.0 - found.estimate, low=0.0 - found.high, high=0.0 - found.low, n=found.n)


def _trust(whole: Pool) -> JudgeTrust | None:
    """How far the judge can be trusted; None where none has looked."""
    human, judge = whole.by_source.get("human"), whole.by_source.get("judge")
    found = judge_trust(
        whole.tally.counts,
        heaviest=human.regret.heaviest if human else MICRO,
        equal=judge is not None and is_equal(judge.regret),
    )
    return None if found.reason == "no_judge" else found


def _badness(segment: Segment) -> tuple[float, float, str, str]:
    """Surely bad first: by the bound on the good side, so that thin segments come last."""
    regret = segment.regret.low if segment.regret else 0.0
    agreement = segment.agreement.high if segment.agreement else 1.0
    return (-regret, agreement, segment.dimension, segment.value)


def _unless(found: object | None, reason: str) -> Reason:
    return reason if found is None else UNSET


def _missing(what: str, found: Mapping[Role, float | None]) -> Reason:
    roles = [role for role, value in found.items() if value is None]
    return f"{what} the {' and the '.join(roles)}" if roles else UNSET
