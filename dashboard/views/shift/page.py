"""Shift: what moved against a reference window, how surely, and whether the candidate is worse where it grew."""

from datetime import timedelta
from typing import Final, Literal

import streamlit as st

from dashboard.data import clamp_time, shift_tables, state
from dashboard.data.shift_tables import Judgement
from dashboard.ui import empty, filters, help_texts
from dashboard.ui.filters import Scope
from dashboard.ui.text import between, percent, plain, whole
from dashboard.views.shift import charts as shift_charts
from dashboard.views.shift import reads as shift_frames
from dashboard.views.shift.reads import Moved
from scoring.stats.exploration.shift import MATTERS

_COLOURS: Final[dict[Judgement, Literal["red", "green", "gray"]]] = {
    "worse": "red",
    "better": "green",
    "no clear difference": "gray",
    "not enough data": "gray",
}


def show() -> None:
    scope = filters.scope()
    with filters.row():
        against = state.switch("against", "Compared with", state.REFERENCES, help=_AGAINST)
        if against == state.DATES:
            first = (scope.window.since or scope.known.first).date()
            suggested = clamp_time.moved(first, -timedelta(days=7)), clamp_time.moved(first, -timedelta(days=1))
            reference = state.window_of_days(*state.days("ref_from", "ref_to", first=suggested[0], last=suggested[1]))
        else:
            reference = state.reference(scope.window, against, first=scope.known.first, now=scope.now)
        texts = state.toggle("texts", "Compare words too", help=_TEXTS)
    st.caption(f"Current: {filters.describe(scope.window)}. Reference: {filters.describe(reference)}.")
    if reference.until is None or reference.until <= scope.known.first:
        empty.nothing("There is nothing before this window to compare with.", "Choose a shorter window.")
        return
    if state.overlap(scope.window, reference):
        st.info("The two windows overlap: pairs in both hide a shift.", icon=":material/join_inner:")
    _show(scope, reference, texts=texts)


@empty.guarded
def _show(scope: Scope, reference: state.Window, *, texts: bool) -> None:
    if texts:
        with st.spinner("Reading stored requests of both windows …"):
            moves = shift_frames.moves(scope.task, scope.candidate, scope.window, reference, texts=True)
    else:
        moves = shift_frames.moves(scope.task, scope.candidate, scope.window, reference, texts=False)
    told = [moved for moved in moves if moved.shift.effect is not None]
    if not told:
        empty.nothing("One of the two windows has no pairs.")
        return
    with st.container(border=True):
        help_texts.heading("What moved most", "shift", "where_more", "text_shift")
        st.vega_lite_chart(shift_charts.effects(shift_tables.sizes([moved.shift for moved in told])))
        st.caption(
            f"Red dashes: effects under {MATTERS:g} are too small to matter. q is the p-value, corrected for the "
            "number of things looked at: under 0.05 it is beyond chance. Shift explains a change in agreement; by "
            "itself it is no alarm."
        )
    shifted = [moved for moved in told if moved.shift.status == "shifted"]
    _details(shifted)
    if not shifted:
        st.success("Nothing shifted that matters.", icon=":material/check:")
    if rest := [moved for moved in told if moved not in shifted]:
        with st.expander(f"Too small to matter, or within chance ({len(rest)})"):
            _details(rest)


def _details(moves: list[Moved]) -> None:
    for start in range(0, len(moves), 2):
        for column, moved in zip(st.columns(2), moves[start : start + 2], strict=False):
            with column, st.container(border=True):
                _detail(moved)


def _detail(moved: Moved) -> None:
    found = moved.shift
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"##### {plain(found.name)}", width="content")
        st.badge(shift_tables.STATUSES[found.status], color="blue" if found.status == "shifted" else "gray")
    factor = "" if moved.factor is None else f" · values typically ×{moved.factor:.2f}"
    st.caption(
        f"effect {found.effect:.3f} · {shift_tables.chance(found.q_value)}{factor} · "
        f"n {whole(found.n_current)} against {whole(found.n_reference)}"
    )
    if found.kind == "mix":
        st.vega_lite_chart(shift_charts.mix(shift_tables.mix(moved.current, moved.reference)))
    elif found.kind == "numbers":
        st.vega_lite_chart(
            shift_charts.distribution(shift_tables.densities(moved.current, moved.reference), title=found.name)
        )
    else:
        _words(moved)
    _where_more(moved)


def _words(moved: Moved) -> None:
    for title, sign in (("More frequent now", 1), ("Less frequent now", -1)):
        words = [word for word, weight in moved.shift.telling if weight * sign > 0]
        st.caption(title)
        # As text: these are words that callers wrote.
        st.text(", ".join(words) or "–")


def _where_more(moved: Moved) -> None:
    """Whether the candidate does worse in what became more frequent."""
    if moved.grown is None:
        if moved.see is not None:
            st.caption(f"How the candidate does at which length: see {plain(moved.see)}.")
        elif moved.shift.kind == "numbers":
            st.caption("Scores are not kept by this figure.")
        return
    value, growth = moved.grown
    if moved.shift.kind == "mix":
        st.markdown(f"**Grew most:** {plain(value)}, +{100 * growth:.1f} points")
    else:
        st.markdown(f"**Tells most:** {plain(value)}, in {percent(growth, 0)} of the sampled requests")
    if not moved.contrasts:
        st.caption("There are no scores to compare there.")
    for each in moved.contrasts:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(
                f"{each.measure.capitalize()} there {percent(each.there.estimate)} "
                f"({between(each.there.low, each.there.high)}), elsewhere {percent(each.elsewhere.estimate)}",
                width="content",
            )
            st.badge(each.judgement, color=_COLOURS[each.judgement])


_AGAINST: Final = (
    "*The window before* has the same length as the chosen one. *Same weekdays before* lies whole weeks earlier, "
    "so that a Monday is compared with a Monday. *Everything before* reaches back to the first exchange. Or "
    "choose *dates*."
)
_TEXTS: Final = (
    "Reads up to 1,000 stored requests of each window and lets a classifier tell them apart by their words. Takes"
    " a second or two."
)
