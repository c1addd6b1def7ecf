"""Links from one page to another, with the selections that both pages have."""

from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard.ui import selection

#: The session key of the pages of this run.
_PAGES: Final = "pages"

#: Start of the query parameters of a link. Plain ones would be bound to the widgets of the page that
#: the reader leaves, and Streamlit removes those on the way.
_PRESELECT: Final = "show_"


def register(pages: list[StreamlitPage]) -> list[StreamlitPage]:
    """`pages`, kept in the session, so that `link` finds them by title."""
    st.session_state[_PAGES] = {page.title: page for page in pages}
    return pages


def link(title: str, label: str, *, icon: str | None = None, **selections: str) -> None:
    """A link to the page called `title`, where the dashboard has it. `label` must be a text of this project.

    Selections that both pages have are carried along anyway; `selections` are set on arrival.
    """
    page = st.session_state.get(_PAGES, {}).get(title)
    if page is not None:
        st.page_link(
            page, label=label, icon=icon, query_params={_PRESELECT + key: value for key, value in selections.items()}
        )


def preselect_from_link() -> None:
    """Set the selections of the link that led here. Call it before any widget."""
    for name, value in st.query_params.to_dict().items():
        if name.startswith(_PRESELECT):
            del st.query_params[name]
            selection.preselect(name.removeprefix(_PRESELECT), value)
