"""Where is the candidate worse? Finds crossings of segments on one half, and confirms them on the other.

The worst of a thousand crossings always looks bad, by chance: if a slice is confirmed on the data
that found it, there is a false finding in 20% of the cases where there is nothing to find. So the
data are split by a hash of the exchange. On one half, all crossings of up to three dimension values
are searched level by level, a crossing only if all its generalisations are frequent (the lattice
of Sagadeeva & Boehm, "SliceLine: fast, linear-algebra-based slice finding for ML model debugging",
SIGMOD 2021, section 3). On the other half, those found are tested like segments: by e-values
against the rest of the traffic, and e-BH.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from scoring.stats.ebh import e_q_values
from scoring.stats.moments import MICRO, Floats, Moments
from scoring.stats.segments import e_values_against_rest

Codes: TypeAlias = NDArray[np.int64]
SliceReason: TypeAlias = Literal["found", "nothing_worse", "not_enough_data"]

MAX_DEPTH: Final = 3

#: Minimum number of rows of a slice in the searched half.
SUPPORT: Final = 30

#: Maximum number of found slices among which distinct ones are chosen.
_MAX_CONSIDERED: Final = 500

#: Crossings are renumbered before a table of them would be larger than the rows.
_MAX_TABLE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A crossing such as {"locale": "de", "length": "long"}, with its figures on the *confirming* half.

    `rate` and `rest` are the mean scores inside and outside, `n` is the number of rows inside.
    """

    where: tuple[tuple[str, str], ...]
    n: int
    rate: float
    rest: float
    e_value: float
    q_value: float
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSearch:
    """The slices found, strongest evidence first; `searched` counts the frequent crossings."""

    slices: tuple[Slice, ...]
    searched: int
    reason: SliceReason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    columns: tuple[int, ...]
    values: tuple[int, ...]
    score: float


def confirming_half(ids: Sequence[str]) -> NDArray[np.bool_]:
    """The mask of rows in the confirming half: about half of them, the same in every run, whole units.

    `ids` are exchange ids, or unit ids where calls of one unit are correlated.
    """
    digests = (blake2b(each.encode("utf-8", "surrogatepass"), digest_size=1, person=b"half").digest() for each in ids)
    return np.array([digest[0] & 1 for digest in digests], dtype=bool)


def find_slices(
    dimensions: Mapping[str, Sequence[str]],
    scores: ArrayLike,
    confirming: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    alpha: float = 0.1,
    support: int = SUPPORT,
    most: int = 10,
) -> SliceSearch:
    """Slices with a higher mean score (regret, disagreement; in [0, 1]) than the rest.

    A row is an exchange; or, with `counts`, a cell of that many exchanges with the given mean
    score. `dimensions` maps a name to the value of each row ("" for none: such rows are
    in no slice of that dimension); `confirming` is the mask of rows kept for confirmation.
    At most `most` slices go to confirmation, at false discovery rate `alpha`. Rows must be
    sampled with equal probability. Raises ValueError for lengths that differ or scores out of range.
    """
    x = np.asarray(scores, dtype=np.float64).ravel()
    n = np.ones_like(x) if counts is None else np.asarray(counts, dtype=np.float64).ravel()
    held = np.asarray(confirming, dtype=bool).ravel()
    if not (x.size == n.size == held.size and all(len(values) == x.size for values in dimensions.values())):
        raise ValueError("scores, counts, confirming and every dimension must have the same length")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("scores must be in [0, 1]")
    names = list(dimensions)
    codes, labels = _coded([dimensions[name] for name in names])
    if n[~held].sum() < 2 * support or n[held].sum() < 2 * support:
        return SliceSearch(slices=(), searched=0, reason="not_enough_data")
    found, searched = _search(codes[:, ~held], x[~held], n[~held], support)
    chosen = _distinct(found, codes[:, ~held], x[~held], n[~held], most)
    slices = _confirm(chosen, codes[:, held], x[held], None if counts is None else n[held], alpha, names, labels)
    reason: SliceReason = "found" if any(each.confirmed for each in slices) else "nothing_worse"
    return SliceSearch(slices=tuple(slices), searched=searched, reason=reason)


def _coded(dimensions: Sequence[Sequence[str]]) -> tuple[Codes, list[list[str]]]:
    """Values as codes in alphabetical order (dimensions × rows; -1 for no value), and the value of each code."""
    codes = np.full((len(dimensions), len(dimensions[0]) if dimensions else 0), -1, dtype=np.int64)
    labels: list[list[str]] = []
    for row, values in zip(codes, dimensions, strict=True):
        known = {value: code for code, value in enumerate(sorted({*values} - {""}))}
        row[:] = [known.get(value, -1) for value in values]
        labels.append(list(known))
    return codes, labels


def _search(codes: Codes, x: Floats, n: Floats, support: int) -> tuple[list[_Found], int]:
    """Every frequent crossing that is worse than average, strongest evidence first; and how many were searched."""
    average = float((x * n).sum() / n.sum())
    frequent: dict[tuple[int, ...], Codes] = {}
    found: list[_Found] = []
    searched = 0
    for depth in range(1, MAX_DEPTH + 1):
        for columns in combinations(range(len(codes)), depth):
            key = _crossing(codes, columns, frequent)
            inside = np.flatnonzero(key >= 0)
            size = np.bincount(key[inside], weights=n[inside])
            total = np.bincount(key[inside], weights=(x * n)[inside])
            large = size >= support
            # Rare crossings leave the lattice here, because their specialisations are rarer still.
            frequent[columns] = np.where(np.append(large, False)[key], key, -1)
            an_example = np.zeros(size.size, dtype=np.int64)
            an_example[key[inside]] = inside
            scores = np.zeros(size.size)
            scores[large] = _evidence(total[large] / size[large], average, size[large].astype(np.float64))
            searched += int(large.sum())
            found += [
                _Found(
                    columns=columns,
                    values=tuple(codes[list(columns), an_example[k]].tolist()),
                    # Rounded, so that the order of addition does not decide between equals.
                    score=round(float(scores[k]), 6),
                )
                for k in np.flatnonzero(scores)
            ]
    # The simplest of equals: further values that all rows of a slice share add no information.
    return sorted(found, key=lambda each: (-each.score, len(each.columns), each.columns, each.values)), searched


def _crossing(codes: Codes, columns: tuple[int, ...], frequent: Mapping[tuple[int, ...], Codes]) -> Codes:
    """The code of each row's crossing of these dimensions; -1 where a generalisation is rare."""
    if len(columns) == 1:
        single: Codes = codes[columns[0]]
        return single
    last = frequent[columns[-1:]]
    key = frequent[columns[:-1]] * (int(last.max(initial=0)) + 1) + last
    rare = np.zeros(key.shape, dtype=bool)
    for general in combinations(columns, len(columns) - 1):
        rare |= frequent[general] < 0
    key[rare] = -1
    if key.max(initial=0) > _MAX_TABLE:
        numbers = np.unique(key[~rare], return_inverse=True)[1].ravel()
        key[~rare] = numbers
    return key


def _evidence(rate: Floats, average: float, n: Floats) -> Floats:
    """N times the Kullback–Leibler divergence of the slice's rate from the average; 0 where it is not worse.

    Grows with how much worse a slice is and with its number of rows.
    """
    divergence = rel_entr(rate, average) + rel_entr(1 - rate, 1 - average)
    scores: Floats = np.where((rate > average) & np.isfinite(divergence), n * divergence, 0.0)
    return scores


def _distinct(found: Sequence[_Found], codes: Codes, x: Floats, n: Floats, most: int) -> list[_Found]:
    """The best slices, without those that are bad only because of rows that they share with better ones."""
    average = float((x * n).sum() / n.sum())
    chosen: list[_Found] = []
    free = np.ones(x.size, dtype=bool)
    for each in found[:_MAX_CONSIDERED]:
        rows = _rows(each, codes)
        left = rows & free
        size, total = n[left].sum(keepdims=True), (x * n)[left].sum(keepdims=True)
        if _evidence(total / np.maximum(size, 1), average, size)[0] >= each.score / 2:
            chosen.append(each)
            free &= ~rows
        if len(chosen) == most:
            break
    return chosen


def _rows(found: _Found, codes: Codes) -> NDArray[np.bool_]:
    """The mask of the rows in a slice."""
    mask: NDArray[np.bool_] = (codes[list(found.columns)] == np.array(found.values)[:, None]).all(axis=0)
    return mask


def _confirm(
    chosen: Sequence[_Found],
    codes: Codes,
    x: Floats,
    n: Floats | None,
    alpha: float,
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
) -> list[Slice]:
    masks = [_rows(each, codes) for each in chosen]
    inside, outside = (
        [_moments(x[side], None if n is None else n[side]) for side in sides]
        for sides in (masks, [~mask for mask in masks])
    )
    e = e_values_against_rest(inside, outside)
    slices = [
        Slice(
            where=tuple((names[c], labels[c][v]) for c, v in zip(each.columns, each.values, strict=True)),
            n=here.n,
            rate=here.estimate or 0.0,
            rest=there.estimate or 0.0,
            e_value=float(e_value),
            q_value=float(q_value),
            confirmed=bool(q_value <= alpha),
        )
        for each, here, there, e_value, q_value in zip(chosen, inside, outside, e, e_q_values(e), strict=True)
    ]
    return sorted(slices, key=lambda each: -each.e_value)


def _moments(x: Floats, n: Floats | None) -> Moments:
    """The sums of rows; or of cells, whose means are taken for those of 0/1 scores, which is cautious."""
    if n is None:
        return Moments.of(x)
    total, rows = round(MICRO * float((x * n).sum())), round(n.sum())
    total = min(total, rows * MICRO)
    return Moments(
        n=rows,
        total=total,
        squares=total,
        weight=rows * MICRO,
        weight_squares=rows * MICRO,
        weighted=total,
        weighted_squares=total,
    )
