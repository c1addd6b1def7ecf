"""What a publisher does when its process ends or forks."""

import atexit
import os
import sys
import weakref
from contextlib import suppress
from typing import Final, Protocol


class Closable(Protocol):
    """The part of a publisher that is used here."""

    def close(self) -> None: ...
    def after_fork(self) -> None: ...


_publishers: Final[weakref.WeakSet[Closable]] = weakref.WeakSet()


def reset_after_fork(publisher: Closable) -> None:
    """Call `publisher.after_fork` in every child that is forked from now on."""
    _publishers.add(publisher)


def close_at_exit(publisher: Closable) -> None:
    """Close `publisher` when the interpreter ends, before any handler registered until now.

    Exit handlers run last in, first out. A Kafka producer registers its own when it is made,
    which discards what is queued; so this is called again after each.
    """
    atexit.unregister(publisher.close)
    atexit.register(publisher.close)


def close_with_multiprocessing(publisher: Closable) -> None:
    """Close `publisher` with a forked child of `multiprocessing`, which runs no exit handlers."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(publisher, _close_if_alive, args=(weakref.ref(publisher),), exitpriority=10)


def cancel_close_at_exit(publisher: Closable) -> None:
    """`publisher` has been closed already."""
    atexit.unregister(publisher.close)


def _close_if_alive(reference: "weakref.ref[Closable]") -> None:
    if (publisher := reference()) is not None:
        publisher.close()


def _reset_all() -> None:
    for publisher in list(_publishers):
        with suppress(Exception):  # a child must start, whatever the parent was doing
            publisher.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
