"""The pairs that wait for one reviewer: the current one, the next ones, and the skipped ones.

A queue belongs to one open page. It is filled with a few pairs at a time, so that the next one is
there at once, in an order of the reviewer's own: two people who label at the same time would
otherwise always see the same pair.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from shadow.store.feedback.review import ReviewPair
from shadow.store.rows.names import PairKey

#: Pairs fetched at a time.
BATCH: Final = 20


class QueuedPair(NamedTuple):
    """A pair to label, the probability and the stratum it was chosen with.

    `second` where another person labelled it already.
    """

    name: PairKey
    probability: float
    stratum: str
    second: bool = False


@dataclass(kw_only=True, slots=True)
class ReviewQueue:
    """The queue of one reviewer.

    `turn` counts the pairs that were shown, so that a click meant for an earlier pair is recognised.
    `note` is the text that the note field starts with; `error` is what went wrong last.
    """

    reviewer: str
    current: QueuedPair | None = None
    waiting: list[QueuedPair] = field(default_factory=list)
    skipped: list[QueuedPair] = field(default_factory=list)
    turn: int = 0
    note: str = ""
    error: str = ""
    last_was_skip: bool = False

    def refill(self, found: Iterable[ReviewPair]) -> None:
        """Replace the waiting pairs: second opinions first, the rest in this reviewer's own order."""
        skipped = {each.name for each in self.skipped}
        fresh = [
            QueuedPair(each.pair.key, each.probability, each.stratum, each.pair.human is not None)
            for each in found
            if each.pair.key not in skipped
        ]
        self.waiting = sorted(fresh, key=lambda each: (not each.second, _order(each.name, self.reviewer)))

    def advance(self) -> QueuedPair | None:
        """Make the next waiting pair the current one; None where none waits."""
        self.current = self.waiting.pop(0) if self.waiting else None
        self._next_turn()
        return self.current

    def discard_current(self) -> None:
        """Drop the current pair: it can no longer be labelled."""
        self.current = None

    def finish_current(self) -> None:
        """The current pair has its label."""
        self.current = None
        self.last_was_skip = False
        self._next_turn()

    def skip(self) -> None:
        """Move the current pair to the skipped ones."""
        if self.current is not None:
            self.skipped.append(self.current)
            self.finish_current()
            self.last_was_skip = True

    def bring_back(self, pair: QueuedPair, *, note: str = "") -> None:
        """Make `pair` the current one again; the pair that was current comes next."""
        self.skipped = [each for each in self.skipped if each.name != pair.name]
        self.waiting = [each for each in self.waiting if each.name != pair.name]
        if self.current is not None and self.current.name != pair.name:
            self.waiting.insert(0, self.current)
        self.current = pair
        self.last_was_skip = False
        self._next_turn(note)

    def requeue_skipped(self) -> None:
        """Add the skipped pairs to the end of the waiting ones."""
        self.waiting, self.skipped = [*self.waiting, *self.skipped], []
        self.last_was_skip = False

    def _next_turn(self, note: str = "") -> None:
        self.turn += 1
        self.note = note


def _order(name: PairKey, reviewer: str) -> bytes:
    text = repr((name.exchange_id, reviewer))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8, person=b"review-order").digest()
