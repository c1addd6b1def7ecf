"""What a page shows when there is no data yet, or no database."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard.data.catalogue import Problem
from shadow.errors import ShadowError

P = ParamSpec("P")


def show(problem: Problem) -> None:
    """A whole page: what is missing, and the command that helps."""
    with st.container(border=True):
        st.subheader(problem.title)
        st.text(problem.explanation)
        if problem.command:
            st.code(problem.command, language="bash", wrap_lines=True)
        st.button("Reload", icon=":material/refresh:")


def no_data(what: str, hint: str = "Choose a longer window, or another task or candidate.") -> None:
    """A message where one part of a page has no data. `what` and `hint` must be texts of this project."""
    st.info(f"{what} {hint}", icon=":material/hourglass_empty:")


def show_errors(part: Callable[P, None]) -> Callable[P, None]:
    """`part` of a page, with a message in its place where it raises ShadowError.

    The database can go away while a page is open.
    """

    @wraps(part)
    def show_part(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            part(*args, **kwargs)
        except ShadowError as error:
            st.warning("This part of the page could not be read.", icon=":material/cloud_off:")
            st.text(str(error))

    return show_part
