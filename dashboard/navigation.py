"""Links from one page to another, with the selections that both understand."""

from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

_PAGES: Final = "pages"

#: What goes along from page to page: what is looked at, and when.
_CARRIED: Final = ("task", "candidate", "window", "until", "from", "to")


def offer(pages: list[StreamlitPage]) -> list[StreamlitPage]:
    """Remember the pages of this run, so that views can link to them by title."""
    st.session_state[_PAGES] = {page.title: page for page in pages}
    return pages


def link(title: str, label: str, *, icon: str | None = None, **selections: str) -> None:
    """A link to the page called `title`, where it is part of this dashboard. `label` is our own words."""
    page = st.session_state.get(_PAGES, {}).get(title)
    if page is not None:
        carried = {key: st.query_params[key] for key in _CARRIED if key in st.query_params}
        st.page_link(page, label=label, icon=icon, query_params=carried | selections)
