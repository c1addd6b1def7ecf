"""A process that scores the chunks of a pairs file for `shadow replay`.

Not in the package of that command: the process imports this module's packages, and needs no command line.
"""

import pickle
from multiprocessing.connection import Connection

from scoring.replay import Scoring, score
from shadow.garbage_collection import collect_less_often
from shadow.pairs_file import read_chunk


def work(pipe: Connection, how: Scoring) -> None:
    """Score chunks until the other side closes the pipe. Sends an empty message first, when it is ready."""
    collect_less_often()
    try:
        pipe.send_bytes(b"")
        while True:
            batch = score(read_chunk(pipe.recv()), how)
            pipe.send_bytes(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))
    except (EOFError, OSError):
        return
