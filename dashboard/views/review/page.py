"""The Review page: people label which of two replies is better, without knowing which model wrote it."""

from typing import Final

import streamlit as st

from dashboard.data import catalogue, config
from dashboard.ui import diff, empty_states, filters, selection
from dashboard.ui.text import escape_markdown, whole
from dashboard.views.review import keys, labels, progress, reads, side_assignment
from dashboard.views.review.plan import Plan
from dashboard.views.review.review_queue import ReviewQueue
from dashboard.views.review.side_assignment import Choice
from scoring.judge.render import turns
from shadow.store.read.catalogue import TaskEntry
from shadow.store.read.pairs import StoredPair

#: The lower half of the page includes the labels of other reviewers.
REFRESH: Final = "15s"

#: The session key of the reviewer's name.
REVIEWER: Final = "reviewer's name"

#: Longer names are cut; a name only has to tell people apart.
MAX_NAME: Final = 60

_STYLE: Final = """<style>
.shadow-turn { margin-bottom: 0.5rem; }
.shadow-turn small, .shadow-turn summary { opacity: 0.65; font-size: 0.8rem; }
.shadow-turn summary { cursor: pointer; }
.shadow-turn .shadow-reply { max-height: 18rem; margin-top: 0.15rem; }
</style>"""


@empty_states.show_errors
def show() -> None:
    entry, candidate = _choose_task()
    reviewer = _reviewer()
    if reviewer is None:
        return
    if not reads.labels_per_day(entry.task):
        empty_states.no_data("No labels are planned for this task.", "Set its `reviews_per_day` in shadow.toml.")
        return
    plan = reads.plan(entry, candidate)
    keys.add_shortcuts()
    _card(entry.task, candidate, reviewer, plan)
    _progress(entry.task, candidate, plan)


def _choose_task() -> tuple[TaskEntry, str]:
    """Let the reviewer choose a task and one of its candidates. Candidates have numbers: a name would bias them."""
    entries = {entry.task: entry for entry in catalogue.tasks()}
    named = st.query_params.pop("candidate", None)
    with filters.row():
        entry = entries[selection.choose("task", "Task", list(entries))]
        index = 0
        if len(entry.candidates) > 1:
            numbers = [f"{number} of {len(entry.candidates)}" for number in range(1, len(entry.candidates) + 1)]
            if named in entry.candidates:
                st.session_state["pairs"] = numbers[entry.candidates.index(named)]
            index = numbers.index(
                st.selectbox("Pairs", numbers, key="pairs", help=_PAIRS, bind="query-params", width=selection.WIDTH)
            )
        candidate = entry.candidates[index]
        if any(map(config.is_simulated, filter(None, (config.frontier_of(entry.task), candidate)))):
            st.badge(
                "simulated", icon=":material/science:", color="violet", help="At least one of the models is simulated."
            )
        if entry.task not in config.settings().tasks:
            st.caption("Not in shadow.toml: default settings apply.", width="content")
    return entry, candidate


def _reviewer() -> str | None:
    """The reviewer's name; a form and None where it is not known yet.

    Kept in the session and never in the URL: a person who opens a copied link would label under that name.
    """
    name: str = st.session_state.get(REVIEWER, "")
    if name:
        return name
    with st.container(border=True, width=520):
        st.markdown("##### Reviewer")
        st.caption("Your labels are stored under this name. It is not verified: this page has no sign-on.")
        with st.form("reviewer", border=False):
            st.text_input("Your name", key=_NAME_FIELD, max_chars=MAX_NAME)
            st.form_submit_button("Start", type="primary", on_click=_set_reviewer)
    return None


def _set_reviewer() -> None:
    st.session_state[REVIEWER] = " ".join(st.session_state[_NAME_FIELD].split())[:MAX_NAME]


def _clear_reviewer() -> None:
    st.session_state.pop(REVIEWER, None)


@st.fragment
@empty_states.show_errors
def _card(task: str, candidate: str, reviewer: str, plan: Plan) -> None:
    queues: dict[tuple[str, str, str], ReviewQueue] = st.session_state.setdefault(_QUEUES, {})
    queue = queues.setdefault((task, candidate, reviewer), ReviewQueue(reviewer=reviewer))
    pair = labels.current_pair(queue, task, candidate, plan)
    _today(task, candidate, reviewer)
    if queue.error:
        st.error("The action failed.", icon=":material/error:")
        st.text(queue.error)
    with st.container(border=True, key="review-card"):
        if pair is None:
            _none_left(queue, task, candidate, plan)
        else:
            _pair(pair, queue)
        _actions(queue, task, candidate, has_pair=pair is not None)


def _today(task: str, candidate: str, reviewer: str) -> None:
    """One line: how many of the day's planned labels are given, and by whom."""
    given, planned = reads.labels_today(task, candidate), reads.labels_per_day(task)
    done = sum(given.values())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(
            min(1.0, done / planned),
            text=f"**{whole(done)}** of {whole(planned)} labels today · yours: {whole(given.get(reviewer, 0))}",
        )
        st.caption(f"labelling as **{escape_markdown(reviewer)}**", width="content")
        st.button("Change name", type="tertiary", on_click=_clear_reviewer)


def _pair(pair: StoredPair, queue: ReviewQueue) -> None:
    st.html(diff.STYLE + _STYLE)
    st.caption(f"**What makes a reply better:** {escape_markdown(reads.rubric(pair.trial.exchange.task))}")
    st.html(diff.conversation(turns(pair.trial.exchange.request)) or "<small>The request contains no text.</small>")
    frontier_left = side_assignment.frontier_is_left(pair.key, queue.reviewer)
    texts = side_assignment.side_texts(pair.trial, frontier_left=frontier_left)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        marking = selection.toggle("differences", "Mark what differs")
        if texts[0] == texts[1]:
            st.caption("The two replies are identical.", width="content")
    if marking:
        pieces = diff.segments(*texts)
    else:
        pieces = [diff.Segment(text=texts[0], differs=False)], [diff.Segment(text=texts[1], differs=False)]
    for column, name, side in zip(st.columns(2), ("Left", "Right"), pieces, strict=True):
        with column:
            st.markdown(f"**{name}**")
            st.html(diff.marked(side))


def _actions(queue: ReviewQueue, task: str, candidate: str, *, has_pair: bool) -> None:
    """The buttons, each with its shortcut. Their widget keys contain the turn, so a late click is recognised."""
    turn = queue.turn
    if has_pair:
        for column, (key, choice, text, shortcut) in zip(st.columns(3), _CHOICES, strict=True):
            column.button(
                text,
                key=f"{key}{turn}",
                shortcut=shortcut,
                width="stretch",
                on_click=_label,
                args=(queue, choice, turn),
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if has_pair:
            st.text_input(
                "Note", value=queue.note, key=f"{keys.NOTE}{turn}", label_visibility="collapsed", max_chars=2_000,
                placeholder="N: write a note for this pair, then Enter",
            )  # fmt: skip
            st.button("Skip", key=f"{keys.SKIP}{turn}", shortcut="s", on_click=_skip, args=(queue, turn))
        st.button("Undo", key=f"{keys.UNDO}{turn}", shortcut="u", on_click=_undo, args=(queue, task, candidate, turn))


def _label(queue: ReviewQueue, choice: Choice, turn: int) -> None:
    if turn == queue.turn:
        queue.error = ""
        labels.label(queue, choice, st.session_state.get(f"{keys.NOTE}{turn}") or "")


def _skip(queue: ReviewQueue, turn: int) -> None:
    if turn == queue.turn:
        queue.error = ""
        queue.skip()


def _undo(queue: ReviewQueue, task: str, candidate: str, turn: int) -> None:
    if turn == queue.turn:
        queue.error = ""
        labels.undo(queue, task, candidate)


def _none_left(queue: ReviewQueue, task: str, candidate: str, plan: Plan) -> None:
    counted = reads.progress(task, candidate, plan.since, dict(plan.probabilities))
    pairs = sum(each.pairs for each in counted.strata.values())
    if queue.skipped:
        st.info(f"Only pairs that you skipped are left: {len(queue.skipped)}.", icon=":material/fast_forward:")
        st.button("Show skipped pairs", on_click=queue.requeue_skipped)
    elif pairs:
        st.success("All chosen pairs are labelled. More are chosen as traffic comes in.", icon=":material/check:")
    elif counted.awaiting_judge:
        st.info(
            f"{whole(counted.awaiting_judge)} pairs wait for the judge's verdict first: start `shadow judge run`.",
            icon=":material/gavel:",
        )
    else:
        empty_states.no_data(
            "There is no pair of replies to label yet.", "A pair needs two replies whose text is still stored."
        )


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _progress(task: str, candidate: str, plan: Plan) -> None:
    progress.show(task, candidate, plan)


#: The widget key of the name field, and the session key of the review queues.
_NAME_FIELD: Final = "typed name"
_QUEUES: Final = "review queues"

_CHOICES: Final[tuple[tuple[str, Choice, str, str], ...]] = (
    (keys.LEFT, "left", "Left is better", "1"),
    (keys.TIE, "tie", "Tie :gray[0 or]", "t"),
    (keys.RIGHT, "right", "Right is better", "2"),
)
_PAIRS: Final = "The task's candidates, in order of name. Their names are hidden while you label."
