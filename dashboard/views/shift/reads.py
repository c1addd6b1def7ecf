"""Cached reads of the Shift page: rollups for mixes and numbers, a bounded sample of stored requests for words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import streamlit as st

from dashboard.data import cache, catalogue
from dashboard.data.cache import cached, snapshot
from dashboard.data.tables import last_message, pairs_by_value, pool_totals
from dashboard.data.windows import Window
from dashboard.views.shift import tables
from dashboard.views.shift.tables import Contrast
from scoring.stats.exploration.shift import Shift, mix_shift, ranked
from scoring.stats.exploration.text_shift import text_shift
from shadow.aggregates import derived_dimensions
from shadow.aggregates.tally import Sums
from shadow.store.read import pairs as stored_pairs

#: Requests of a window whose words are compared, and the number of equal time slices they are read from.
MAX_REQUESTS: Final = 1_000
_SLICES: Final = 10

#: Characters of a request that are compared; longer ones are mostly pasted documents.
_MAX_CHARACTERS: Final = 2_000

#: Seconds for which the comparison of words is cached: it changes slowly and takes a second or two.
_WORDS_TTL: Final = 300

_WORD: Final = re.compile(r"\w+")

WORDS: Final = "words of the requests"

_HISTOGRAMS: Final = {
    "input_chars": "input length (characters)",
    "output_chars:frontier": "frontier's output length (characters)",
    "output_chars:candidate": "candidate's output length (characters)",
    "latency_ms:frontier": "frontier's latency (ms)",
    "latency_ms:candidate": "candidate's latency (ms)",
    "ttft_ms:frontier": "frontier's time to first token (ms)",
    "ttft_ms:candidate": "candidate's time to first token (ms)",
}

#: The dimension that shows the candidate's scores by a histogram's values.
_BY_DIMENSION: Final = {"input_chars": "input_length"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftDetail:
    """One dimension or number in both windows, with its counts where it has any.

    `grew_most` is what became more frequent, and by how much; `contrasts` compare the candidate's
    scores there with the rest; `see` names the dimension that shows the scores instead.
    """

    shift: Shift
    current: Mapping[Any, int]
    reference: Mapping[Any, int]
    factor: float | None = None
    grew_most: tuple[str, float] | None = None
    contrasts: tuple[Contrast, ...] = ()
    see: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _SampledRequest:
    """A stored request's text, with its pair's agreement and sampling probability."""

    text: str
    agreement: float | None
    probability: float


@cached
def shift_details(task: str, candidate: str, window: Window, reference: Window, *, words: bool) -> list[ShiftDetail]:
    """Everything that is compared between two windows, the largest effect first; p-values corrected together."""
    found = [*_mixes(task, candidate, window, reference), *_numbers(task, candidate, window, reference)]
    if words:
        found.append(_words(task, candidate, window, reference))
    by_name = {each.shift.name: each for each in found}
    return [replace(by_name[shift.name], shift=shift) for shift in ranked(each.shift for each in found)]


def _mixes(task: str, candidate: str, window: Window, reference: Window) -> list[ShiftDetail]:
    now, then = (cache.segments(task, candidate, each) for each in (window, reference))
    source = pool_totals(now).primary
    dimensions = [catalogue.dimensions(task, candidate, each) for each in (window, reference)]
    found = []
    for name in dict.fromkeys([*dimensions[0], *dimensions[1], *derived_dimensions.CALENDAR]):
        current, before = pairs_by_value(now, name), pairs_by_value(then, name)
        shift = mix_shift(name, current, before)
        grew_most = tables.grew_most(shift)
        contrasts = tables.contrasts(now, name, grew_most[0], source) if grew_most else []
        found.append(
            ShiftDetail(shift=shift, current=current, reference=before, grew_most=grew_most, contrasts=tuple(contrasts))
        )
    return found


def _numbers(task: str, candidate: str, window: Window, reference: Window) -> list[ShiftDetail]:
    now, then = (cache.histograms(task, candidate, each) for each in (window, reference))
    found = []
    for measure, label in _HISTOGRAMS.items():
        current, before = tables.histogram(now, measure), tables.histogram(then, measure)
        shift = tables.numbers(label, current, before)
        factor = tables.factor(shift, current, before)
        see = _BY_DIMENSION.get(measure)
        found.append(ShiftDetail(shift=shift, current=current, reference=before, factor=factor, see=see))
    return found


@st.cache_data(ttl=_WORDS_TTL, max_entries=50, show_spinner=False)
def _words(task: str, candidate: str, window: Window, reference: Window) -> ShiftDetail:
    now, then = (_sampled_requests(task, candidate, each) for each in (window, reference))
    shift = text_shift(WORDS, [each.text for each in now], [each.text for each in then])
    more_frequent = [word for word, weight in shift.contributions if weight > 0]
    found = ShiftDetail(shift=shift, current={}, reference={})
    if not more_frequent:
        return found
    strongest = more_frequent[0]
    there, elsewhere = Sums(), Sums()
    for each in now:
        if each.agreement is not None:
            has_word = strongest in _WORD.findall(each.text.lower())
            (there if has_word else elsewhere).add(each.agreement, each.probability)
    contrasts = tuple(tables.contrast("agreement", there, elsewhere))
    share = there.n / max(1, there.n + elsewhere.n)
    return replace(found, grew_most=(strongest, share), contrasts=contrasts)


def _sampled_requests(task: str, candidate: str, window: Window) -> list[_SampledRequest]:
    """Requests evenly over the window, so that a burst at its end does not dominate."""
    entry = {each.task: each for each in catalogue.tasks()}[task]
    first = window.since or entry.first_hour
    last = window.until or datetime.now(first.tzinfo)
    length = (last - first) / _SLICES
    found = []
    with snapshot() as connection:
        for index in range(_SLICES):
            found += stored_pairs.find(
                connection, task=task, candidate=candidate, since=first + index * length,
                until=first + (index + 1) * length, limit=MAX_REQUESTS // _SLICES,
            )  # fmt: skip
    return [
        _SampledRequest(
            text=last_message(pair.trial.exchange.request, max_length=_MAX_CHARACTERS),
            agreement=pair.comparison.agreement,
            probability=pair.trial.inclusion_probability,
        )
        for pair in found
        if pair.payload_kept
    ]
