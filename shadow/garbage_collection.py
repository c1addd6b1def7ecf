"""Python's garbage collector, tuned for processes that make many short-lived objects."""

import gc


def collect_less_often(allocations: int = 50_000) -> None:
    """Look for cycles after so many allocations instead of 700, and never in what exists now.

    Call it once everything is imported. Imported modules stay, and what a batch, a page or an event
    allocates is freed by reference counts; searching both for cycles again and again took a third of a
    scorer's processor time and a sixth of a page's.
    """
    gc.freeze()
    gc.set_threshold(allocations, 20, 20)
