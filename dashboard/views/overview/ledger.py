"""The ledger as two sums that the reader can check: no exchange is lost without being counted."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from dashboard.ui import help_texts
from dashboard.ui.text import escape_markdown, humanize, whole
from shadow.records import INELIGIBLE, is_ineligible
from shadow.store.read.ledger import Ledger

#: Characters of a note that fit on one line below its term.
_LINE: Final = 44


def show(ledger: Ledger) -> None:
    """Accepted = mirrored + dropped;  mirrored = compared + unscored + dead-lettered + expired + in flight.

    Of the unscored, those that no candidate could serve are a term of their own.
    """
    help_texts.heading("Where every exchange went", "ledger")
    ineligible = {name.removeprefix(INELIGIBLE): n for name, n in ledger.unscored.items() if is_ineligible(name)}
    others = {name: n for name, n in ledger.unscored.items() if not is_ineligible(name)}
    dropped, unscored, dead_letters = (sum(each.values()) for each in (ledger.dropped, others, ledger.dead_lettered))
    if ledger.accepted:
        queued = ledger.accepted - ledger.published - dropped
        captured = [("mirrored", ledger.published, ""), ("dropped", dropped, reasons(ledger.dropped))]
        if queued:
            captured.append(("still queued", queued, "in the capturing process"))
        _equation("accepted", ledger.accepted, captured)
    _equation(
        "mirrored",
        ledger.mirrored,
        [
            ("compared", ledger.compared, ""),
            ("unscored", unscored, reasons(others)),
            *([("not eligible", sum(ineligible.values()), reasons(ineligible))] if any(ineligible.values()) else []),
            ("dead-lettered", dead_letters, reasons(ledger.dead_lettered)),
            ("expired", ledger.expired, ""),
            ("in flight", ledger.in_flight, ""),
        ],
    )
    if ledger.mirrored < ledger.published:
        st.caption(f"{whole(ledger.published - ledger.mirrored)} exchanges are on their way through Kafka.")
    elif ledger.mirrored > ledger.published:
        st.caption(
            f"{whole(ledger.mirrored - ledger.published)} exchanges are not in the counts of capture: "
            "replayed, imported, or captured in the last seconds."
        )
    if ledger.sampled_out:
        st.caption(f"Sampling left out {whole(ledger.sampled_out)} further exchanges.")


def reasons(counts: Mapping[str, int]) -> str:
    """`queue full 40, closed 2`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{humanize(reason)} {whole(n)}" for reason, n in ordered if n)


def _equation(name: str, total: int, terms: list[tuple[str, int, str]]) -> None:
    """One sum; each term is (label, n, note)."""
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        _term(name, total, "")
        for index, (label, n, note) in enumerate(terms):
            st.markdown("**+**" if index else "**=**", width="content")
            _term(label, n, note)
        missing = total - sum(n for _, n, _ in terms)
        if missing:
            st.badge(f"does not add up: {missing:+,}", icon=":material/error:", color="red")
        else:
            st.badge("adds up", icon=":material/check:", color="green")


def _term(label: str, n: int, note: str) -> None:
    # A note with many reasons wraps, so that the sum stays on one line.
    with st.container(width="content" if len(note) <= _LINE else 320, gap=None):
        st.markdown(f"**{whole(n)}**", width="content")
        caption = label + (f"  \n{escape_markdown(note)}" if note else "")
        st.caption(caption, width="content" if len(note) <= _LINE else "stretch")
