"""One folder per page: `page.py` with its `show()`, and beside it what only this page uses."""
