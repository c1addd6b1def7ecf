"""Review: people say which of two replies is better, without knowing whose it is."""

from typing import Final

import streamlit as st

from dashboard.data import config, state
from dashboard.data import reads as frames
from dashboard.data.reads import Known
from dashboard.ui import diff, empty, filters, side_by_side
from dashboard.ui.text import plain, whole
from dashboard.views.review import blind, keys, reviewing
from dashboard.views.review import progress as review_progress
from dashboard.views.review.blind import Choice
from dashboard.views.review.plan import Plan
from dashboard.views.review.review_queue import Desk
from scoring.judge.render import turns
from shadow.store.read.pairs import StoredPair

#: The lower half is about what others do, too.
REFRESH: Final = "15s"

#: Where the session keeps the reviewer's name.
REVIEWER: Final = "reviewer's name"

#: Longer names are cut; a name is for telling people apart.
MOST_NAME: Final = 60

_STYLE: Final = """<style>
.shadow-turn { margin-bottom: 0.5rem; }
.shadow-turn small, .shadow-turn summary { opacity: 0.65; font-size: 0.8rem; }
.shadow-turn summary { cursor: pointer; }
.shadow-turn .shadow-reply { max-height: 18rem; margin-top: 0.15rem; }
</style>"""


@empty.guarded
def show() -> None:
    known, candidate = _what()
    reviewer = _who()
    if reviewer is None:
        return
    if not reviewing.per_day(known.task):
        empty.nothing("No labels are planned for this task.", "Set its `reviews_per_day` in shadow.toml.")
        return
    settled = reviewing.plan(known, candidate)
    keys.listen()
    _desk(known.task, candidate, reviewer, settled)
    _progress(known.task, candidate, settled)


def _what() -> tuple[Known, str]:
    """Let the reader choose what to label. Models stay unnamed: a name would tell what to expect."""
    known = {each.task: each for each in frames.catalogue()}
    named = st.query_params.pop("candidate", None)
    with filters.row():
        chosen = known[state.choose("task", "Task", list(known))]
        which = 0
        if len(chosen.candidates) > 1:
            numbers = [f"{number} of {len(chosen.candidates)}" for number in range(1, len(chosen.candidates) + 1)]
            if named in chosen.candidates:
                st.session_state["pairs"] = numbers[chosen.candidates.index(named)]
            which = numbers.index(
                st.selectbox("Pairs", numbers, key="pairs", help=_WHICH, bind="query-params", width=state.WIDTH)
            )
        candidate = chosen.candidates[which]
        if any(map(config.is_simulated, filter(None, (config.frontier_of(chosen.task), candidate)))):
            st.badge("simulated", icon=":material/science:", color="violet", help="Not all of these models are real.")
        if chosen.task not in config.settings().tasks:
            st.caption("Not in shadow.toml: the defaults hold.", width="content")
    return chosen, candidate


def _who() -> str | None:
    """The reviewer's name; None while it is asked.

    Kept in the session and never in the address: whoever is sent the link would label under it.
    """
    name: str = st.session_state.get(REVIEWER, "")
    if name:
        return name
    with st.container(border=True, width=520):
        st.markdown("##### Who is labelling?")
        st.caption("Your labels are kept under this name. It is not checked: this page has no sign-on.")
        with st.form("who", border=False):
            st.text_input("Your name", key=_TYPED, max_chars=MOST_NAME)
            st.form_submit_button("Start", type="primary", on_click=_introduce)
    return None


def _introduce() -> None:
    st.session_state[REVIEWER] = " ".join(st.session_state[_TYPED].split())[:MOST_NAME]


def _leave() -> None:
    st.session_state.pop(REVIEWER, None)


@st.fragment
@empty.guarded
def _desk(task: str, candidate: str, reviewer: str, settled: Plan) -> None:
    desks: dict[tuple[str, str, str], Desk] = st.session_state.setdefault(_DESKS, {})
    desk = desks.setdefault((task, candidate, reviewer), Desk(reviewer=reviewer))
    pair = reviewing.in_front(desk, task, candidate, settled)
    _today(task, candidate, reviewer)
    if desk.trouble:
        st.error("That did not work.", icon=":material/error:")
        st.text(desk.trouble)
    with st.container(border=True, key="review-card"):
        if pair is None:
            _nothing_left(desk, task, candidate, settled)
        else:
            _pair(pair, desk)
        _actions(desk, task, candidate, labelling=pair is not None)


def _today(task: str, candidate: str, reviewer: str) -> None:
    """One line: how much of the day's plan is done, and by whom."""
    given, planned = reviewing.today(task, candidate), reviewing.per_day(task)
    done = sum(given.values())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(
            min(1.0, done / planned),
            text=f"**{whole(done)}** of {whole(planned)} today · you {whole(given.get(reviewer, 0))}",
        )
        st.caption(f"as **{plain(reviewer)}**", width="content")
        st.button("Not you?", type="tertiary", on_click=_leave)


def _pair(pair: StoredPair, desk: Desk) -> None:
    st.html(side_by_side.STYLE + _STYLE)
    st.caption(f"**What makes a reply better:** {plain(reviewing.rubric(pair.trial.exchange.task))}")
    st.html(diff.conversation(turns(pair.trial.exchange.request)) or "<small>The request holds no text.</small>")
    texts = blind.sides(pair.trial, frontier_left=blind.frontier_is_left(pair.key, desk.reviewer))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        marking = state.toggle("differences", "Mark what differs")
        if texts[0] == texts[1]:
            st.caption("Word for word the same.", width="content")
    if marking:
        pieces = diff.segments(*texts)
    else:
        pieces = [diff.Segment(text=texts[0], differs=False)], [diff.Segment(text=texts[1], differs=False)]
    for column, name, side in zip(st.columns(2), ("Left", "Right"), pieces, strict=True):
        with column:
            st.markdown(f"**{name}**")
            st.html(diff.marked(side))


def _actions(desk: Desk, task: str, candidate: str, *, labelling: bool) -> None:
    """The buttons, each with its key. Their own keys hold the turn: a late press is for a pair that is gone."""
    turn = desk.turn
    if labelling:
        for column, (key, choice, words, shortcut) in zip(st.columns(3), _CHOICES, strict=True):
            column.button(
                words,
                key=f"{key}{turn}",
                shortcut=shortcut,
                width="stretch",
                on_click=_label,
                args=(desk, choice, turn),
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if labelling:
            st.text_input(
                "Note", value=desk.note, key=f"{keys.NOTE}{turn}", label_visibility="collapsed", max_chars=2_000,
                placeholder="N: write a note for this pair, then Enter",
            )  # fmt: skip
            st.button("Skip", key=f"{keys.SKIP}{turn}", shortcut="s", on_click=_skip, args=(desk, turn))
        st.button("Undo", key=f"{keys.UNDO}{turn}", shortcut="u", on_click=_undo, args=(desk, task, candidate, turn))


def _label(desk: Desk, choice: Choice, turn: int) -> None:
    if turn == desk.turn:
        desk.trouble = ""
        reviewing.label(desk, choice, st.session_state.get(f"{keys.NOTE}{turn}") or "")


def _skip(desk: Desk, turn: int) -> None:
    if turn == desk.turn:
        desk.trouble = ""
        desk.skip()


def _undo(desk: Desk, task: str, candidate: str, turn: int) -> None:
    if turn == desk.turn:
        desk.trouble = ""
        reviewing.undo(desk, task, candidate)


def _nothing_left(desk: Desk, task: str, candidate: str, settled: Plan) -> None:
    progress = reviewing.progress(task, candidate, settled.since, dict(settled.probabilities))
    pairs = sum(each.pairs for each in progress.strata.values())
    if desk.skipped:
        st.info(f"All that is left are the {len(desk.skipped)} you skipped.", icon=":material/fast_forward:")
        st.button("Show them again", on_click=desk.look_again)
    elif pairs:
        st.success(
            "Everything that was chosen is labelled. More is chosen as traffic comes in.", icon=":material/check:"
        )
    elif progress.awaiting_judge:
        st.info(
            f"{whole(progress.awaiting_judge)} pairs wait for the judge first: start `shadow judge run`.",
            icon=":material/gavel:",
        )
    else:
        empty.nothing("There is no pair of replies to label yet.", "Both replies have to be there, and be kept.")


@st.fragment(run_every=REFRESH)
@empty.guarded
def _progress(task: str, candidate: str, settled: Plan) -> None:
    review_progress.show(task, candidate, settled)


_TYPED: Final = "typed name"
_DESKS: Final = "desks"

_CHOICES: Final[tuple[tuple[str, Choice, str, str], ...]] = (
    (keys.LEFT, "left", "Left is better", "1"),
    (keys.TIE, "tie", "Tie :gray[0 or]", "t"),
    (keys.RIGHT, "right", "Right is better", "2"),
)
_WHICH: Final = "The small models that want this task, in order of name. They stay unnamed while you label."
