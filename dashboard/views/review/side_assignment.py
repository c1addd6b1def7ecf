"""Which reply stands on which side, so that a reviewer cannot know which model wrote it.

The side is drawn once for each pair and reviewer, by a hash of both: it is the same at every look,
differs between reviewers in half of the cases, and does not depend on the replies. Only the two
texts of a pair go to the browser: no model, time, cost, score or judge's verdict, and no id by which
another page would show them.
"""

from hashlib import blake2b
from typing import Final, Literal, TypeAlias

from dashboard.ui import diff
from shadow.records import Preference, Trial, candidate_reply, frontier_reply
from shadow.store.rows.names import PairKey

#: What a reviewer chooses: which side is better.
Choice: TypeAlias = Literal["left", "tie", "right"]

#: Shown in place of a reply without text.
EMPTY_REPLY: Final = "(This reply is empty.)"


def frontier_is_left(pair: PairKey, reviewer: str) -> bool:
    """True with probability 1/2, and always the same for a pair and reviewer."""
    drawn = repr((pair.task, pair.at.timestamp(), pair.exchange_id, pair.kind, pair.candidate, reviewer))
    return blake2b(drawn.encode(errors="surrogatepass"), digest_size=1, person=b"shadow-sides").digest()[0] % 2 == 0


def side_texts(trial: Trial, *, frontier_left: bool) -> tuple[str, str]:
    """The texts of the left and of the right reply."""
    frontier, candidate = (
        diff.reply_text(reply) or EMPTY_REPLY for reply in (frontier_reply(trial), candidate_reply(trial))
    )
    return (frontier, candidate) if frontier_left else (candidate, frontier)


def to_preference(choice: Choice, *, frontier_left: bool) -> Preference:
    """The model that the reviewer prefers, from the side that they chose."""
    if choice == "tie":
        return "tie"
    return "frontier" if (choice == "left") == frontier_left else "candidate"
