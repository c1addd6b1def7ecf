"""The entry script that Streamlit runs: the list of pages. Start it with `shadow dashboard`."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.data import catalogue
from dashboard.ui import empty_states, navigation
from dashboard.views.confidence import page as confidence
from dashboard.views.exchanges import page as exchanges
from dashboard.views.over_time import page as over_time
from dashboard.views.overview import page as overview
from dashboard.views.regret import page as regret
from dashboard.views.review import page as review
from dashboard.views.segments import page as segments
from dashboard.views.shift import page as shift

#: From a file of this package: Streamlit would fetch an icon by name from a public server.
_ICON: Final = Path(__file__).with_name("icon.svg").read_text(encoding="utf-8")


def main() -> None:
    st.set_page_config(page_title="shadow-regret", page_icon=_ICON, layout="wide")
    st.logo(_ICON, size="small")
    pages = [
        st.Page(overview.show, title="Overview", icon=":material/monitoring:", default=True),
        st.Page(segments.show, title="Segments", icon=":material/segment:", url_path="segments"),
        st.Page(regret.show, title="Regret", icon=":material/trending_down:", url_path="regret"),
        st.Page(over_time.show, title="Over time", icon=":material/schedule:", url_path="time"),
        st.Page(shift.show, title="Shift", icon=":material/compare_arrows:", url_path="shift"),
        st.Page(confidence.show, title="Confidence", icon=":material/psychology:", url_path="confidence"),
        st.Page(exchanges.show, title="Exchanges", icon=":material/forum:", url_path="exchanges"),
        st.Page(review.show, title="Review", icon=":material/rate_review:", url_path="review"),
    ]
    navigation.preselect_from_link()
    page = st.navigation(navigation.register(pages), position="top")
    problem = catalogue.problem()
    if problem is None:
        empty_states.show_errors(page.run)()
    else:
        empty_states.show(problem)


main()
