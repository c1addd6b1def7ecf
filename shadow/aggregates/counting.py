"""What a scored pair adds to the tallies, and to which cells.

    the pair itself       agreement, failures, costs, sizes   the cells of its strongest source
    each of its sources   regret, and the preference          the cells of that source
    a pair and a ceiling  excess disagreement                 the cells of the kind "excess"

The agreement and the regret of a pair also count in the bin of its candidate's confidence.

Every number has the weight 1 / the probability of seeing it: that the pair exists, times that its
source was asked. Labels and verdicts that come later are added, and removed, by the same functions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from shadow.aggregates import derived_dimensions
from shadow.aggregates.confidence_bins import bin_of
from shadow.aggregates.counters import UNSCORED, failure_prefix
from shadow.aggregates.derived_dimensions import MAX_DIMENSIONS, MAX_VALUE, input_characters
from shadow.aggregates.regret_sources import NET, net_by_source
from shadow.aggregates.tally import (
    ALL,
    Cell,
    Combination,
    Tally,
    bucket,
    combination,
    hour_of,
    micros,
    spread,
    tally_at,
    utc,
)
from shadow.records import Comparison, Preference, RegretSource, Reply, Role, Trial, candidate_reply


class _Names:
    """The names of what is counted of one side's replies."""

    def __init__(self, role: Role) -> None:
        self.failure = failure_prefix(role)
        self.costed, self.cost_nanousd = f"costed:{role}", f"cost_nanousd:{role}"
        self.graded, self.correct = f"graded:{role}", f"correct:{role}"
        self.latency_ms, self.ttft_ms = f"latency_ms:{role}", f"ttft_ms:{role}"
        self.output_chars = f"output_chars:{role}"


_FRONTIER: Final = _Names("frontier")
_CANDIDATE: Final = _Names("candidate")

#: Number of pairs that are counted together. More would save little more, and would leave more to the end.
_TOGETHER: Final = 64

#: The judge's preference in the counts of labels, for pairs without a verdict.
NO_JUDGE: Final = "none"


class PairFacts(NamedTuple):
    """What both the row and the cells of a pair need, computed once.

    segments     declared and derived; shared between pairs, so it must not be changed
    in_order     the same, in alphabetical order
    input_chars  the length of the request's text
    nets         the net regret by each source, strongest first
    """

    segments: dict[str, str]
    in_order: tuple[tuple[str, str], ...]
    input_chars: int
    nets: dict[RegretSource, float]


Counted: TypeAlias = tuple[Trial, Comparison, PairFacts]

#: Agreement, correctness of the frontier's and of the candidate's reply, net regret by the reference, probability.
_Scores: TypeAlias = tuple[float | None, float | None, float | None, float | None, float]


def pair_facts(trial: Trial, comparison: Comparison) -> PairFacts:
    request = trial.exchange.request
    input_chars = input_characters(request)
    segments, in_order = _all_segments(
        _declared(trial), derived_dimensions.length_bucket(input_chars), bool(request.get("tools"))
    )
    return PairFacts(segments, in_order, input_chars, net_by_source(trial, comparison))


def count(tallies: dict[Cell, Tally], trial: Trial, comparison: Comparison) -> None:
    """Count one scored pair into every cell it belongs to.

    Calendar dimensions have no cells: they are computed from `Cell.hour`.
    """
    combinations: dict[Combination, Tally] = {}
    count_combination(combinations, trial, comparison)
    spread(tallies, combinations)


def count_combination(combinations: dict[Combination, Tally], trial: Trial, comparison: Comparison) -> None:
    """Count one scored pair into the tally of exactly its segments, for a later `spread`.

    For many pairs with few combinations that is several times faster than `count`.
    """
    count_pairs(combinations, [(trial, comparison, pair_facts(trial, comparison))])


def count_pairs(combinations: dict[Combination, Tally], pairs: Iterable[Counted]) -> None:
    """As `count_combination`, for many pairs, which takes a quarter of the time for each."""
    counter = PairCounter(combinations)
    for pair in pairs:
        counter.add(pair)
    counter.finish()


class PairCounter:
    """Counts pairs into the tallies of `combinations`, which are complete after `finish`.

    Pairs with the same segments and hour are counted together, _TOGETHER at a time.
    """

    def __init__(self, combinations: dict[Combination, Tally]) -> None:
        self._combinations = combinations
        self._groups: dict[tuple[object, ...], tuple[Combination, list[Counted]]] = {}

    def add(self, pair: Counted) -> None:
        """Count one pair, now or later."""
        trial, _, facts = pair
        exchange, nets = trial.exchange, facts.nets
        strongest = next(iter(nets)) if nets else ""
        # A plain tuple, which is made and found in half the time of a Combination.
        key = (exchange.task, trial.candidate, trial.kind, strongest, facts.in_order, hour_of(utc(exchange.at)))
        if (found := self._groups.get(key)) is None:
            found = self._groups[key] = Combination._make(key), []
        whole, group = found
        group.append(pair)
        if len(nets) > 1 or strongest not in ("", "reference"):
            for source, regret in _by_source(trial, nets):
                if (source, strongest) != ("reference", "reference"):  # see `_count_group`
                    tally_at(self._combinations, whole._replace(source=source)).merge(regret)
        if len(group) == _TOGETHER:
            self._count(whole, group)

    def finish(self) -> None:
        """Count the pairs that wait for others."""
        for key, group in self._groups.values():
            if group:
                self._count(key, group)

    def _count(self, key: Combination, group: list[Counted]) -> None:
        _count_group(tally_at(self._combinations, key), group, key)
        group.clear()


def count_excess(combinations: dict[Combination, Tally], pairs: Iterable[tuple[Trial, Comparison]]) -> None:
    """Count the excess disagreement of the trials of one exchange, if there is a scored ceiling among them."""
    scored = [(trial, comparison.agreement) for trial, comparison in pairs if comparison.agreement is not None]
    ceiling = next(((trial, agreement) for trial, agreement in scored if trial.kind == "ceiling"), None)
    if ceiling is None:
        return
    for trial, agreement in scored:
        if trial.kind == "shadow":
            exchange = trial.exchange
            key = combination(exchange.task, trial.candidate, "excess", "", dimensions_of(trial), exchange.at)
            tally_at(combinations, key).merge(excess(agreement, ceiling[1], ceiling[0].inclusion_probability))


def judged(preference: Preference, probability: float, confidence: float | None = None) -> Tally:
    """What a judge's preference adds to the cells of the source `judge`.

    `probability` is that of this verdict: that the pair exists, times that a judge was asked. `confidence` is the
    candidate's.
    """
    tally = Tally(counts=Counter({f"judged:{preference}": 1, f"judged_weight:{preference}": micros(1 / probability)}))
    return _with_regret(tally, NET[preference], probability, confidence)


def labelled(
    preference: Preference, probability: float, judge: Preference | None, confidence: float | None = None
) -> Tally:
    """What people's preference adds to the cells of the source `human`.

    `probability` is that of this label: that the pair exists, times that people were asked. `judge` is
    the judge's preference in the same pair, None without a verdict. `confidence` is the candidate's.
    """
    both = f"{judge or NO_JUDGE}:{preference}"
    tally = Tally(counts=Counter({f"labelled:{both}": 1, f"labelled_weight:{both}": micros(1 / probability)}))
    return _with_regret(tally, NET[preference], probability, confidence)


def excess(agreement: float, ceiling: float, probability: float) -> Tally:
    """What one exchange with a candidate and a ceiling trial adds to the cells of the kind "excess".

    The value counted is in [0, 1]: a half if candidate and ceiling agree with the reply equally well,
    0 if only the ceiling does. `probability` is the ceiling trial's.
    """
    tally = Tally(pairs=1)
    tally.agreement.add((agreement - ceiling + 1) / 2, probability)
    return tally


def dimensions_of(trial: Trial) -> dict[str, str]:
    """Declared and derived segments of a pair, within the limits of `derived_dimensions`."""
    request = trial.exchange.request
    length = derived_dimensions.length_bucket(input_characters(request))
    return dict(_all_segments(_declared(trial), length, bool(request.get("tools")))[0])


def _declared(trial: Trial) -> tuple[tuple[str, str], ...]:
    declared = trial.exchange.segment.items()
    if len(declared) > MAX_DIMENSIONS:
        declared = dict(islice(declared, MAX_DIMENSIONS)).items()
    return tuple([(name[:MAX_VALUE], value[:MAX_VALUE]) for name, value in declared])


@lru_cache(maxsize=4096)
def _all_segments(
    declared: tuple[tuple[str, str], ...], input_length: str, has_tools: bool
) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """Declared and derived segments, as they come and in alphabetical order. Most pairs share them."""
    segments = {name: value for name, value in declared if name != ALL[0]}  # "all" would count as the totals
    segments |= {"input_length": input_length, "has_tools": "yes" if has_tools else "no"}
    return segments, tuple(sorted(segments.items()))


def _by_source(trial: Trial, nets: Mapping[RegretSource, float]) -> Iterator[tuple[RegretSource, Tally]]:
    """What a pair adds to the cells of each of its sources."""
    exchange, probability = trial.exchange, trial.inclusion_probability
    confidence = candidate_reply(trial).confidence
    judge = exchange.judge if "judge" in nets else None
    for source, net in nets.items():
        if source == "human" and exchange.label is not None:
            yield source, labelled(exchange.label, probability * exchange.label_probability, judge, confidence)
        elif source == "judge" and judge is not None:
            yield source, judged(judge, probability * exchange.judge_probability, confidence)
        else:
            yield source, _with_regret(Tally(), net, probability, confidence)


def _with_regret(tally: Tally, net: float, probability: float, confidence: float | None) -> Tally:
    _add_regret(tally, net, probability, 1)
    if confidence is not None:
        _add_regret(tally_at(tally.by_confidence, bin_of(confidence)), net, probability, 1)
    return tally


def _add_regret(tally: Tally, net: float, probability: float, times: int) -> None:
    tally.regret.add(max(0.0, net), probability, times)
    tally.net_regret.add(net, probability, times)


def _count_group(tally: Tally, group: Sequence[Counted], key: Combination) -> None:
    """Count pairs of the combination `key`, with their regret if its source is their references."""
    counts, scores = tally.counts, dict[_Scores, int]()
    unscored: list[str] = []
    reverse = key.kind == "reverse"
    by_reference = key.source == "reference"
    inputs = _histogram(tally, "input_chars")
    tally.pairs += len(group)
    for trial, comparison, facts in group:
        inputs[_bucket_of_length(facts.input_chars)] += 1
        if comparison.agreement is None:
            unscored.append(comparison.unscored or "unknown")
        net = facts.nets["reference"] if by_reference else None
        seen = (
            comparison.agreement, comparison.frontier_correct, comparison.candidate_correct, net,
            trial.inclusion_probability,
        )  # fmt: skip
        scores[seen] = scores.get(seen, 0) + 1
    for reason, n in Counter(unscored).items():
        counts[f"{UNSCORED}{reason}"] += n
    # Most pairs have one of a few scores: equal ones are added at once.
    for (agreement, of_frontier, of_candidate, net, probability), n in scores.items():
        if agreement is not None:
            tally.agreement.add(agreement, probability, n)
        if of_frontier is not None:
            _count_grade(counts, _FRONTIER, of_frontier, n)
        if of_candidate is not None:
            _count_grade(counts, _CANDIDATE, of_candidate, n)
        if net is not None:
            _add_regret(tally, net, probability, n)
    served, asked = (_CANDIDATE, _FRONTIER) if reverse else (_FRONTIER, _CANDIDATE)
    _count_replies(tally, served, [trial.exchange.reply for trial, _, _ in group])
    _count_replies(tally, asked, [trial.reply for trial, _, _ in group])
    for trial, comparison, facts in group:
        candidate = trial.exchange.reply if reverse else trial.reply
        if candidate.confidence is not None:
            _count_confidence(tally, candidate.confidence, comparison.agreement, trial.inclusion_probability)
            if by_reference:
                of_bin = tally_at(tally.by_confidence, bin_of(candidate.confidence))
                _add_regret(of_bin, facts.nets["reference"], trial.inclusion_probability, 1)
        elif candidate.confidence_reason is not None:
            counts[f"no_confidence:{candidate.confidence_reason}"] += 1


def _count_confidence(tally: Tally, confidence: float, agreement: float | None, probability: float) -> None:
    scores = tally_at(tally.by_confidence, bin_of(confidence))
    scores.pairs += 1
    if agreement is not None:
        scores.agreement.add(agreement, probability)


def _count_grade(counts: Counter[str], names: _Names, grade: float, times: int) -> None:
    counts[names.graded] += times
    counts[names.correct] += times * micros(grade)


def _count_replies(tally: Tally, names: _Names, replies: Iterable[Reply]) -> None:
    counts, costed, cost_nanousd = tally.counts, 0, 0
    latencies, ttfts = _histogram(tally, names.latency_ms), _histogram(tally, names.ttft_ms)
    lengths = _histogram(tally, names.output_chars)
    for reply in replies:
        if (failure := reply.failure) is not None:
            counts[names.failure + failure] += 1
        if (cost_usd := reply.cost_usd) is not None:
            costed += 1
            cost_nanousd += round(cost_usd * 1e9)
        if (latency_ms := reply.latency_ms) is not None:
            latencies[bucket(latency_ms)] += 1
        if (ttft_ms := reply.ttft_ms) is not None:
            ttfts[bucket(ttft_ms)] += 1
        if (content := reply.content) is not None:
            lengths[_bucket_of_length(len(content))] += 1
    if costed:
        counts[names.costed] += costed
        counts[names.cost_nanousd] += cost_nanousd
    for measure, histogram in ((names.latency_ms, latencies), (names.ttft_ms, ttfts), (names.output_chars, lengths)):
        if not histogram:
            del tally.histograms[measure]


def _histogram(tally: Tally, measure: str) -> Counter[int]:
    if (found := tally.histograms.get(measure)) is None:
        found = tally.histograms[measure] = Counter()
    return found


#: Lengths repeat, latencies do not.
_bucket_of_length: Final = lru_cache(maxsize=8192)(bucket)
