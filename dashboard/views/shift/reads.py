"""Cached reads of the Shift page: rollups for mixes and numbers, a bounded sample of stored requests for words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import streamlit as st

from dashboard.data import cache, measures, regret_tables, shift_tables
from dashboard.data import reads as frames
from dashboard.data.cache import cached, snapshot
from dashboard.data.shift_tables import Contrast
from dashboard.data.state import Window
from scoring.stats.exploration.shift import Shift, mix_shift, ranked
from scoring.stats.exploration.text_shift import text_shift
from shadow.aggregates import derived_dimensions
from shadow.aggregates.tally import Sums
from shadow.store.read import pairs as stored_exchanges

#: Requests of a window whose words are read, and in how many stretches of it they are picked.
MOST_TEXTS: Final = 1_000
_STRETCHES: Final = 10

#: Characters of a request that count; what users paste is longer.
_MOST_CHARACTERS: Final = 2_000

#: Texts change slowly and cost a second or two.
_KEPT_FOR: Final = 300

_WORD: Final = re.compile(r"\w+")

TEXTS: Final = "words of the requests"

_DISTRIBUTIONS: Final = {
    "input_chars": "input length (characters)",
    "output_chars:frontier": "frontier's output length (characters)",
    "output_chars:candidate": "candidate's output length (characters)",
    "latency_ms:frontier": "frontier's latency (ms)",
    "latency_ms:candidate": "candidate's latency (ms)",
}

#: The dimension that says how the candidate does at which length of input.
_BY_DIMENSION: Final = {"input_chars": "input_length"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """One thing that may have shifted, with the counts of both windows where it is counted.

    `grown` is what became more frequent, and `contrasts` how the candidate does there.
    """

    shift: Shift
    current: Mapping[Any, int]
    reference: Mapping[Any, int]
    factor: float | None = None
    grown: tuple[str, float] | None = None
    contrasts: tuple[Contrast, ...] = ()
    see: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sampled:
    """A stored request's words, and how its pair agreed (in sums, for the weights)."""

    text: str
    agreement: float | None
    probability: float


@cached
def moves(task: str, candidate: str, window: Window, reference: Window, *, texts: bool) -> list[Moved]:
    """Everything that may have moved between two windows, the largest effect first; chances corrected together."""
    moved = [*_mixes(task, candidate, window, reference), *_numbers(task, candidate, window, reference)]
    if texts:
        moved.append(_words(task, candidate, window, reference))
    by_name = {each.shift.name: each for each in moved}
    return [replace(by_name[judged.name], shift=judged) for judged in ranked(each.shift for each in moved)]


def _mixes(task: str, candidate: str, window: Window, reference: Window) -> list[Moved]:
    now, then = (cache.segments(task, candidate, each) for each in (window, reference))
    source = regret_tables.pool(now).primary
    dimensions = [frames.dimensions(task, candidate, each) for each in (window, reference)]
    found = []
    for name in dict.fromkeys([*dimensions[0], *dimensions[1], *derived_dimensions.CALENDAR]):
        mix, before = measures.pairs_by_value(now, name), measures.pairs_by_value(then, name)
        shifted = mix_shift(name, mix, before)
        grown = shift_tables.grown(shifted)
        contrasts = shift_tables.contrasts(now, name, grown[0], source) if grown else []
        found.append(Moved(shift=shifted, current=mix, reference=before, grown=grown, contrasts=tuple(contrasts)))
    return found


def _numbers(task: str, candidate: str, window: Window, reference: Window) -> list[Moved]:
    now, then = (cache.distributions(task, candidate, each) for each in (window, reference))
    found = []
    for measure, label in _DISTRIBUTIONS.items():
        histogram, before = shift_tables.histogram(now, measure), shift_tables.histogram(then, measure)
        shifted = shift_tables.numbers(label, histogram, before)
        factor = shift_tables.factor(shifted, histogram, before)
        see = _BY_DIMENSION.get(measure)
        found.append(Moved(shift=shifted, current=histogram, reference=before, factor=factor, see=see))
    return found


@st.cache_data(ttl=_KEPT_FOR, max_entries=50, show_spinner=False)
def _words(task: str, candidate: str, window: Window, reference: Window) -> Moved:
    now, then = (_texts(task, candidate, each) for each in (window, reference))
    shifted = text_shift(TEXTS, [each.text for each in now], [each.text for each in then])
    more = [word for word, weight in shifted.telling if weight > 0]
    moved = Moved(shift=shifted, current={}, reference={})
    if not more:
        return moved
    there, elsewhere = Sums(), Sums()
    for each in now:
        if each.agreement is not None:
            (there if more[0] in _WORD.findall(each.text.lower()) else elsewhere).add(each.agreement, each.probability)
    contrasts = tuple(shift_tables.contrast("agreement", there, elsewhere))
    return replace(moved, grown=(more[0], there.n / max(1, there.n + elsewhere.n)), contrasts=contrasts)


def _texts(task: str, candidate: str, window: Window) -> list[_Sampled]:
    """Requests evenly over the window: a burst at its end must not speak for all of it."""
    known = {each.task: each for each in frames.catalogue()}[task]
    first = window.since or known.first
    last = window.until or datetime.now(first.tzinfo)
    length = (last - first) / _STRETCHES
    found = []
    with snapshot() as connection:
        for index in range(_STRETCHES):
            found += stored_exchanges.find(
                connection, task=task, candidate=candidate, since=first + index * length,
                until=first + (index + 1) * length, limit=MOST_TEXTS // _STRETCHES,
            )  # fmt: skip
    return [
        _Sampled(
            text=measures.last_words(pair.trial.exchange.request, most=_MOST_CHARACTERS),
            agreement=pair.comparison.agreement,
            probability=pair.trial.inclusion_probability,
        )
        for pair in found
        if pair.payload_kept
    ]
