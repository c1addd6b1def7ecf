"""A judge held against people, from the counts that rollups keep of both.

Labels are given to pairs with unequal probability (half of them to either verdict), so each
weighs 1/π. Of the labels in one cell of judge × human only the number and the summed weight
are kept: each is taken at the mean weight of its cell, which is exact where the chances of
being labelled and mirrored did not change meanwhile.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scoring.stats.judges import JudgeQuality, RaterAgreement, agreement_of_table, judge_quality
from scoring.stats.two_phase import (
    LabelsNeeded,
    TwoPhase,
    TwoPhaseEstimate,
    labels_needed,
    two_phase_interval,
    two_phase_watched,
)
from shadow.records import Preference
from shadow.tally import MICRO, Cell, Tally

PREFERENCES: Final[tuple[Preference, ...]] = ("frontier", "tie", "candidate")
#: The preference that calls the candidate worse.
WORSE: Final[Preference] = "frontier"


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
    for tally in cells.values():
        counts.update(tally.counts)
    table = np.array([[counts[f"labelled:{said}:{truth}"] for truth in PREFERENCES] for said in PREFERENCES])
    weights = np.array([[counts[f"labelled_weight:{said}:{truth}"] for truth in PREFERENCES] for said in PREFERENCES])
    labels = int(table.sum())
    both = _two_phase(counts, table)
    probability = _probabilities(table, weights)
    rows = np.array(PREFERENCES) == WORSE
    return Calibration(
        table=tuple(tuple(int(n) for n in row) for row in table),
        verdicts=both.judged,
        labels=labels,
        unjudged_labels=sum(counts[f"labelled:none:{truth}"] for truth in PREFERENCES),
        agreement=agreement_of_table(weights / MICRO, n=labels),
        quality=_quality(table, probability),
        regret=two_phase_watched(both, *_by_stratum(table, weights, rows)),
        regret_once=two_phase_interval(both),
        needed=labels_needed(both, half_width),
        reason="no_verdicts" if not both.judged else "no_labels" if not labels else None,
    )


def _two_phase(counts: Mapping[str, int], table: np.ndarray) -> TwoPhase:
    """Worse and fine, said by the judge, labelled, and confirmed."""
    rows = np.array(PREFERENCES) == WORSE
    labelled = table.sum(axis=1)
    judged = np.array([counts.get(f"judged:{said}", 0) for said in PREFERENCES])
    # Labels of a pair file's lines may be older than its verdicts; never fewer verdicts than labels.
    judged = np.maximum(judged, labelled)
    return TwoPhase(
        judged_worse=int(judged[rows].sum()),
        judged_fine=int(judged[~rows].sum()),
        labelled_worse=int(labelled[rows].sum()),
        labelled_fine=int(labelled[~rows].sum()),
        worse_of_worse=int(table[np.ix_(rows, rows)].sum()),
        worse_of_fine=int(table[np.ix_(~rows, rows)].sum()),
    )


def _probabilities(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean chance of a label in each cell of the table; 1 where there is none."""
    return np.where(table > 0, np.minimum(1.0, table * MICRO / np.maximum(weights, 1)), 1.0)


def _by_stratum(table: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """The mean chance of a label after "worse", and after anything else."""
    worse, fine = (
        float(_probabilities(table[chosen].sum(keepdims=True), weights[chosen].sum(keepdims=True))[0, 0])
        for chosen in (rows, ~rows)
    )
    return worse, fine


def _quality(table: np.ndarray, probability: np.ndarray) -> JudgeQuality:
    """Sensitivity and specificity for "the candidate is worse", a row for each label."""
    said, truth = np.indices(table.shape)
    worse = PREFERENCES.index(WORSE)
    times = table.ravel()
    return judge_quality(
        human_worse=np.repeat((truth == worse).ravel().astype(float), times),
        judge_worse=np.repeat((said == worse).ravel().astype(float), times),
        inclusion_probabilities=np.repeat(probability.ravel(), times),
    )
