"""What a page says when there is nothing to show yet, and what to do about it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard.data.reads import Trouble
from shadow.errors import ShadowError

P = ParamSpec("P")


def show(trouble: Trouble) -> None:
    """A whole page's worth of "not yet": what is missing, and the command that mends it."""
    with st.container(border=True):
        st.subheader(trouble.title)
        st.text(trouble.explanation)
        if trouble.mend:
            st.code(trouble.mend, language="bash", wrap_lines=True)
        st.button("Look again", icon=":material/refresh:")


def nothing(what: str, hint: str = "Choose a longer window, or another task or candidate.") -> None:
    """One part of a page has no data in the chosen window. `what` and `hint` are our own words."""
    st.info(f"{what} {hint}", icon=":material/hourglass_empty:")


def guarded(part: Callable[P, None]) -> Callable[P, None]:
    """`part`, that says so in one line when the database goes away while somebody looks."""

    @wraps(part)
    def show_or_say_why(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            part(*args, **kwargs)
        except ShadowError as fault:
            st.warning("This part could not be read; it is tried again by itself.", icon=":material/cloud_off:")
            st.text(str(fault))

    return show_or_say_why
