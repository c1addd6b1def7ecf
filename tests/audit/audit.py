"""What the scorers say of generated pairs, counted per scorer and kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scoring.scorers import SCORERS, Uncomparable, Unreadable
from tests.audit.case import Case

#: Largest share of pairs that must not agree and do (or must and do not).
MAX_FALSE_AGREEMENT = 0.001
MAX_FALSE_DISAGREEMENT = 0.02
#: Kinds of which a scorer cannot be sure, so that most are unscored. They may not agree or disagree falsely.
UNSURE = frozenset({("meaning", "rewritten")})


@dataclass
class Count:
    """`differ` and `agree`: pairs that must. Of the latter, `unscored` are no `false_disagreement`."""

    differ: int = 0
    false_agreement: int = 0
    agree: int = 0
    false_disagreement: int = 0
    unscored: int = 0
    examples: list[Case] = field(default_factory=list)


def agreement(case: Case) -> float | None:
    """As the scorer says; None where it cannot read a reply, or cannot tell."""
    scorer = SCORERS[case.scorer]
    try:
        a, b = (scorer.read(reply, {}, case.options) for reply in (case.a, case.b))
        return scorer.agree(a, b, case.options)
    except (Unreadable, Uncomparable):
        return None


def audit(cases: Iterable[Case]) -> dict[tuple[str, str], Count]:
    """Counts by (scorer, kind). Scores between 0 and 1 are agreement only at 1."""
    counts: dict[tuple[str, str], Count] = {}
    for case in cases:
        count = counts.setdefault((case.scorer, case.kind), Count())
        score = agreement(case)
        if case.must_agree:
            count.agree += 1
            count.unscored += score is None
            count.false_disagreement += score is not None and score < 1
            wrong = score is None or score < 1
        else:
            count.differ += 1
            wrong = score is not None and score >= 1
            count.false_agreement += wrong
        if wrong and len(count.examples) < 5:
            count.examples.append(case)
    return counts


def meets_bars(count: Count, *, unsure: int = 0) -> bool:
    """Whether both shares are small enough. `unsure`: unscored pairs that are not counted, see UNSURE."""
    missed = count.false_disagreement + count.unscored - unsure
    return (
        count.false_agreement <= MAX_FALSE_AGREEMENT * count.differ and missed <= MAX_FALSE_DISAGREEMENT * count.agree
    )


def unsure(counts: dict[tuple[str, str], Count], scorer: str) -> int:
    """The unscored pairs of the scorer's kinds in UNSURE."""
    return sum(count.unscored for key, count in counts.items() if key in UNSURE and key[0] == scorer)


def totals(counts: dict[tuple[str, str], Count]) -> dict[str, Count]:
    """Counts by scorer."""
    summed: dict[str, Count] = {}
    for (scorer, _), count in counts.items():
        total = summed.setdefault(scorer, Count())
        for name, value in Counter({k: v for k, v in vars(count).items() if isinstance(v, int)}).items():
            setattr(total, name, getattr(total, name) + value)
    return summed
