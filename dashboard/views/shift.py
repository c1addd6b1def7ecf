"""Shift: how the mix, the lengths and the latencies moved against a reference window."""

import streamlit as st

from dashboard import charts, empty, filters, frames, shift, state
from dashboard.filters import Scope
from dashboard.frames import Moved
from dashboard.text import plain, whole


def show() -> None:
    scope = filters.scope()
    with filters.row():
        against = state.switch("against", "Compared with", (state.BEFORE, state.ALL_BEFORE), help=_AGAINST)
    reference = state.reference(scope.window, against, first=scope.known.first, now=scope.now)
    st.caption(
        f"Current: {filters.describe(scope.window)}. Reference: {filters.describe(reference)}. "
        "Shift explains a change in agreement; by itself it is no alarm."
    )
    if reference.until is None or reference.until <= scope.known.first:
        empty.nothing("There is nothing before this window to compare with.", "Choose a shorter window.")
        return
    _show(scope, reference)


def _show(scope: Scope, reference: state.Window) -> None:
    moves = frames.moves(scope.task, scope.candidate, scope.window, reference)
    told = [moved for moved in moves if moved.effect.size is not None]
    if not told:
        empty.nothing("One of the two windows has no pairs.")
        return
    with st.container(border=True):
        st.markdown("##### What moved most", help=_EFFECT)
        st.altair_chart(charts.effects(shift.sizes([moved.effect for moved in told])))
        st.caption("Bars in grey are within what chance alone gives (the violet tick) at this many pairs.")
    moved_most = [moved for moved in told if is_beyond_chance(moved.effect)]
    _details(moved_most)
    rest = [moved for moved in told if moved not in moved_most]
    if rest:
        with st.expander(f"Within chance ({len(rest)})", expanded=not moved_most):
            _details(rest)


def is_beyond_chance(effect: shift.Effect) -> bool:
    return effect.size is not None and effect.chance is not None and effect.size > effect.chance


def _details(moves: list[Moved]) -> None:
    for start in range(0, len(moves), 2):
        for column, moved in zip(st.columns(2), moves[start : start + 2], strict=False):
            with column, st.container(border=True):
                _detail(moved)


def _detail(moved: Moved) -> None:
    effect = moved.effect
    st.markdown(f"##### {plain(effect.name)}")
    factor = "" if effect.factor is None else f" · values typically ×{effect.factor:.2f}"
    st.caption(f"effect {effect.size:.3f}{factor} · n {whole(effect.n)} against {whole(effect.n_reference)}")
    if moved.is_mix:
        st.altair_chart(charts.mix(shift.mix(moved.current, moved.reference)))
    else:
        st.altair_chart(charts.distribution(shift.densities(moved.current, moved.reference), title=effect.name))


_AGAINST = (
    "The window before has the same length as the chosen one. Everything before reaches back to the first exchange."
)
_EFFECT = (
    "For the mix of a dimension: Jensen-Shannon distance, base 2. For lengths and latencies: the largest gap between "
    "the two cumulative distributions (Kolmogorov). Both are 0 for the same and 1 for nothing in common. The tick is "
    "what two windows of these sizes exceed by chance once in twenty."
)
