"""The mirror process: reads captured calls from the gateway, and publishes their exchanges.

python -m shadow.gateway.mirror.child FILE_DESCRIPTOR
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Final

from shadow.garbage_collection import collect_less_often
from shadow.gateway.mirror import ipc
from shadow.gateway.mirror.ipc import LeftOut, Report
from shadow.publisher import Publisher
from shadow.settings import Settings

_REPORT_EVERY_S: Final = 0.25
#: Production comes first: on a busy machine mirroring waits, and catches up later.
_NICENESS: Final = 10
#: Objects live for a moment here and form no cycles. By default Python looks for cycles after every
#: 700 objects, and searches all that is queued for delivery again and again.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 20_000


def serve(connection: socket.socket) -> None:
    """Publish what comes over `connection` until it ends, then drain within the publisher's deadline."""
    with connection, connection.makefile("rb") as stream:
        messages = ipc.read_frames(stream)
        settings = Settings.model_validate_json(next(messages))
        publisher = Publisher(settings, in_application=False)
        counts = _Counts(publisher)
        finished = threading.Event()
        reporting = threading.Thread(target=_report, args=(connection, counts, finished), daemon=True)
        reporting.start()
        for body in messages:
            message = ipc.decode_to_child(body)
            if isinstance(message, LeftOut):
                counts.add(message)
            else:
                for call in message:
                    publisher.offer(call)
        publisher.close()
        finished.set()
        reporting.join()


class _Counts:
    """The publisher's counts together with the gateway's part in them, changed and read under one lock."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._left_out: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()

    def add(self, left_out: LeftOut) -> None:
        with self._lock:
            self._publisher.add_counts(left_out.counts)
            for task, outcomes in left_out.counts.items():
                self._left_out[task].update(outcomes)

    def report(self) -> Report:
        with self._lock:
            left_out = {task: dict(outcomes) for task, outcomes in self._left_out.items()}
            return Report(counts=self._publisher.outcomes(), left_out=left_out)


def _report(connection: socket.socket, counts: _Counts, finished: threading.Event) -> None:
    """Send the counts to the gateway whenever they have changed, and once more at the end."""
    sent = None
    last = False
    while not last:
        last = finished.wait(_REPORT_EVERY_S)
        report = counts.report()
        if report != sent:
            sent = report
            with suppress(OSError):  # the gateway is gone; what it handed over is still delivered
                connection.sendall(b"".join(ipc.frame(report)))


def _lower_priority() -> None:
    """Leave the processor to production wherever both need it, and use little of it."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        with suppress(OSError):  # a container may forbid it
            # However nice, a process gets its share of a busy processor, and keeps one for
            # milliseconds where another process wakes up on it. SCHED_IDLE gives way at once.
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    collect_less_often(_OBJECTS_BETWEEN_COLLECTIONS)


def main() -> None:
    # The end of the connection ends this process. Ctrl-C and a service manager's signals reach the
    # whole process group, and must not stop it before the gateway's last request is mirrored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _lower_priority()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
