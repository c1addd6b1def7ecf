"""Have the texts changed? A classifier tries to distinguish the texts of two windows.

If it can, on texts it was not trained on, the windows differ, and its strongest words show how (the
classifier two-sample test: Lopez-Paz & Oquab, "Revisiting classifier two-sample tests", ICLR 2017).
The classifier is a ridge-penalised logistic regression on hashed words and pairs of words; any
matrix of features, such as embeddings, can be used instead. The p-value compares the scores of
held-out texts by ranks (Mann & Whitney 1947, by scipy).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, log_expit
from scipy.stats import mannwhitneyu

from scoring.stats.exploration.shift import Shift
from scoring.stats.moments import Floats

#: Hash buckets. Two words in one bucket weaken the classifier a little; they cannot cause a shift.
BUCKETS: Final = 1 << 14

#: Maximum number of texts of either window that are used, evenly spaced; more would only take longer.
_MAX_TEXTS: Final = 4_000

#: With fewer texts in a window there is nothing to train and test on.
_MIN_TEXTS: Final = 20

_PENALTY: Final = 1.0

#: A word in fewer texts is typical of a text, not of a window.
_MIN_OCCURRENCES: Final = 5

_WORD: Final = re.compile(r"\w+")


def text_shift(name: str, current: Sequence[str], reference: Sequence[str]) -> Shift:
    """The shift of texts. `contributions` holds the words that distinguish the windows most."""
    now, then = _spaced(current), _spaced(reference)
    shift, weights = feature_shift(name, hashed_ngrams(now), hashed_ngrams(then))
    return replace(
        shift,
        n_current=len(current),
        n_reference=len(reference),
        contributions=() if shift.effect is None else _contributions(weights, [*now, *then]),
    )


def feature_shift(name: str, current: Any, reference: Any) -> tuple[Shift, Floats]:
    """The shift of feature matrices (rows × features, dense or scipy.sparse), and the weight of each feature.

    The effect is None where a window has fewer than 20 rows.
    """
    n, m = current.shape[0], reference.shape[0]
    empty = Shift(name=name, kind="text", effect=None, p_value=None, n_current=n, n_reference=m)
    if min(n, m) < _MIN_TEXTS:
        return empty, np.zeros(current.shape[1])
    rng = np.random.default_rng(0)
    parts = [rng.permutation(size) for size in (n, m)]
    train = [part[: len(part) // 2] for part in parts]
    test = [part[len(part) // 2 :] for part in parts]
    weights = _logistic(current[train[0]], reference[train[1]])
    scores = [np.asarray(rows[part] @ weights).ravel() for rows, part in zip((current, reference), test, strict=True)]
    ranks = mannwhitneyu(scores[0], scores[1], alternative="greater")
    area = float(ranks.statistic) / (scores[0].size * scores[1].size)
    return (
        Shift(
            name=name,
            kind="text",
            effect=max(0.0, 2 * area - 1),
            p_value=float(ranks.pvalue),
            n_current=n,
            n_reference=m,
        ),
        weights,
    )


def hashed_ngrams(texts: Sequence[str]) -> csr_array:
    """A sparse matrix (texts × BUCKETS): one row of unit length per text, for its words and word pairs."""
    rows: list[int] = []
    buckets: list[int] = []
    for row, text in enumerate(texts):
        present = {_bucket(ngram) for ngram in _ngrams(text)}
        rows += [row] * len(present)
        buckets += sorted(present)
    lengths = np.bincount(rows, minlength=len(texts)) if rows else np.zeros(len(texts))
    values = 1 / np.sqrt(np.maximum(lengths, 1))[rows]
    return csr_array((values, (rows, buckets)), shape=(len(texts), BUCKETS))


def _logistic(current: Any, reference: Any) -> Floats:
    """Weights that separate the windows; positive for features of the current one. Without an intercept,
    because ranks do not need one.
    """
    # Both windows have the same weight, however many texts they hold.
    shares = (1 / current.shape[0], 1 / reference.shape[0])
    strength = _PENALTY / (current.shape[0] + reference.shape[0])

    def loss(weights: Floats) -> tuple[float, Floats]:
        up, down = np.asarray(current @ weights).ravel(), np.asarray(reference @ weights).ravel()
        value = -shares[0] * log_expit(up).sum() - shares[1] * log_expit(-down).sum()
        slope = current.T @ (-shares[0] * expit(-up)) + reference.T @ (shares[1] * expit(down))
        return value + strength * weights @ weights / 2, np.asarray(slope).ravel() + strength * weights

    start = np.zeros(current.shape[1])
    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return found


def _contributions(weights: Floats, texts: Sequence[str], most: int = 8) -> tuple[tuple[str, float], ...]:
    """The words that contribute most: those with a large weight that are in many texts."""
    seen = Counter(word for text in texts for word in set(_WORD.findall(text.lower())))
    pull = {word: float(weights[_bucket(word)]) for word, count in seen.items() if count >= _MIN_OCCURRENCES}
    strongest = sorted(pull, key=lambda word: (-abs(pull[word]) * seen[word] ** 0.5, word))[:most]
    return tuple((word, pull[word]) for word in strongest)


def _ngrams(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    yield from words
    yield from (f"{one} {next_}" for one, next_ in pairwise(words))


def _bucket(ngram: str) -> int:
    return crc32(ngram.encode("utf-8", "surrogatepass")) % BUCKETS


def _spaced(texts: Sequence[str]) -> list[str]:
    picked: NDArray[np.int64] = np.linspace(0, len(texts) - 1, min(len(texts), _MAX_TEXTS)).astype(np.int64)
    return [texts[index] for index in picked.tolist()]
