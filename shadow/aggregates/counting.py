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
from typing import Final, NamedTuple

from shadow.aggregates import derived_dimensions
from shadow.aggregates.regret_sources import NET, net_by_source
from shadow.aggregates.tally import ALL, Cell, Combination, Tally, bucket, combination, micros, spread, tally_at
from shadow.records import Comparison, Preference, RegretSource, Reply, Role, Trial, candidate_reply, frontier_reply


class _Names:
    """What is counted of one side's replies, by name. Put together once: it is done for every pair."""

    def __init__(self, role: Role) -> None:
        self.failure = f"failure:{role}:"
        self.costed, self.cost_nanousd = f"costed:{role}", f"cost_nanousd:{role}"
        self.graded, self.correct = f"graded:{role}", f"correct:{role}"
        self.latency_ms, self.output_chars = f"latency_ms:{role}", f"output_chars:{role}"


_FRONTIER: Final = _Names("frontier")
_CANDIDATE: Final = _Names("candidate")

#: Stands for the judge's preference in the counts of labels, where no judge has looked.
NO_JUDGE: Final = "none"


class PairFacts(NamedTuple):
    """What both the row and the cells of a pair need to know, worked out once.

    `segments` are declared and derived, `input_chars` the length of what was asked, and `nets`
    the net regret that each source says, strongest first.
    """

    segments: dict[str, str]
    input_chars: int
    nets: dict[RegretSource, float]


def pair_facts(trial: Trial, comparison: Comparison) -> PairFacts:
    input_chars = derived_dimensions.input_characters(trial.exchange.request)
    return PairFacts(_segments(trial, input_chars), input_chars, net_by_source(trial, comparison))


def count(tallies: dict[Cell, Tally], trial: Trial, comparison: Comparison) -> None:
    """Count one scored pair into every cell it belongs to.

    Calendar dimensions are not cells: they are read off `Cell.hour`.
    """
    alone: dict[Combination, Tally] = {}
    count_combination(alone, trial, comparison)
    spread(tallies, alone)


def count_combination(
    combinations: dict[Combination, Tally], trial: Trial, comparison: Comparison, facts: PairFacts | None = None
) -> None:
    """Count one scored pair into the tallies of exactly its segments, to be `spread` later.

    For a batch of pairs with few combinations that is several times faster than `count`.
    """
    segments, input_chars, nets = facts or pair_facts(trial, comparison)
    exchange = trial.exchange
    key = combination(exchange.task, trial.candidate, trial.kind, next(iter(nets), ""), segments, exchange.at)
    tally = tally_at(combinations, key)
    _count_scores(tally, trial, comparison)
    _count_sizes(tally, trial, input_chars)
    if nets:
        for source, regret in _said(trial, nets):
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
    return _segments(trial, derived_dimensions.input_characters(trial.exchange.request))


def _segments(trial: Trial, input_chars: int) -> dict[str, str]:
    declared = {
        name[: derived_dimensions.MAX_VALUE]: value[: derived_dimensions.MAX_VALUE]
        for name, value in islice(trial.exchange.segment.items(), derived_dimensions.MAX_DIMENSIONS)
        if name != ALL[0]  # would be counted among the totals
    }
    return declared | derived_dimensions.derived(trial.exchange.request, input_chars)


def _said(trial: Trial, nets: Mapping[RegretSource, float]) -> Iterator[tuple[RegretSource, Tally]]:
    """What the cells of each source count of a pair."""
    exchange, probability = trial.exchange, trial.inclusion_probability
    judge = exchange.judge if "judge" in nets else None
    for source, net in nets.items():
        if source == "human" and exchange.label is not None:
            yield source, labelled(exchange.label, probability * exchange.label_probability, judge)
        elif source == "judge" and judge is not None:
            yield source, judged(judge, probability * exchange.judge_probability)
        else:
            yield source, _with_regret(Tally(), net, probability)


def _with_regret(tally: Tally, net: float, probability: float) -> Tally:
    tally.regret.add(max(0.0, net), probability)
    tally.net_regret.add(net, probability)
    return tally


def _count_scores(tally: Tally, trial: Trial, comparison: Comparison) -> None:
    tally.pairs += 1
    if comparison.agreement is None:
        tally.counts[f"unscored:{comparison.unscored or 'unknown'}"] += 1
    else:
        tally.agreement.add(comparison.agreement, trial.inclusion_probability)
    _count_reply(tally.counts, _FRONTIER, frontier_reply(trial), comparison.frontier_correct)
    _count_reply(tally.counts, _CANDIDATE, candidate_reply(trial), comparison.candidate_correct)


def _count_reply(counts: Counter[str], names: _Names, reply: Reply, correct: float | None) -> None:
    if reply.failure is not None:
        counts[names.failure + reply.failure] += 1
    if reply.cost_usd is not None:
        counts[names.costed] += 1
        counts[names.cost_nanousd] += round(reply.cost_usd * 1e9)
    if correct is not None:
        counts[names.graded] += 1
        counts[names.correct] += micros(correct)


def _count_sizes(tally: Tally, trial: Trial, input_chars: int) -> None:
    histograms = tally.histograms
    _into(histograms, "input_chars", input_chars)
    for names, reply in ((_FRONTIER, frontier_reply(trial)), (_CANDIDATE, candidate_reply(trial))):
        if reply.latency_ms is not None:
            _into(histograms, names.latency_ms, reply.latency_ms)
        if reply.content is not None:
            _into(histograms, names.output_chars, len(reply.content))


def _into(histograms: dict[str, Counter[int]], measure: str, x: float) -> None:
    if (histogram := histograms.get(measure)) is None:
        histogram = histograms[measure] = Counter()
    histogram[bucket(x)] += 1
