"""A judge held against people, from the counts that rollups keep of both.

Labels are given to pairs with unequal probability (half of them to either verdict), so each
weighs 1/π, as in `scoring.evidence.judge_trust`, which `shadow report` tells the same figures from. The rate by
both together takes each label at the mean weight of its stratum, which is exact where the
chances of being labelled and mirrored did not change meanwhile.
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
    """What is known of a judge.

    `table[i][j]` counts labelled pairs of which the judge said PREFERENCES[i] and people
    PREFERENCES[j]. `agreement` and `quality` are weighted back to the traffic. `regret` is the
    rate of worse pairs by verdicts and labels together, in bounds that hold while watched, and
    `regret_once` the narrower ones for a single look, to which `needed` refers. `reason` says
    why the judge cannot be held against anything yet, else None.
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
    """The judge of the task that `cells` (totals, of any hours and candidates) are about."""
    counts: Counter[str] = Counter()
    heaviest = MICRO
    for cell, tally in cells.items():
        counts.update(tally.counts)
        if cell.source == "human":
            heaviest = max(heaviest, tally.regret.heaviest)
    table = np.array([[counts[f"labelled:{said}:{truth}"] for truth in PREFERENCES] for said in PREFERENCES])
    weights = np.array([[counts[f"labelled_weight:{said}:{truth}"] for truth in PREFERENCES] for said in PREFERENCES])
    labels = int(table.sum())
    both = judge_trust.two_phase(counts)
    return Calibration(
        table=tuple(tuple(int(n) for n in row) for row in table),
        verdicts=both.judged,
        labels=labels,
        unjudged_labels=sum(counts[f"labelled:none:{truth}"] for truth in PREFERENCES),
        agreement=judge_trust.agreement(counts),
        quality=judge_trust.quality(counts, heaviest=heaviest),
        regret=two_phase_anytime(both, *_by_stratum(table, weights)),
        regret_once=two_phase_interval(both),
        needed=labels_needed(both, half_width),
        reason="no_verdicts" if not both.judged else "no_labels" if not labels else None,
    )


def _by_stratum(table: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The mean chance of a label after "worse", and after anything else; 1 where there is none."""
    rows = np.isin(PREFERENCES, WORSE)
    worse, fine = (
        min(1.0, float(table[side].sum() * MICRO / weights[side].sum())) if table[side].any() else 1.0
        for side in (rows, ~rows)
    )
    return worse, fine
