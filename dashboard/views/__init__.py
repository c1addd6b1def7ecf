"""One file per page; each has `show()`.

Not called `pages`: Streamlit would take every file of a folder of that name for a script.
"""
