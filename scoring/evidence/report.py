"""The evidence per task and candidate, from tallies; worst segment first.

The structs here are the evidence format `shadow.evidence/1`, field by field. A number that cannot be
estimated is null, with the reason beside it (`ceiling`, `ceiling_reason`), never 0.

Segments are those in the tallies, and two that come from the time: `hour` and `weekday`, in UTC.
`scoring.evidence.flags` decides on all of them together, to keep the share of wrong flags small.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence import operational
from scoring.evidence.by_unit import UnitEvidence, unit_evidence
from scoring.evidence.estimates import Estimate, difference, estimates, excess, is_binary, is_equal
from scoring.evidence.flags import Flag, Status, flags
from scoring.evidence.judge_trust import JudgeTrust, judge_trust
from scoring.evidence.operational import FirstToken, Quantile
from scoring.evidence.pools import Group, Measured, Pool, grouped, measured, regret_estimates
from scoring.evidence.verdict import DEFAULT_REGRET_LIMIT, Verdict, verdict
from scoring.evidence.worst_slices import WorstCrossings
from scoring.stats.ceiling import CeilingStatus
from shadow.aggregates import counters
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import MICRO, Cell, Sums, Tally
from shadow.aggregates.unit_scores import UnitScoresByCandidate, UnitScoresByMeasure
from shadow.records import RegretSource, Role
from shadow.settings import TaskSettings

SCHEMA: Final = "shadow.evidence/1"

#: Accepted share of wrong flags for a task without settings.
DEFAULT_FALSE_FLAG_RATE: Final[float] = TaskSettings.model_fields["false_flag_rate"].default

_ROLES: Final[tuple[Role, ...]] = ("frontier", "candidate")

_NO_REGRET: Final = "no human label, reference or judge preference"
_NO_SCORE: Final = "no pair could be scored"
_NO_CEILING: Final = "the frontier was not asked twice"

Reason: TypeAlias = str | UnsetType


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The hours that the evidence covers: the start of the first and the end of the last, UTC."""

    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")


class Excess(Estimate, frozen=True, kw_only=True):
    """How much more the candidate disagrees with the frontier than the frontier with itself.

    In [-1, 1], from exchanges that the candidate answered and the frontier answered twice; `status`
    says on which side of 0 the whole interval lies.
    """

    status: CeilingStatus


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one dimension. `n` counts its pairs, scored or not.

    `status` is `flagged`, `ok` or `not_enough_data`, which is never a pass; `looked_for` says for
    what it would be flagged, `q_value` the smallest false flag rate at which it would be.
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
    """The evidence about one candidate on one task.

    `n` counts pairs; those in `unscored`, by reason, are in no other number but `ineligible`, which counts
    those that the candidate cannot serve (in `unscored` as `ineligible:<reason>`). `regret` is that of
    the strongest source with enough pairs; `regret_by_source` holds the regret of each source.
    `failures` counts the candidate's failed replies by kind, `frontier_failures` the frontier's;
    `asked` counts the pairs for which each model was asked, the denominator of both. `ttft_ms` is the
    time to the first token of replies that were streamed, as trials are. `cost_usd` is the mean cost
    of one call. `regret_limit` and `false_flag_rate` are those behind the verdicts and flags.
    """

    task: str
    candidate: str
    window: Window
    n: int
    unscored: dict[str, int]
    ineligible: dict[str, int]
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
    latency_ms: dict[Role, dict[Quantile, float | None]]
    latency_ms_reason: Reason = UNSET
    ttft_ms: dict[Role, FirstToken]
    ttft_ms_reason: Reason = UNSET
    cost_usd: dict[Role, float | None]
    cost_usd_reason: Reason = UNSET
    failures: dict[str, int]
    frontier_failures: dict[str, int]
    asked: dict[Role, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence file."""

    schema: str = SCHEMA
    generated_at: datetime
    tasks: list[TaskEvidence]


class _Thresholds(NamedTuple):
    """The thresholds that a task's owner chose."""

    limit: float
    false_flag_rate: float


def evidence(
    tallies: Mapping[Cell, Tally],
    *,
    tasks: Mapping[str, TaskSettings] | None = None,
    limit: float = DEFAULT_REGRET_LIMIT,
    units: UnitScoresByCandidate | None = None,
) -> list[TaskEvidence]:
    """Evidence of every task and candidate in `tallies`, by name.

    Shadow and reverse pairs are added up: weighted by 1 / their probability they represent all of
    the traffic. Ceiling pairs give their task's ceiling, cells of the kind "excess" the excess
    disagreement. The tallies must hold cells of the dimension `all`; a candidate without any has no
    evidence. `tasks` gives the regret limit and the false flag rate; a task that is not among them
    has `limit`. `units` holds scores per unit, which tallies do not hold.
    """
    groups, ceilings = grouped(tallies)
    found = []
    for (task, candidate), group in sorted(groups.items()):
        if not group.hours:
            continue
        spec = (tasks or {}).get(task)
        thresholds = (
            _Thresholds(spec.regret_limit, spec.false_flag_rate)
            if spec
            else _Thresholds(limit, DEFAULT_FALSE_FLAG_RATE)
        )
        per_unit = None if units is None else units.get((task, candidate), {})
        found.append(_task(task, candidate, group, ceilings.get(task, Sums()), thresholds, per_unit))
    return found


def with_crossings(found: TaskEvidence, crossings: WorstCrossings) -> TaskEvidence:
    """The evidence with the result of a search for the worst crossings."""
    return msgspec.structs.replace(found, worst_crossings=crossings, worst_crossings_reason=UNSET)


def to_json(tasks: Sequence[TaskEvidence], *, generated_at: datetime | None = None) -> bytes:
    """The evidence file as indented JSON; `generated_at` defaults to now."""
    report = Report(generated_at=generated_at or datetime.now(UTC), tasks=list(tasks))
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _task(
    task: str,
    candidate: str,
    group: Group,
    ceiling: Sums,
    thresholds: _Thresholds,
    per_unit: UnitScoresByMeasure | None,
) -> TaskEvidence:
    whole, tally = group.whole, group.whole.tally
    pools = list(group.segments.values())
    (agreement, regret, net_regret), *rest = measured([whole, *pools])
    segment_flags = flags(whole, pools, limit=thresholds.limit, false_flag_rate=thresholds.false_flag_rate)
    segments = [
        _segment(name, pool, numbers, flag, thresholds.limit)
        for (name, pool), numbers, flag in zip(group.segments.items(), rest, segment_flags, strict=True)
    ]
    unscored = counters.unscored(tally)
    excess_disagreement = _excess(group.excess, binary=is_binary(tally.agreement) and is_binary(ceiling))
    vs_ceiling = _negated(excess_disagreement) if excess_disagreement else difference(tally.agreement, ceiling)
    sources = [source for source in SOURCES if source in whole.by_source]
    by_source = dict(zip(sources, regret_estimates([whole.by_source[source] for source in sources]), strict=True))
    trust = _judge_trust(whole)
    by_unit = unit_evidence(per_unit, whole.primary) if per_unit else None
    latency = {role: operational.latencies(tally, role) for role in _ROLES}
    ttft = {role: operational.first_token(tally, role) for role in _ROLES}
    cost = {role: operational.cost(tally, role) for role in _ROLES}
    return TaskEvidence(
        task=task,
        candidate=candidate,
        window=Window(since=min(group.hours), until=max(group.hours) + timedelta(hours=1)),
        n=tally.pairs,
        unscored=unscored,
        ineligible=counters.ineligible(tally),
        agreement=agreement,
        agreement_reason=_reason_if_none(agreement, _NO_SCORE),
        ceiling=estimates([ceiling])[0],
        ceiling_reason=UNSET if ceiling.n else _NO_CEILING,
        agreement_vs_ceiling=vs_ceiling,
        agreement_vs_ceiling_reason=_reason_if_none(
            vs_ceiling, "no ceiling to compare with" if agreement else _NO_SCORE
        ),
        excess_disagreement=excess_disagreement,
        excess_disagreement_reason=_reason_if_none(
            excess_disagreement, "no exchange was answered by both, the candidate and the frontier"
        ),
        regret=regret,
        regret_reason=_reason_if_none(regret, _NO_REGRET),
        net_regret=net_regret,
        net_regret_reason=_reason_if_none(net_regret, _NO_REGRET),
        regret_by_source={source: each.with_source(source) for source, (each, _) in by_source.items() if each},
        net_regret_by_source={source: each.with_source(source) for source, (_, each) in by_source.items() if each},
        regret_limit=thresholds.limit,
        verdict=verdict(tally.pairs, unscored, regret, thresholds.limit),
        judge=trust,
        judge_reason=_reason_if_none(trust, "no pair was judged"),
        units=by_unit,
        units_reason=_reason_if_none(
            by_unit, "no exchange names its unit" if per_unit is not None else "units were not read"
        ),
        segments=sorted(segments, key=_worst_first),
        false_flag_rate=thresholds.false_flag_rate,
        latency_ms=latency,
        latency_ms_reason=_reason_if_missing("no latency was recorded for", {r: q["p50"] for r, q in latency.items()}),
        ttft_ms=ttft,
        ttft_ms_reason=_reason_if_missing("no reply was streamed by", {role: t.p50 for role, t in ttft.items()}),
        cost_usd=cost,
        cost_usd_reason=_reason_if_missing("no price or token count is known for", cost),
        failures=operational.failures(tally, "candidate"),
        frontier_failures=operational.failures(tally, "frontier"),
        asked={role: counters.asked(tally, role) for role in _ROLES},
    )


def _segment(name: tuple[str, str], pool: Pool, found: Measured, flag: Flag, limit: float) -> Segment:
    agreement, regret, net_regret = found
    return Segment(
        dimension=name[0],
        value=name[1],
        n=pool.tally.pairs,
        agreement=agreement,
        agreement_reason=_reason_if_none(agreement, _NO_SCORE),
        regret=regret,
        regret_reason=_reason_if_none(regret, _NO_REGRET),
        net_regret=net_regret,
        net_regret_reason=_reason_if_none(net_regret, _NO_REGRET),
        flagged=flag.status == "flagged",
        q_value=float(f"{flag.q_value:.6g}"),
        status=flag.status,
        looked_for=flag.looked_for,
        verdict=verdict(pool.tally.pairs, counters.unscored(pool.tally), regret, limit),
    )


def _excess(sums: Sums, *, binary: bool) -> Excess | None:
    found = excess(sums, binary=binary)
    if found is None:
        return None
    status: CeilingStatus = "worse" if found.low > 0 else "better" if found.high < 0 else "undecided"
    return Excess(estimate=found.estimate, low=found.low, high=found.high, n=found.n, status=status)


def _negated(found: Excess) -> Estimate:
    """Agreement relative to the ceiling: excess disagreement with the opposite sign."""
    return Estimate(estimate=0.0 - found.estimate, low=0.0 - found.high, high=0.0 - found.low, n=found.n)


def _judge_trust(whole: Pool) -> JudgeTrust | None:
    """How far the judge can be trusted; None where no pair was judged."""
    human, judge = whole.by_source.get("human"), whole.by_source.get("judge")
    found = judge_trust(
        whole.tally.counts,
        heaviest=human.regret.heaviest if human else MICRO,
        equal=judge is not None and is_equal(judge.regret),
    )
    return None if found.reason == "no_judge" else found


def _worst_first(segment: Segment) -> tuple[float, float, str, str]:
    """Sort key: surely bad segments first, by the bound on the good side, so that thin segments come last."""
    regret = segment.regret.low if segment.regret else 0.0
    agreement = segment.agreement.high if segment.agreement else 1.0
    return (-regret, agreement, segment.dimension, segment.value)


def _reason_if_none(found: object | None, reason: str) -> Reason:
    return reason if found is None else UNSET


def _reason_if_missing(what: str, found: Mapping[Role, float | None]) -> Reason:
    roles = [role for role, value in found.items() if value is None]
    return f"{what} the {' and the '.join(roles)}" if roles else UNSET
