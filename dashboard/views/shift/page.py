"""The Shift page: what changed against a reference window, and whether the candidate is worse where traffic grew."""

from datetime import timedelta
from typing import Final, Literal

import streamlit as st

from dashboard.data import windows
from dashboard.data.clamp_time import add_clamped
from dashboard.data.windows import Window
from dashboard.ui import empty_states, filters, help_texts, selection
from dashboard.ui.filters import Scope
from dashboard.ui.text import escape_markdown, interval, percent, q_value, whole
from dashboard.views.shift import charts, reads, tables
from dashboard.views.shift.reads import ShiftDetail
from dashboard.views.shift.tables import Conclusion
from scoring.stats.exploration.shift import MIN_EFFECT

_COLOURS: Final[dict[Conclusion, Literal["red", "green", "gray"]]] = {
    "worse": "red",
    "better": "green",
    "no clear difference": "gray",
    "not enough data": "gray",
}


def show() -> None:
    scope = filters.scope()
    with filters.row():
        reference = _choose_reference(scope)
        words = selection.toggle("texts", "Compare words too", help=_WORDS)
    st.caption(f"Current: {filters.describe(scope.window)}. Reference: {filters.describe(reference)}.")
    if reference.until is None or reference.until <= scope.entry.first_hour:
        empty_states.no_data("There is no data before this window to compare with.", "Choose a shorter window.")
        return
    if windows.overlap(scope.window, reference):
        st.info("The two windows overlap: pairs in both hide a shift.", icon=":material/join_inner:")
    _shifts(scope, reference, words=words)


def _choose_reference(scope: Scope) -> Window:
    choice = selection.switch("against", "Compared with", windows.REFERENCES, help=_REFERENCE)
    if choice != windows.DATES:
        return windows.reference_window(scope.window, choice, first=scope.entry.first_hour, now=scope.now)
    start = (scope.window.since or scope.entry.first_hour).date()
    first, last = add_clamped(start, -timedelta(days=7)), add_clamped(start, -timedelta(days=1))
    return windows.window_of_days(*selection.days("ref_from", "ref_to", first=first, last=last))


@empty_states.show_errors
def _shifts(scope: Scope, reference: Window, *, words: bool) -> None:
    if words:
        with st.spinner("Reading stored requests of both windows …"):
            found = reads.shift_details(scope.task, scope.candidate, scope.window, reference, words=True)
    else:
        found = reads.shift_details(scope.task, scope.candidate, scope.window, reference, words=False)
    computed = [each for each in found if each.shift.effect is not None]
    if not computed:
        empty_states.no_data("One of the two windows has no pairs.")
        return
    with st.container(border=True):
        help_texts.heading("Largest shifts", "shift", "where_more", "text_shift")
        st.vega_lite_chart(charts.effect_sizes(tables.effect_sizes([each.shift for each in computed])))
        st.caption(
            f"Red dashes: effects under {MIN_EFFECT:g} are too small to matter. q is the p-value, corrected for the "
            "number of tests: under 0.05 the shift is beyond chance. Shift explains a change in agreement; it "
            "raises no alarm."
        )
    shifted = [each for each in computed if each.shift.status == "shifted"]
    _details(shifted)
    if not shifted:
        st.success("Nothing shifted that matters.", icon=":material/check:")
    if rest := [each for each in computed if each not in shifted]:
        with st.expander(f"Too small to matter, or within chance ({len(rest)})"):
            _details(rest)


def _details(found: list[ShiftDetail]) -> None:
    for start in range(0, len(found), 2):
        for column, each in zip(st.columns(2), found[start : start + 2], strict=False):
            with column, st.container(border=True):
                _detail(each)


def _detail(found: ShiftDetail) -> None:
    shift = found.shift
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"##### {escape_markdown(shift.name)}", width="content")
        st.badge(tables.STATUSES[shift.status], color="blue" if shift.status == "shifted" else "gray")
    factor = "" if found.factor is None else f" · values typically ×{found.factor:.2f}"
    st.caption(
        f"effect {shift.effect:.3f} · {q_value(shift.q_value)}{factor} · "
        f"n {whole(shift.n_current)} against {whole(shift.n_reference)}"
    )
    if shift.kind == "mix":
        st.vega_lite_chart(charts.mix(tables.mix(found.current, found.reference)))
    elif shift.kind == "numbers":
        st.vega_lite_chart(charts.distribution(tables.densities(found.current, found.reference), title=shift.name))
    else:
        _words(found)
    _candidate_there(found)


def _words(found: ShiftDetail) -> None:
    for title, sign in (("More frequent now", 1), ("Less frequent now", -1)):
        words = [word for word, weight in found.shift.contributions if weight * sign > 0]
        st.caption(title)
        # As plain text: callers wrote these words.
        st.text(", ".join(words) or "–")


def _candidate_there(found: ShiftDetail) -> None:
    """Whether the candidate does worse in what became more frequent."""
    if found.grew_most is None:
        if found.see is not None:
            st.caption(f"For the candidate's scores by length see {escape_markdown(found.see)}.")
        elif found.shift.kind == "numbers":
            st.caption("Agreement and regret are not stored by this value.")
        return
    value, growth = found.grew_most
    if found.shift.kind == "mix":
        st.markdown(f"**Grew most:** {escape_markdown(value)}, +{100 * growth:.1f} points")
    else:
        st.markdown(f"**Strongest word:** {escape_markdown(value)}, in {percent(growth, 0)} of the sampled requests")
    if not found.contrasts:
        st.caption("There are no scores to compare there.")
    for each in found.contrasts:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(
                f"{each.measure.capitalize()} there {percent(each.there.estimate)} "
                f"({interval(each.there.low, each.there.high)}), elsewhere {percent(each.elsewhere.estimate)}",
                width="content",
            )
            st.badge(each.conclusion, color=_COLOURS[each.conclusion])


_REFERENCE: Final = (
    "*The window before* has the same length as the chosen one. *Same weekdays before* is whole weeks earlier, "
    "so that a Monday is compared with a Monday. *Everything before* starts with the first exchange. Or "
    "choose *dates*."
)
_WORDS: Final = (
    "Reads up to 1,000 stored requests of each window, and trains a classifier to tell by their words which window "
    "they are from. Takes a second or two."
)
