"""The Streamlit pages that show where the candidate is worse than the frontier.

app     the entry script that Streamlit runs: the list of pages
launch  starts Streamlit with this project's options; `shadow dashboard` calls it
views/  one folder a page: page, reads, tables, charts
ui/     what several pages show: pickers, charts, texts
data/   what several pages read: the store behind a cache, time windows, tables

Imports run one way: views, then ui, then data. Pages do not import each other.
"""
