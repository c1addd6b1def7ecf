"""What the scorers say of generated pairs, counted per scorer and kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scoring.scorers import SCORERS, Unreadable
from tests.audit.cases import Case

#: Largest share of pairs that must not agree and do (or must and do not).
MAX_FALSE_AGREEMENT = 0.001
MAX_FALSE_DISAGREEMENT = 0.02


@dataclass
class Count:
    """`differ` and `agree`: pairs that must. A pair that must agree and is unscored counts as a false disagreement."""

    differ: int = 0
    false_agreement: int = 0
    agree: int = 0
    false_disagreement: int = 0
    unscored: int = 0
    examples: list[Case] = field(default_factory=list)


def agreement(case: Case) -> float | None:
    """As the scorer says; None where it cannot read a reply."""
    scorer = SCORERS[case.scorer]
    try:
        a, b = (scorer.read(reply, {}, case.options) for reply in (case.a, case.b))
    except Unreadable:
        return None
    return scorer.agree(a, b, case.options)


def audit(cases: Iterable[Case]) -> dict[tuple[str, str], Count]:
    """Counts by (scorer, kind). Scores between 0 and 1 are agreement only at 1."""
    counts: dict[tuple[str, str], Count] = {}
    for case in cases:
        count = counts.setdefault((case.scorer, case.kind), Count())
        score = agreement(case)
        if case.must_agree:
            count.agree += 1
            count.unscored += score is None
            wrong = score is None or score < 1
            count.false_disagreement += wrong
        else:
            count.differ += 1
            wrong = score is not None and score >= 1
            count.false_agreement += wrong
        if wrong and len(count.examples) < 5:
            count.examples.append(case)
    return counts


def totals(counts: dict[tuple[str, str], Count]) -> dict[str, Count]:
    """Counts by scorer."""
    summed: dict[str, Count] = {}
    for (scorer, _), count in counts.items():
        total = summed.setdefault(scorer, Count())
        for name, value in Counter({k: v for k, v in vars(count).items() if isinstance(v, int)}).items():
            setattr(total, name, getattr(total, name) + value)
    return summed
