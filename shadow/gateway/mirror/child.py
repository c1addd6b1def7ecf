"""The mirror process: reads what the gateway heard, and publishes it.

python -m shadow.gateway.mirror.child FILE_DESCRIPTOR
"""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Final

from shadow.gateway.mirror import ipc as mirror_link
from shadow.gateway.mirror.exchange import exchange_of
from shadow.gateway.mirror.ipc import Left, Report
from shadow.publisher import Publisher
from shadow.settings import Settings

_REPORT_EVERY_S: Final = 0.25
#: Production comes first: on a busy machine mirroring waits, and catches up later.
_NICENESS: Final = 10
#: What passes here is made, sent and gone, and holds no cycles. Python looks for some after
#: every 700 objects, by default, and again and again through all that waits to be delivered.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 20_000


def serve(connection: socket.socket) -> None:
    """Publish what comes over `connection` until it ends, then what is left, within the drain's deadline."""
    with connection, connection.makefile("rb") as stream:
        orders = mirror_link.frames(stream)
        settings = Settings.model_validate_json(next(orders))
        publisher = Publisher(settings, is_guest=False)
        books = _Books(publisher)
        over = threading.Event()
        reporting = threading.Thread(target=_report, args=(connection, books, over), daemon=True)
        reporting.start()
        for body in orders:
            order = mirror_link.decode_order(body)
            if isinstance(order, Left):
                books.enter(order)
            else:
                for heard in order:
                    publisher.offer(heard.task, heard.size, exchange_of, heard, settings)
        publisher.close()
        over.set()
        reporting.join()


class _Books:
    """The publisher's counts, and the gateway's part in them: never the one without the other."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._left: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()

    def enter(self, left: Left) -> None:
        with self._lock:
            self._publisher.count_elsewhere(left.counts)
            for task, outcomes in left.counts.items():
                self._left[task].update(outcomes)

    def report(self) -> Report:
        with self._lock:
            left = {task: dict(outcomes) for task, outcomes in self._left.items()}
            return Report(counts=self._publisher.counts().counts, left=left)


def _report(connection: socket.socket, books: _Books, over: threading.Event) -> None:
    """Tell the gateway the counts whenever they have changed, and once more at the end."""
    told = None
    last = False
    while not last:
        last = over.wait(_REPORT_EVERY_S)
        report = books.report()
        if report != told:
            told = report
            with suppress(OSError):  # the gateway is gone; what it sent is still delivered
                connection.sendall(b"".join(mirror_link.frame(report)))


def _step_back() -> None:
    """Leave the processor to production wherever both want it, and take little of it."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        with suppress(OSError):  # a container may forbid it
            # However nice, a process takes its share of a busy processor, and keeps one for
            # milliseconds where another wakes up on it. An idle one gives way at once.
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def main() -> None:
    # The end of the connection ends us. Ctrl-C and a service manager's signals reach the whole
    # group, and must not stop us before the gateway's last request is mirrored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _step_back()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
