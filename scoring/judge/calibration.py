"""A judge compared with people, from the counts of both that rollups keep.

Pairs are chosen for labelling with unequal probability π (half of them from either verdict), so each label
weighs 1/π, as in `scoring.evidence.judge_trust`, from which `shadow report` takes the same figures. The rate
by verdicts and labels together weighs each label with the mean weight of its stratum. That is exact where
the probabilities of being labelled and mirrored did not change in between.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scoring.evidence import judge_trust
from scoring.evidence.judge_trust import PREFERENCES, WORSE
from scoring.stats.judges import JudgeQuality, RaterAgreement
from scoring.stats.two_phase import (
    LabelsNeeded,
    TwoPhaseEstimate,
    labels_needed,
    two_phase_anytime,
    two_phase_interval,
)
from shadow.aggregates.tally import MICRO, Cell, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well a judge agrees with people.

    `table[i][j]` counts labelled pairs with the judge's verdict PREFERENCES[i] and people's label
    PREFERENCES[j]. `agreement` and `quality` are weighted back to the traffic. `regret` is the rate of worse
    pairs by verdicts and labels together, in bounds that are valid under continuous looking, and
    `regret_once` in the narrower bounds for a single look, to which `needed` refers. `reason` says why there
    is nothing to compare yet, else None.
    """

    table: tuple[tuple[int, ...], ...]
    verdicts: int
    labels: int
    unjudged_labels: int
    agreement: RaterAgreement
    quality: JudgeQuality
    regret: TwoPhaseEstimate
    regret_once: TwoPhaseEstimate
    needed: LabelsNeeded
    reason: Literal["no_verdicts", "no_labels"] | None


def calibrate(cells: Mapping[Cell, Tally], *, half_width: float) -> Calibration:
    """The calibration of a task's judge from `cells`: totals, of any hours and candidates.

    `half_width` is that of the interval for which `needed` labels are computed.
    """
    counts: Counter[str] = Counter()
    heaviest = MICRO
    for cell, tally in cells.items():
        counts.update(tally.counts)
        if cell.source == "human":
            heaviest = max(heaviest, tally.regret.heaviest)
    table = np.array([[counts[f"labelled:{verdict}:{label}"] for label in PREFERENCES] for verdict in PREFERENCES])
    weights = np.array(
        [[counts[f"labelled_weight:{verdict}:{label}"] for label in PREFERENCES] for verdict in PREFERENCES]
    )
    labels = int(table.sum())
    both = judge_trust.two_phase(counts)
    return Calibration(
        table=tuple(tuple(int(n) for n in row) for row in table),
        verdicts=both.judged,
        labels=labels,
        unjudged_labels=sum(counts[f"labelled:none:{label}"] for label in PREFERENCES),
        agreement=judge_trust.agreement(counts),
        quality=judge_trust.quality(counts, heaviest=heaviest),
        regret=two_phase_anytime(both, *_by_stratum(table, weights)),
        regret_once=two_phase_interval(both),
        needed=labels_needed(both, half_width),
        reason="no_verdicts" if not both.judged else "no_labels" if not labels else None,
    )


def _by_stratum(table: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The mean probability of a label after the verdict "worse", and after any other; 1 where there are no labels."""
    rows = np.isin(PREFERENCES, WORSE)
    worse, fine = (
        min(1.0, float(table[side].sum() * MICRO / weights[side].sum())) if table[side].any() else 1.0
        for side in (rows, ~rows)
    )
    return worse, fine
