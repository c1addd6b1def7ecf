"""Links from one page to another, with the selections that both understand."""

from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard.data import state

_PAGES: Final = "pages"

#: Start of the query parameters of a link. Plain ones would be bound to the widgets of the page that
#: is left, and Streamlit takes those out on the way.
_SHOW: Final = "show_"


def offer(pages: list[StreamlitPage]) -> list[StreamlitPage]:
    """Remember the pages of this run, so that views can link to them by title."""
    st.session_state[_PAGES] = {page.title: page for page in pages}
    return pages


def link(title: str, label: str, *, icon: str | None = None, **selections: str) -> None:
    """A link to the page called `title`, where it is part of this dashboard. `label` is our own words.

    What both pages know is carried along anyway; `selections` are chosen on arrival.
    """
    page = st.session_state.get(_PAGES, {}).get(title)
    if page is not None:
        st.page_link(
            page, label=label, icon=icon, query_params={_SHOW + key: value for key, value in selections.items()}
        )


def arrive() -> None:
    """Choose what the link asked for that led here. Call it before any widget."""
    for name, value in st.query_params.to_dict().items():
        if name.startswith(_SHOW):
            del st.query_params[name]
            state.preselect(name.removeprefix(_SHOW), value)
