"""Which of many hypotheses to reject at a controlled false discovery rate: e-BH.

Benjamini and Hochberg's procedure needs p-values that are valid at one look and not too dependent.
Segments overlap (the same exchange is in `locale=de` and `plan=pro`) and are looked at continuously.
The same procedure on e-values keeps the false discovery rate under any dependence and at any time
(Wang & Ramdas, "False discovery rate control with e-values", JRSS B 2022, Theorem 2); the value of an
e-process at any stopping time is an e-value.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.stats.moments import Floats


def e_benjamini_hochberg(e_values: ArrayLike, alpha: float = 0.1) -> NDArray[np.bool_]:
    """The mask of hypotheses to reject, with an expected share of false rejections of at most `alpha`.

    Rejects the k* largest of K e-values, k* = max{k : the k-th largest is at least K/(alpha·k)}.
    The mask has the shape of `e_values`. Raises ValueError for negative or missing e-values and for
    alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), not {alpha}")
    rejected: NDArray[np.bool_] = e_q_values(e_values) <= alpha
    return rejected


def e_q_values(e_values: ArrayLike) -> Floats:
    """For each hypothesis, the smallest alpha in [0, 1] at which e-BH rejects it; 1 if there is none.

    The result has the shape of `e_values`. Raises ValueError for negative or missing e-values.
    """
    e = np.asarray(e_values, dtype=np.float64)
    if not (e >= 0).all():
        raise ValueError("e-values must be numbers of at least 0")
    flat = e.ravel()
    order = np.argsort(-flat, kind="stable")
    ranks = np.arange(1, flat.size + 1)
    with np.errstate(divide="ignore", over="ignore"):
        alone = flat.size / (ranks * flat[order])
    q = np.empty_like(flat)
    # A hypothesis is rejected whenever one with a smaller e-value is.
    q[order] = np.minimum.accumulate(alone[::-1])[::-1]
    bounded: Floats = np.minimum(q, 1.0).reshape(e.shape)
    return bounded
