"""Which reply stands on which side, so that nobody who labels can know whose it is.

The side is drawn once for each pair and reviewer, by a hash of both: it is the same at every
look, another for the next reviewer as often as not, and independent of everything about the
replies. Nothing but the two texts of a pair goes to the browser: no model, no time, no cost, no
score, no verdict of a judge, and no id by which another page would show them.
"""

from hashlib import blake2b
from typing import Final, Literal, TypeAlias

from dashboard.ui import diff
from shadow.records import Preference, Trial, candidate_reply, frontier_reply
from shadow.store.rows.names import PairKey

#: What a reviewer says: which side is better.
Choice: TypeAlias = Literal["left", "tie", "right"]

#: What stands where a reply holds nothing to read.
SILENCE: Final = "(This reply is empty.)"


def frontier_is_left(pair: PairKey, reviewer: str) -> bool:
    """A fair coin, thrown once for each pair and reviewer."""
    thrown = repr((pair.task, pair.at.timestamp(), pair.exchange_id, pair.kind, pair.candidate, reviewer))
    return blake2b(thrown.encode(errors="surrogatepass"), digest_size=1, person=b"shadow-sides").digest()[0] % 2 == 0


def sides(trial: Trial, *, frontier_left: bool) -> tuple[str, str]:
    """The texts of the left and of the right reply."""
    frontier, candidate = (diff.readable(reply) or SILENCE for reply in (frontier_reply(trial), candidate_reply(trial)))
    return (frontier, candidate) if frontier_left else (candidate, frontier)


def preference(choice: Choice, *, frontier_left: bool) -> Preference:
    """What a choice between the sides says of the models."""
    if choice == "tie":
        return "tie"
    return "frontier" if (choice == "left") == frontier_left else "candidate"
