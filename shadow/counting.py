"""What of a scored pair is counted, and into which cells.

    the pair itself       agreement, failures, costs, sizes   the cells of its strongest source
    what a source says    regret, and what is known of it     the cells of that source
    two answers alike     excess disagreement                 the cells of the kind "excess"

Every number weighs 1 / the chance of seeing it: that the pair exists, times that its source
was asked. Opinions that come later are counted, and taken back, by the same functions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from shadow import identify
from shadow.records import Comparison, Preference, RegretSource, Reply, Role, Trial, candidate_reply, frontier_reply
from shadow.regret import NET, net_by_source
from shadow.tally import ALL, Cell, Combination, Tally, bucket, combination, micros, spread, tally_at

#: Stands for the judge's preference in the counts of labels, where no judge has looked.
NO_JUDGE: Final = "none"


def count(tallies: dict[Cell, Tally], trial: Trial, comparison: Comparison) -> None:
    """Count one scored pair into every cell it belongs to.

    Calendar dimensions are not cells: they are read off `Cell.hour`.
    """
    alone: dict[Combination, Tally] = {}
    count_combination(alone, trial, comparison)
    spread(tallies, alone)


def count_combination(
    combinations: dict[Combination, Tally],
    trial: Trial,
    comparison: Comparison,
    dimensions: Mapping[str, str] | None = None,
) -> None:
    """Count one scored pair into the tallies of exactly its segments, to be `spread` later.

    For a batch of pairs with few combinations that is several times faster than `count`.
    `dimensions` are the pair's segments, `dimensions_of(trial)` if left out.
    """
    exchange = trial.exchange
    segments = dimensions_of(trial) if dimensions is None else dimensions
    said = dict(_said(trial, comparison))
    strongest = next(iter(said), "")
    key = combination(exchange.task, trial.candidate, trial.kind, strongest, segments, exchange.at)
    tally = tally_at(combinations, key)
    _count_scores(tally, trial, comparison)
    _count_sizes(tally, trial)
    for source, regret in said.items():
        tally_at(combinations, key._replace(source=source)).merge(regret)


def count_excess(combinations: dict[Combination, Tally], pairs: Iterable[tuple[Trial, Comparison]]) -> None:
    """Count what the trials of one exchange say about excess disagreement, if they say anything."""
    scored = [(trial, comparison.agreement) for trial, comparison in pairs if comparison.agreement is not None]
    ceiling = next(((trial, agreement) for trial, agreement in scored if trial.kind == "ceiling"), None)
    if ceiling is None:
        return
    for trial, agreement in scored:
        if trial.kind == "shadow":
            exchange = trial.exchange
            key = combination(exchange.task, trial.candidate, "excess", "", dimensions_of(trial), exchange.at)
            tally_at(combinations, key).merge(excess(agreement, ceiling[1], ceiling[0].inclusion_probability))


def judged(preference: Preference, probability: float) -> Tally:
    """What a judge's preference adds to the cells of the source `judge`.

    `probability` is the chance of this verdict: that the pair exists, times that a judge was asked.
    """
    tally = Tally(counts=Counter({f"judged:{preference}": 1, f"judged_weight:{preference}": micros(1 / probability)}))
    return _with_regret(tally, NET[preference], probability)


def labelled(preference: Preference, probability: float, judge: Preference | None) -> Tally:
    """What people's preference adds to the cells of the source `human`.

    `probability` is the chance of this label: that the pair exists, times that people were asked.
    `judge` is what a judge says of the same pair, None where none has looked.
    """
    both = f"{judge or NO_JUDGE}:{preference}"
    tally = Tally(counts=Counter({f"labelled:{both}": 1, f"labelled_weight:{both}": micros(1 / probability)}))
    return _with_regret(tally, NET[preference], probability)


def excess(agreement: float, ceiling: float, probability: float) -> Tally:
    """What one exchange that both were asked about adds to the cells of the kind "excess".

    Its agreement is in [0, 1]: a half where candidate and ceiling agree with the reply equally
    well, 0 where only the ceiling does. `probability` is the ceiling trial's.
    """
    tally = Tally(pairs=1)
    tally.agreement.add((agreement - ceiling + 1) / 2, probability)
    return tally


def dimensions_of(trial: Trial) -> dict[str, str]:
    """Declared and derived segments of a pair, within the limits on what may be one."""
    declared = {
        name[: identify.MAX_VALUE]: value[: identify.MAX_VALUE]
        for name, value in islice(trial.exchange.segment.items(), identify.MAX_DIMENSIONS)
        if name != ALL[0]  # would be counted among the totals
    }
    return declared | identify.derived(trial.exchange.request)


def _said(trial: Trial, comparison: Comparison) -> Iterator[tuple[RegretSource, Tally]]:
    """What each source says of a pair, strongest first."""
    exchange, probability = trial.exchange, trial.inclusion_probability
    nets = net_by_source(trial, comparison)
    judge = exchange.judge if "judge" in nets else None
    for source, net in nets.items():
        if source == "human" and exchange.label is not None:
            yield source, labelled(exchange.label, probability, judge)
        elif source == "judge" and judge is not None:
            yield source, judged(judge, probability)
        else:
            yield source, _with_regret(Tally(), net, probability)


def _with_regret(tally: Tally, net: float, probability: float) -> Tally:
    tally.regret.add(max(0.0, net), probability)
    tally.net_regret.add(net, probability)
    return tally


def _count_scores(tally: Tally, trial: Trial, comparison: Comparison) -> None:
    counts = tally.counts
    tally.pairs += 1
    if comparison.agreement is None:
        counts[f"unscored:{comparison.unscored or 'unknown'}"] += 1
    else:
        tally.agreement.add(comparison.agreement, trial.inclusion_probability)
    for role, reply, correct in _sides(trial, comparison):
        if reply.failure is not None:
            counts[f"failure:{role}:{reply.failure}"] += 1
        if reply.cost_usd is not None:
            counts[f"costed:{role}"] += 1
            counts[f"cost_nanousd:{role}"] += round(reply.cost_usd * 1e9)
        if correct is not None:
            counts[f"graded:{role}"] += 1
            counts[f"correct:{role}"] += micros(correct)


def _count_sizes(tally: Tally, trial: Trial) -> None:
    _into(tally, "input_chars", identify.input_characters(trial.exchange.request))
    for role, reply in (("frontier", frontier_reply(trial)), ("candidate", candidate_reply(trial))):
        if reply.latency_ms is not None:
            _into(tally, f"latency_ms:{role}", reply.latency_ms)
        if reply.content is not None:
            _into(tally, f"output_chars:{role}", len(reply.content))


def _into(tally: Tally, measure: str, x: float) -> None:
    histogram = tally.histograms.get(measure)
    if histogram is None:
        histogram = tally.histograms[measure] = Counter()
    histogram[bucket(x)] += 1


def _sides(trial: Trial, comparison: Comparison) -> tuple[tuple[Role, Reply, float | None], ...]:
    return (
        ("frontier", frontier_reply(trial), comparison.frontier_correct),
        ("candidate", candidate_reply(trial), comparison.candidate_correct),
    )
